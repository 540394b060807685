//! `tidelog dev`: what it prints for programs, and what it leaves behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A running `tidelog dev --json`.
struct Dev {
    _home: TempDir,
    process: Child,
}

impl Dev {
    /// Starts it, and returns what it prints.
    fn start() -> (Self, Value) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(tidelog_test_kit::tidelog())
            .args(["dev", "--json", "--listen", "127.0.0.1:0", "--address-file"])
            .arg(home.path().join("address"))
            .env_clear()
            .env("TMPDIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let output = process.stdout.take().expect("its output is a pipe");
        let dev = Self { _home: home, process };
        let (mut output, mut printed) = (BufReader::new(output), String::new());
        loop {
            let read = output.read_line(&mut printed).expect("its output is text");
            assert!(read > 0, "it ended after printing {printed}");
            if let Ok(config) = serde_json::from_str(&printed) {
                return (dev, config);
            }
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text<'a>(config: &'a Value, name: &str) -> &'a str {
    config[name].as_str().unwrap_or_else(|| panic!("dev does not print {name}: {config}"))
}

#[test]
fn dev_prints_everything_a_program_needs_to_sign_in() {
    let (dev, config) = Dev::start();
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
fn dev_removes_its_data_when_it_stops() {
    let (mut dev, _) = Dev::start();
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
