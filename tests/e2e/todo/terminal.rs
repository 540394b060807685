//! A terminal with a program in it: tmux shows what a person would see, and types what a person would type.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Of the terminal: the smallest that people have.
const SIZE: [&str; 4] = ["-x", "80", "-y", "24"];
/// How long the program may take to show something. Far more than it needs: reaching it means that it never will.
const TIMEOUT: Duration = Duration::from_secs(60);
/// What the shell in the terminal says once the program has ended, beside the exit code.
const ENDED: &str = "it ended with";

/// The terminal. Dropping it hangs up.
pub(crate) struct Terminal {
    folder: TempDir,
    /// Says whenever the program has written something, and closes with the terminal.
    output: Receiver<()>,
}

impl Terminal {
    /// Runs a program, and then shows its exit code and whether the terminal echoes, until somebody closes it.
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

    /// Has tmux copy what the program writes, once the screen shows it.
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

    /// Presses keys, by tmux's names.
    pub(crate) fn press(&self, keys: &[&str]) -> &Self {
        assert_success(&self.tmux().arg("send-keys").args(keys).output().expect("tmux answers"));
        self
    }

    /// Types a text as it is.
    pub(crate) fn type_text(&self, text: &str) -> &Self {
        self.press(&["-l", "--", text])
    }

    /// Types a text once the terminal does not echo any more. A program prompts first and turns the echo off then, and no person is
    /// as fast as this.
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

    /// What can be seen.
    pub(crate) fn screen(&self) -> String {
        let seen = self.tmux().args(["capture-pane", "-p"]).output().expect("tmux answers");
        assert_success(&seen);
        String::from_utf8(seen.stdout).expect("text")
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            let left = TIMEOUT.saturating_sub(started.elapsed());
            assert!(self.output.recv_timeout(left).is_ok(), "this never shows {what}:\n{screen}");
        }
    }

    /// Waits until this text can be seen.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits until this text can be seen no more.
    #[track_caller]
    pub(crate) fn hides(&self, text: &str) -> String {
        self.until(&format!("no {text}"), |screen| !screen.contains(text))
    }

    /// Waits until the program has ended. Gives its exit code and what the terminal looks like then.
    #[track_caller]
    pub(crate) fn end(&self) -> (i32, String) {
        let screen = self.shows("icanon");
        let code = screen.lines().find_map(|line| line.strip_prefix(ENDED)).expect("it says so first");
        (code.trim().parse().expect("a number"), screen)
    }

    /// The program's process.
    pub(crate) fn pid(&self) -> i32 {
        let pid = std::fs::read_to_string(self.pid_file()).expect("it has started");
        pid.trim().parse().expect("a number")
    }

    /// Makes the terminal larger or smaller.
    pub(crate) fn resize(&self, columns: &str, lines: &str) {
        let resize = ["resize-window", "-x", columns, "-y", lines];
        assert_success(&self.tmux().args(resize).output().expect("tmux answers"));
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    /// A tmux that shares nothing with anybody's own.
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
