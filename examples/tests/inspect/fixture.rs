//! A user with two devices and a short log, and the inspector.

use std::process::{Child, Command, Output, Stdio};

use chrono::{DateTime, Utc};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tidelog::dev::Server;
use tidelog::server::commands::{self, DeviceCommand, SessionCommand};
use tidelog_client::{ChangeEntry, ChangeOp, KdfCost, MemoryStore, SyncKitClient, SyncKitConfig};
use uuid::Uuid;

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
/// Everything here happens at this time: 2026-01-02 03:04:05 UTC.
const SOME_TIME_US: i64 = 1_767_323_045_000_000;

/// A server with an app and a user, without devices unless a test creates some.
pub(crate) struct Fixture {
    pub(crate) server: Server,
}

/// One of the user's devices.
pub(crate) struct Device {
    client: SyncKitClient,
    pub(crate) id: Uuid,
}

impl Fixture {
    pub(crate) async fn empty() -> Self {
        Self { server: Server::start().await.expect("a server") }
    }

    /// Creates five entries: two tasks and a note of the laptop; the phone changes one task and deletes the other.
    pub(crate) async fn lived_in() -> (Self, Device) {
        let fixture = Self::empty().await;
        let laptop = fixture.device("Laptop").await;
        laptop
            .push(vec![
                change(ChangeOp::Insert, "tasks", "1", Some(json!({"title": "Buy milk", "done": false}))),
                change(ChangeOp::Insert, "tasks", "2", Some(json!({"title": "Sleep"}))),
                change(ChangeOp::Insert, "notes", "n", Some(json!("just text"))),
            ])
            .await;
        let phone = fixture.device("Phone").await;
        phone
            .push(vec![
                change(ChangeOp::Update, "tasks", "1", Some(json!({"title": "Buy oat milk", "by": "Mia"}))),
                change(ChangeOp::Delete, "tasks", "2", None),
            ])
            .await;
        (fixture, laptop)
    }

    /// Returns a device with the user's key, which the first device creates.
    pub(crate) async fn device(&self, name: &str) -> Device {
        let config =
            SyncKitConfig { server_url: self.server.url().into(), api_key: self.server.api_key().into() };
        let client =
            SyncKitClient::builder(config).key_store(MemoryStore::new()).kdf_cost(KdfCost::MIN).build();
        client.authenticate(self.server.email(), self.server.password()).await.expect("a session");
        client.setup_encryption_new(PASSPHRASE).await.expect("a key");
        let id = client.register_device(name, "linux").await.expect("a device").id;
        Device { client, id }
    }

    /// Returns the names of the user's devices, in order.
    pub(crate) async fn devices(&self) -> Vec<String> {
        let devices =
            self.server.command(commands::Command::Device(DeviceCommand::List)).await.expect("devices");
        let name = |device: &Value| device["device_name"].as_str().expect("a name").to_owned();
        let mut names: Vec<_> = devices.as_array().expect("a list").iter().map(name).collect();
        names.sort();
        names
    }

    /// Returns the number of valid sessions.
    pub(crate) async fn sessions(&self) -> usize {
        let sessions =
            self.server.command(commands::Command::Session(SessionCommand::List)).await.expect("sessions");
        sessions.as_array().expect("a list").len()
    }

    /// Returns the inspector for this user.
    pub(crate) fn inspector(&self) -> Inspector {
        self.inspector_at(self.server.url())
    }

    /// Returns the inspector for a server at another URL.
    pub(crate) fn inspector_at(&self, url: &str) -> Inspector {
        let mut command = Command::new(tidelog_test_kit::example("inspect"));
        command
            .env_clear()
            .env("TIDELOG_PASSWORD", self.server.password())
            .env("TIDELOG_PASSPHRASE", PASSPHRASE)
            .args(["--server", url, "--api-key", self.server.api_key(), "--email", self.server.email()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Inspector(command)
    }
}

impl Device {
    pub(crate) async fn push(&self, changes: Vec<ChangeEntry>) {
        self.client.push(self.id, changes).await.expect("an answer");
    }

    /// Pushes a change of `tasks` that is not sealed, as a program without the key can.
    pub(crate) async fn push_unsealed(&self, server: &Server, row_id: &str) {
        let token = self.client.session_info().expect("a session").token.clone();
        let change = json!({"table": "tasks", "op": "update", "row_id": row_id, "timestamp": some_time(), "data": "AAAA"});
        let body = json!({"device_id": self.id, "batch_id": Uuid::new_v4(), "changes": [change]});
        let request = reqwest::Client::new().post(format!("{}/api/sync/push", server.url()));
        let answer = request.bearer_auth(token).json(&body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

/// The program before it runs.
pub(crate) struct Inspector(Command);

/// The output of the program after it has ended.
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Inspector {
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.0.env(variable, value);
        self
    }

    pub(crate) fn without(mut self, variable: &str) -> Self {
        self.0.env_remove(variable);
        self
    }

    pub(crate) fn run(mut self, arguments: &[&str]) -> CommandOutput {
        self.0.args(arguments).output().expect("the program starts").into()
    }

    pub(crate) fn start(mut self, arguments: &[&str]) -> Running {
        Running(self.0.args(arguments).spawn().expect("the program starts"))
    }

    /// Returns the JSON output of a command that succeeds without findings.
    pub(crate) fn json(self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.json()
    }
}

/// The running program.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it runs");
    }

    pub(crate) fn end(self) -> CommandOutput {
        self.0.wait_with_output().expect("it ends").into()
    }
}

impl CommandOutput {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("one JSON document")
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

pub(crate) fn change(op: ChangeOp, table: &str, row_id: &str, data: Option<Value>) -> ChangeEntry {
    ChangeEntry { table: table.into(), op, row_id: row_id.into(), timestamp: some_time(), data }
}

fn some_time() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(SOME_TIME_US).expect("a time")
}
