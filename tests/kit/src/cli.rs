//! The command line, run as an operator runs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use super::server::command;

/// Runs commands on one data folder.
#[derive(Clone)]
pub struct Cli {
    data: PathBuf,
    environment: Vec<(String, String)>,
}

impl Cli {
    /// Runs commands on this folder.
    pub fn new(data: &Path) -> Self {
        Self::with_environment(data, &[])
    }

    /// Runs commands on this folder, with settings from environment variables.
    pub(crate) fn with_environment(data: &Path, environment: &[(String, String)]) -> Self {
        Self { data: data.to_owned(), environment: environment.to_vec() }
    }

    /// Runs a command with `--json`.
    pub fn run(&self, arguments: &[&str]) -> CommandOutput {
        self.run_with_input(arguments, "")
    }

    /// Runs a command with `--json` and this text on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> CommandOutput {
        self.execute(arguments, &["--json"], input)
    }

    /// Runs a command without `--json`.
    pub fn run_plain(&self, arguments: &[&str]) -> CommandOutput {
        self.execute(arguments, &[], "")
    }

    fn execute(&self, arguments: &[&str], flags: &[&str], input: &str) -> CommandOutput {
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
        // A command that reads no input may have ended already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        CommandOutput {
            command: format!("tidelog {}", arguments.join(" ")),
            output: child.wait_with_output().expect("the command ends"),
        }
    }
}

/// The output of a command that has ended.
pub struct CommandOutput {
    command: String,
    output: Output,
}

impl CommandOutput {
    /// Returns standard output. Fails the test unless the command succeeded.
    #[track_caller]
    pub fn text(&self) -> String {
        assert!(self.output.status.success(), "{} failed: {}", self.command, self.stderr());
        self.stdout()
    }

    /// Returns the JSON value on standard output. Fails the test unless the command succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text)
            .unwrap_or_else(|fault| panic!("{} did not print JSON ({fault}): {text}", self.command))
    }

    /// Returns standard error of a command that was refused: it failed and printed nothing on standard output.
    #[track_caller]
    pub fn expect_refusal(&self) -> String {
        let stderr = self.expect_failure();
        assert_eq!(self.stdout(), "", "{} failed, yet wrote on standard output", self.command);
        stderr
    }

    /// Returns standard error of a command that failed; it may have printed results first.
    #[track_caller]
    pub fn expect_failure(&self) -> String {
        assert!(
            !self.output.status.success(),
            "{} should have failed, but printed {}",
            self.command,
            self.stdout()
        );
        assert!(self.output.status.code().is_some(), "{} was killed", self.command);
        assert!(!self.stderr().trim().is_empty(), "{} failed without an error message", self.command);
        assert!(!self.stderr().contains("panicked"), "{} panicked: {}", self.command, self.stderr());
        self.stderr()
    }

    fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).expect("output is text")
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
