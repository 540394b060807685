//! A running web app and its sidecar.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use reqwest::blocking::Client;
use reqwest::header::{CONTENT_TYPE, COOKIE};
use reqwest::redirect::Policy;
use tempfile::TempDir;

use tidelog_test_kit::{App, Server, text};

pub(crate) struct Fixture {
    pub(crate) server: Server,
    app: App,
    url: String,
    web_app: Child,
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let server = Server::start();
        let app = server.new_app("Bookmarks");
        let token = ["token", "create", "--scope", "admin", "--app", "Bookmarks"];
        let token = text(&server.cli().run(&token).json()["token"]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut web_app = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sidecar/web_app.py"))
            .args(["--listen", "127.0.0.1:0", "--database"])
            .arg(folder.path().join("bookmarks.db"))
            .env("SYNC_URL", server.url())
            .env("SYNC_APP", &app.id)
            .env("SYNC_TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python is there");
        let mut url = String::new();
        let mut output = BufReader::new(web_app.stdout.take().expect("its output is a pipe"));
        output.read_line(&mut url).expect("the program prints its URL");
        // Drain the rest of its output, so that it does not block on the pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { server, app, url: url.trim().to_owned(), web_app, folder }
    }

    /// Returns status and body.
    pub(crate) fn post(&self, path: &str, form: &str, cookie: Option<&str>) -> (u16, String) {
        let http = Client::builder().redirect(Policy::none()).no_proxy().build().expect("an HTTP client");
        let mut request = http.post(format!("{}{path}", self.url)).body(form.to_owned());
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request.send().expect("an answer");
        (response.status().as_u16(), response.text().expect("text"))
    }

    pub(crate) fn sign_up(&self, name: &str, password: &str) {
        let (status, body) = self.post("/sign-up", &format!("name={name}&password={password}"), None);
        assert_eq!(status, 303, "{body}");
    }

    pub(crate) fn sign_in(&self, name: &str, password: &str) -> (u16, String) {
        self.post("/sign-in", &format!("name={name}&password={password}"), None)
    }

    /// Returns the program, to be run as this user.
    pub(crate) fn program(&self, name: &str, arguments: &[&str]) -> Program {
        let mut command = Command::new(tidelog_test_kit::example("sidecar"));
        command
            .env_clear()
            .env("BOOKMARKS_PASSWORD", format!("a password for {name}"))
            .env("BOOKMARKS_PASSPHRASE", format!("a passphrase of {name}"))
            .args(["--web-app", &self.url, "--sync", &self.server.url(), "--api-key", &self.app.api_key])
            .args(["--name", name])
            .args(arguments)
            .stdin(Stdio::null());
        Program(command)
    }

    /// Asserts that neither the server's files nor the web app's contain this text.
    #[track_caller]
    pub(crate) fn assert_nothing_shows(&self, secret: &str) {
        for folder in [self.server.data(), self.folder.path().to_owned()] {
            for file in std::fs::read_dir(folder).expect("a folder") {
                let Ok(bytes) = std::fs::read(file.expect("a file").path()) else { continue };
                assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
            }
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.web_app.kill();
        let _ = self.web_app.wait();
    }
}

pub(crate) struct Program(Command);

impl Program {
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.0.arg(argument);
        self
    }

    #[track_caller]
    pub(crate) fn expect_output(self, expected: &str) {
        let output = self.run();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }

    /// Returns standard error of the failed program.
    #[track_caller]
    pub(crate) fn expect_failure(self) -> String {
        let output = self.run();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn run(mut self) -> Output {
        self.0.output().expect("the program runs")
    }
}
