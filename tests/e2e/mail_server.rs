//! A third-party mail server: see `tests/wire/mail.py`.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use tidelog_test_kit::{Server, ServerSetup, text};

/// A running mail server. It stops when dropped.
pub(crate) struct MailServer {
    child: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    home: TempDir,
    how: &'static str,
    port: u64,
}

/// A received mail.
pub(crate) struct Mail(Value);

impl MailServer {
    /// Starts a server that accepts all mail without TLS.
    pub(crate) fn start() -> Self {
        Self::start_with("plain")
    }

    /// Starts a server in this mode: `plain`, `smtps` or `starttls`.
    pub(crate) fn start_with(how: &'static str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(root.join(".venv/bin/python"))
            .arg(root.join("tests/wire/mail.py"))
            .arg(how)
            .arg(home.path().join("root.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python and its packages are there: scripts/test installs them");
        let input = child.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut server = Self { child, pipes: RefCell::new((input, output)), home, how, port: 0 };
        server.port = server.response()["port"].as_u64().expect("a port");
        server
    }

    /// Returns its URL for the setting `mail.smtp_url`.
    pub(crate) fn address(&self) -> String {
        let port = self.port;
        match self.how {
            "smtps" => format!("smtps://ada%40example.org:p%40ss%2Fword@localhost:{port}"),
            "starttls" => format!("smtp://ada%40example.org:p%40ss%2Fword@localhost:{port}?tls=required"),
            _ => format!("smtp://127.0.0.1:{port}"),
        }
    }

    /// Returns the file with its CA certificate.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.home.path().join("root.pem")
    }

    /// Starts a server that sends its mail here.
    pub(crate) fn start_tidelog(&self, setup: ServerSetup) -> Server {
        setup
            .with("TIDELOG_MAIL_SMTP_URL", &self.address())
            .with("TIDELOG_MAIL_FROM", "Notes <sync@example.org>")
            .start()
    }

    /// Waits for the next mail.
    pub(crate) fn next(&self) -> Mail {
        Mail(self.ask(json!({"do": "next"})))
    }

    /// Accepts no mail from now on.
    pub(crate) fn refuse(&self) {
        self.ask(json!({"do": "refuse"}));
    }

    fn ask(&self, order: Value) -> Value {
        writeln!(self.pipes.borrow_mut().0, "{order}").expect("it listens");
        self.response()
    }

    fn response(&self) -> Value {
        let mut line = String::new();
        self.pipes.borrow_mut().1.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mail {
    /// Returns the only recipient.
    pub(crate) fn to(&self) -> String {
        let all = self.0["to"].as_array().expect("recipients");
        assert_eq!(all.len(), 1, "{all:?}");
        text(&all[0])
    }

    /// Returns a header.
    pub(crate) fn header(&self, name: &str) -> String {
        text(&self.0["headers"][name])
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> String {
        text(&self.0["text"])
    }

    /// Returns whether it was sent over TLS.
    pub(crate) fn over_tls(&self) -> bool {
        self.0["over_tls"] == true
    }

    /// Returns the link in the text.
    pub(crate) fn link(&self) -> String {
        let text = self.text();
        let link = text.lines().find(|line| line.starts_with("http") && line.contains("/tll_"));
        link.unwrap_or_else(|| panic!("no link: {text}")).to_owned()
    }
}
