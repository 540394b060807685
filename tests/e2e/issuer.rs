//! An issuer of assertions, written with a third-party library: see `tests/wire/issuer.py`.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use tidelog_test_kit::text;

/// A running issuer. It stops when dropped.
pub(crate) struct Issuer {
    child: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    url: String,
}

impl Issuer {
    /// Starts an issuer with keys of these kinds, named after their kind and published.
    pub(crate) fn with_keys(kinds: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut child = Command::new(root.join(".venv/bin/python"))
            .arg(root.join("tests/wire/issuer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python and its packages are there: scripts/test installs them");
        let input = child.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut issuer = Self { child, pipes: RefCell::new((input, output)), url: String::new() };
        issuer.url = text(&issuer.response()["url"]);
        for kind in kinds {
            issuer.make_key(kind, kind);
        }
        issuer.publish(kinds);
        issuer
    }

    /// Returns the `iss` of its tokens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the URL of its keys.
    pub(crate) fn keys_url(&self) -> String {
        format!("{}/keys", self.url)
    }

    /// Creates a key of this kind and name without publishing it.
    pub(crate) fn make_key(&self, kid: &str, kind: &str) {
        self.ask(json!({"do": "key", "kid": kid, "kind": kind}));
    }

    /// Publishes exactly these keys.
    pub(crate) fn publish(&self, kids: &[&str]) {
        self.publish_as(&json!(kids.iter().map(|kid| json!({"kid": kid})).collect::<Vec<_>>()));
    }

    /// Publishes exactly these keys, with changes to each published key.
    pub(crate) fn publish_as(&self, keys: &Value) {
        self.ask(json!({"do": "publish", "keys": keys}));
    }

    /// Returns the JWK set.
    pub(crate) fn jwks(&self) -> String {
        text(&self.ask(json!({"do": "jwks"}))["jwks"])
    }

    /// Sets how it responds from now on.
    pub(crate) fn set_behavior(&self, how: &str) {
        self.ask(json!({"do": "behave", "as": how}));
    }

    /// Returns how often its keys were fetched.
    pub(crate) fn fetch_count(&self) -> u64 {
        self.ask(json!({"do": "asked"}))["asked"].as_u64().expect("a number")
    }

    /// Returns a token with exactly these claims, signed with this key.
    pub(crate) fn sign(&self, kid: &str, header: &Value, claims: &Value) -> String {
        text(&self.ask(json!({"do": "sign", "kid": kid, "header": header, "claims": claims}))["token"])
    }

    /// Returns a token that no library would make.
    pub(crate) fn forge(&self, how: &str, kid: &str, header: &Value, claims: &Value) -> String {
        let order = json!({"do": "forge", "how": how, "kid": kid, "header": header, "claims": claims});
        text(&self.ask(order)["token"])
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

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
