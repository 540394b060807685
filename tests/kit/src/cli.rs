//! The command line, as an operator types it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use super::server::command;

/// Commands on one data folder.
#[derive(Clone)]
pub struct Cli {
    data: PathBuf,
    environment: Vec<(String, String)>,
}

impl Cli {
    /// Commands on this folder.
    pub fn new(data: &Path) -> Self {
        Self::with_environment(data, &[])
    }

    /// Commands on this folder, with settings from the environment.
    pub(crate) fn with_environment(data: &Path, environment: &[(String, String)]) -> Self {
        Self { data: data.to_owned(), environment: environment.to_vec() }
    }

    /// Runs a command with `--json`.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "")
    }

    /// Runs a command with `--json` and this text on its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        self.execute(arguments, &["--json"], input)
    }

    /// Runs a command as a person does, without `--json`.
    pub fn run_plain(&self, arguments: &[&str]) -> Ran {
        self.execute(arguments, &[], "")
    }

    fn execute(&self, arguments: &[&str], flags: &[&str], input: &str) -> Ran {
        let mut child = command()
            .args(arguments)
            .arg("--data")
            .arg(&self.data)
            .args(flags)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        // A command that reads no input may be gone already: that is its right.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ran {
            what: format!("tidelog {}", arguments.join(" ")),
            output: child.wait_with_output().expect("the command ends"),
        }
    }
}

/// A command that has ended.
pub struct Ran {
    what: String,
    output: Output,
}

impl Ran {
    /// What it wrote on standard output, if it succeeded.
    #[track_caller]
    pub fn text(&self) -> String {
        assert!(self.output.status.success(), "{} failed: {}", self.what, self.complaint());
        self.stdout()
    }

    /// The one JSON value on its standard output, if it succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text)
            .unwrap_or_else(|fault| panic!("{} printed no JSON ({fault}): {text}", self.what))
    }

    /// What it complained of on standard error, if it failed; a command that does nothing prints nothing on standard output.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let complaint = self.failed();
        assert_eq!(self.stdout(), "", "{} failed, yet wrote on standard output", self.what);
        complaint
    }

    /// What it complained of on standard error, if it failed; it may have told what it found first.
    #[track_caller]
    pub fn failed(&self) -> String {
        assert!(
            !self.output.status.success(),
            "{} should have failed, but printed {}",
            self.what,
            self.stdout()
        );
        assert!(self.output.status.code().is_some(), "{} was killed", self.what);
        assert!(!self.complaint().trim().is_empty(), "{} failed without a word", self.what);
        assert!(!self.complaint().contains("panicked"), "{} panicked: {}", self.what, self.complaint());
        self.complaint()
    }

    fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).expect("output is text")
    }

    fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
