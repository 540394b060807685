//! A program in a terminal: tmux shows its screen and types into it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Size of the terminal: the smallest in use.
const SIZE: [&str; 4] = ["-x", "80", "-y", "24"];
/// How long the program may take to show something. Far more than it needs: reaching this means that it never will.
const TIMEOUT: Duration = Duration::from_secs(60);
/// What the shell prints before the exit code once the program has ended.
const ENDED: &str = "it ended with";

/// A terminal. Dropping it closes it.
pub(crate) struct Terminal {
    folder: TempDir,
    /// Receives whenever the program has written something, and closes with the terminal.
    output: Receiver<()>,
}

impl Terminal {
    /// Runs a program, then shows its exit code and whether the terminal echoes, until it is closed.
    pub(crate) fn run(program: &Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (sender, output) = channel();
        let terminal = Self { folder, output };
        let script = format!(
            r#"sh -c 'echo $$ >"$0"; exec "$@"' "$0" "$@"; printf "\n{ENDED} $?\n"; stty -a | tr ';' ' '; cat"#
        );
        let mut tmux = terminal.tmux();
        tmux.args(["new-session", "-d"]).args(SIZE).args(["sh", "-c", &script]).arg(terminal.pid_file());
        tmux.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            tmux.env(name, value.unwrap_or(OsStr::new("")));
        }
        assert_success(&tmux.output().expect("tmux is installed"));
        terminal.copy_output(sender);
        terminal
    }

    /// Makes tmux copy the program's output, once the screen shows it.
    fn copy_output(&self, sender: Sender<()>) {
        let pipe = self.folder.path().join("output");
        assert_success(&Command::new("mkfifo").arg(&pipe).output().expect("mkfifo is installed"));
        let copy = format!("cat > '{}'", pipe.display());
        assert_success(&self.tmux().args(["pipe-pane", &copy]).output().expect("tmux answers"));
        thread::spawn(move || {
            let mut pipe = File::open(pipe).expect("tmux writes to the pipe");
            let mut buffer = [0; 4096];
            while pipe.read(&mut buffer).is_ok_and(|read| read > 0) && sender.send(()).is_ok() {}
        });
    }

    /// Presses keys, by their names in tmux.
    pub(crate) fn press(&self, keys: &[&str]) -> &Self {
        assert_success(&self.tmux().arg("send-keys").args(keys).output().expect("tmux answers"));
        self
    }

    /// Types literal text.
    pub(crate) fn type_text(&self, text: &str) -> &Self {
        self.press(&["-l", "--", text])
    }

    /// Types text once the terminal no longer echoes. A program prompts before it turns the echo off, and a test
    /// types faster than a person would.
    pub(crate) fn type_secret(&self, text: &str) -> &Self {
        let tty = self.tmux().args(["display-message", "-p", "#{pane_tty}"]).output().expect("tmux answers");
        let tty = String::from_utf8(tty.stdout).expect("a path");
        let started = Instant::now();
        loop {
            let settings =
                Command::new("stty").args(["-a", "-F", tty.trim()]).output().expect("stty is installed");
            if String::from_utf8_lossy(&settings.stdout).split_whitespace().any(|setting| setting == "-echo")
            {
                return self.type_text(text);
            }
            assert!(started.elapsed() < TIMEOUT, "the terminal never stops echoing:\n{}", self.screen());
        }
    }

    /// Returns the screen.
    pub(crate) fn screen(&self) -> String {
        let seen = self.tmux().args(["capture-pane", "-p"]).output().expect("tmux answers");
        assert_success(&seen);
        String::from_utf8(seen.stdout).expect("text")
    }

    /// Waits until the screen meets a condition.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            let left = TIMEOUT.saturating_sub(started.elapsed());
            assert!(self.output.recv_timeout(left).is_ok(), "the screen never shows {what}:\n{screen}");
        }
    }

    /// Waits until this text is visible.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits until this text is no longer visible.
    #[track_caller]
    pub(crate) fn wait_until_gone(&self, text: &str) -> String {
        self.until(&format!("no {text}"), |screen| !screen.contains(text))
    }

    /// Waits until the program has ended. Returns its exit code and the screen.
    #[track_caller]
    pub(crate) fn end(&self) -> (i32, String) {
        let screen = self.wait_for("icanon");
        let code =
            screen.lines().find_map(|line| line.strip_prefix(ENDED)).expect("the exit code is on the screen");
        (code.trim().parse().expect("a number"), screen)
    }

    /// Returns the id of the program's process.
    pub(crate) fn pid(&self) -> i32 {
        let pid = std::fs::read_to_string(self.pid_file()).expect("it has started");
        pid.trim().parse().expect("a number")
    }

    /// Resizes the terminal.
    pub(crate) fn resize(&self, columns: &str, lines: &str) {
        let resize = ["resize-window", "-x", columns, "-y", lines];
        assert_success(&self.tmux().args(resize).output().expect("tmux answers"));
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    /// Returns a tmux command that is isolated from the developer's tmux.
    fn tmux(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(self.folder.path().join("tmux"));
        tmux
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").output();
    }
}

#[track_caller]
fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
