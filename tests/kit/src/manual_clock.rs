//! A server in the test process with a clock that tests advance, so that nothing has to wait for days.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tidelog::clock::{Clock, ClockHand};
use tidelog::config::{Sources, load};
use tidelog::dev::{Sample, create_sample};
use tidelog::server::commands::{Command, SweepCommand};
use tidelog::server::{Running, start};
use tokio::runtime::Runtime;

use super::people::{App, User};
use super::{Caller, Contract, Origin, credentials, text};

const HOUR_SECONDS: i64 = 60 * 60;

/// A server with a manual clock. It stops when dropped.
pub struct ManualClockServer {
    running: Option<Running>,
    runtime: Runtime,
    clock_hand: ClockHand,
    origin: Origin,
    sample: Sample,
    folder: TempDir,
}

impl ManualClockServer {
    /// Starts a server on an empty folder, with an app and a user whose sessions outlive every test.
    pub fn start(settings: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut flags = vec![
            ("data", folder.path().join("data").to_string_lossy().into_owned()),
            ("listen", "127.0.0.1:0".into()),
            ("auth.access_token_days", "3650".into()),
            ("auth.session_idle_days", "3650".into()),
            ("shutdown_timeout_seconds", "1".into()),
        ];
        flags.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let (settings, _) = load(&Sources { flags, ..Sources::default() }).expect("valid settings");
        let now_us = Clock::system().now_us();
        let now = tidelog_protocol::Timestamp::from_micros(now_us).expect("a time");
        let (clock, clock_hand) = Clock::manual(now);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (running, sample) = runtime.block_on(async {
            let running = start(settings, clock).await.expect("a server");
            let sample = create_sample(running.command_context()).await.expect("an app and a user");
            (running, sample)
        });
        let origin = Origin::default();
        origin.set(running.url());
        if origin.url().starts_with("http:") {
            Contract::load_from(&origin);
        }
        Self { running: Some(running), runtime, clock_hand, origin, sample, folder }
    }

    /// Returns the body of its user's sign-in.
    pub fn credentials(&self) -> Value {
        let app =
            App { name: "dev".into(), id: self.sample.app_id.clone(), api_key: self.sample.api_key.clone() };
        let user = User { email: self.sample.email.clone(), id: self.sample.user_id.clone() };
        let mut credentials = credentials(&user, &app);
        credentials["password"] = self.sample.password.clone().into();
        credentials
    }

    /// Returns a caller without a token.
    pub fn anonymous(&self) -> Caller {
        Caller::new(self.origin.clone(), None)
    }

    /// Signs its user in again and returns the caller.
    pub fn signed_in_caller(&self) -> Caller {
        let anonymous = self.anonymous();
        anonymous.with_token(&text(&anonymous.post("/api/sync/auth", &self.credentials()).ok()["token"]))
    }

    /// Returns the server's time, in seconds since 1970.
    pub fn now_seconds(&self) -> i64 {
        self.running.as_ref().expect("it runs").command_context().store.now_us() / 1_000_000
    }

    /// Returns its URL, like `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        self.origin.url()
    }

    /// Returns the id of its user.
    pub fn user_id(&self) -> &str {
        &self.sample.user_id
    }

    /// Returns the email of its user.
    pub fn email(&self) -> &str {
        &self.sample.email
    }

    /// Returns the password of its user.
    pub fn password(&self) -> &str {
        &self.sample.password
    }

    /// Returns the API key of its app.
    pub fn api_key(&self) -> &str {
        &self.sample.api_key
    }

    /// Advances the clock.
    pub fn advance_hours(&self, hours: i64) {
        self.clock_hand.advance(hours * HOUR_SECONDS);
    }

    /// Advances the clock.
    pub fn advance_seconds(&self, seconds: i64) {
        self.clock_hand.advance(seconds);
    }

    /// Executes a command of the operator.
    pub fn command(&self, command: Command) -> Value {
        let context = self.running.as_ref().expect("it runs").command_context();
        self.runtime.block_on(command.execute(context)).expect("the command succeeds")
    }

    /// Deletes signing keys that are no longer needed, as maintenance does periodically.
    pub fn retire_keys(&self) {
        let auth = self.running.as_ref().expect("it runs").auth();
        self.runtime.block_on(auth.retire_keys()).expect("the database works");
    }

    /// Sweeps the blob store.
    pub fn sweep(&self) -> Value {
        self.command(Command::Sweep(SweepCommand { dry_run: false }))
    }

    /// Fails the test if `tidelog check` finds faults in the database.
    #[track_caller]
    pub fn assert_consistent(&self) {
        assert_eq!(self.command(Command::Check)["faults"], serde_json::json!([]));
    }

    /// Returns the folder of its blobs.
    pub fn blobs(&self) -> PathBuf {
        self.folder.path().join("data").join("blobs")
    }

    /// Returns the names of the objects in its blob store.
    pub fn objects(&self) -> Vec<String> {
        super::objects_in(&self.blobs())
    }
}

impl Drop for ManualClockServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}
