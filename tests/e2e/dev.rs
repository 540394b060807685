//! `tidelog dev`: the commands that it prints work when pasted into a shell.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running `tidelog dev` and its output.
struct Dev {
    _home: TempDir,
    process: Child,
    printed: String,
}

impl Dev {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(tidelog_test_kit::tidelog())
            .args(["dev", "--listen", "127.0.0.1:0"])
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
        // The pipe stays open, so the end of the output is recognised by its content: the complete last command.
        while !printed.contains("/api/sync/pull") || printed.ends_with("\\\n") {
            let read = output.read_line(&mut printed).expect("its output is text");
            assert!(read > 0, "it ended after printing {printed}");
        }
        Self { _home: home, process, printed }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The developer's `PATH` holds `tidelog` and the usual tools.
fn path_with_tidelog() -> OsString {
    let folder = Path::new(tidelog_test_kit::tidelog()).parent().expect("a folder");
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&inherited));
    std::env::join_paths(folders).expect("a path")
}

#[test]
fn the_commands_that_dev_prints_work_when_pasted_into_a_shell() {
    let dev = Dev::start();
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
