//! `tidelog dev`: the commands that it prints work when pasted into a shell.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A running `tidelog dev` and its output.
struct Dev {
    _home: TempDir,
    process: Child,
    printed: String,
}

impl Dev {
    /// Starts it and reads its output until `is_complete`.
    fn start(flags: &[&str], is_complete: impl Fn(&str) -> bool) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(tidelog_test_kit::tidelog())
            .args(["dev", "--listen", "127.0.0.1:0", "--address-file"])
            .arg(home.path().join("address"))
            .args(flags)
            .env_clear()
            .env("PATH", path_with_tidelog())
            .env("TMPDIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let mut printed = String::new();
        while !is_complete(&printed) {
            let read = output.read_line(&mut printed).expect("its output is text");
            assert!(read > 0, "it ended after printing {printed}");
        }
        Self { _home: home, process, printed }
    }

    fn in_json() -> (Self, Value) {
        let dev = Self::start(&["--json"], |printed| serde_json::from_str::<Value>(printed).is_ok());
        let config = serde_json::from_str(&dev.printed).expect("JSON");
        (dev, config)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The developer's `PATH` holds `tidelog` and the usual tools.
fn path_with_tidelog() -> std::ffi::OsString {
    let folder = Path::new(tidelog_test_kit::tidelog()).parent().expect("a folder");
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&inherited));
    std::env::join_paths(folders).expect("a path")
}

fn text<'a>(config: &'a Value, name: &str) -> &'a str {
    config[name].as_str().unwrap_or_else(|| panic!("dev does not print {name}: {config}"))
}

#[test]
fn dev_prints_everything_a_program_needs_to_sign_in() {
    let (dev, config) = Dev::in_json();
    let address = fs::read_to_string(dev._home.path().join("address")).expect("the address file is there");
    assert_eq!(address.trim(), text(&config, "url"));
    let credentials = json!({"email": text(&config, "email"), "password": text(&config, "password"), "api_key": text(&config, "api_key")});
    let http = reqwest::blocking::Client::new();
    let response = http
        .post(format!("{}/api/sync/auth", text(&config, "url")))
        .json(&credentials)
        .send()
        .expect("a response");
    assert_eq!(response.status(), 200);
    let response: Value = response.json().expect("JSON");
    assert_eq!(response["app_id"], config["app_id"]);
}

#[test]
fn the_commands_that_dev_prints_work_when_pasted_into_a_shell() {
    // The pipe stays open, so the end of the output is recognised by its content: the complete last command.
    let dev = Dev::start(&[], |printed| printed.contains("/api/sync/pull") && !printed.ends_with("\\\n"));
    let (_, script) = dev.printed.split_once("Paste").expect("dev says what to paste");
    let (_, script) = script.split_once('\n').expect("the commands follow");
    let pasted = format!("set -eu\n{script}");
    let output = Command::new("bash")
        .args(["-c", &pasted])
        .env("PATH", path_with_tidelog())
        .output()
        .expect("bash runs");
    let (out, fault) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{pasted}\nfailed: {fault}\n{out}");
    assert!(!out.contains("\"error\""), "{pasted}\nwas refused: {out}");
    assert!(out.contains("\"changes\""), "{pasted}\npulled nothing: {out}");
}

#[test]
fn dev_removes_its_data_when_it_stops() {
    let (mut dev, _) = Dev::in_json();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&dev.process),
        rustix::process::Signal::TERM,
    )
    .expect("the process is there");
    assert!(dev.process.wait().expect("it ends").success());
    let left: Vec<_> = fs::read_dir(dev._home.path())
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name != "address")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
