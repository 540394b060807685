//! A server in the tests' own process whose clock they move: what waits for days happens at once.

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

/// The server. It stops when dropped.
pub struct ClockedServer {
    running: Option<Running>,
    runtime: Runtime,
    hand: ClockHand,
    origin: Origin,
    sample: Sample,
    folder: TempDir,
}

impl ClockedServer {
    /// One on an empty folder, with an app and a user whose session outlives every test.
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
        let (clock, hand) = Clock::manual(now);
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
            Contract::learn_from(&origin);
        }
        Self { running: Some(running), runtime, hand, origin, sample, folder }
    }

    /// What its user signs in with.
    pub fn credentials(&self) -> Value {
        let app =
            App { name: "dev".into(), id: self.sample.app_id.clone(), api_key: self.sample.api_key.clone() };
        let user = User { email: self.sample.email.clone(), id: self.sample.user_id.clone() };
        let mut credentials = credentials(&user, &app);
        credentials["password"] = self.sample.password.clone().into();
        credentials
    }

    /// Somebody who has not signed in.
    pub fn nobody(&self) -> Caller {
        Caller::new(self.origin.clone(), None)
    }

    /// Its user, signed in anew.
    pub fn somebody(&self) -> Caller {
        let nobody = self.nobody();
        nobody.with_token(&text(&nobody.post("/api/sync/auth", &self.credentials()).ok()["token"]))
    }

    /// What time it is there, in seconds since 1970.
    pub fn now_seconds(&self) -> i64 {
        self.running.as_ref().expect("it runs").command_context().store.now_us() / 1_000_000
    }

    /// Where it listens, like `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        self.origin.url()
    }

    /// The id of its user.
    pub fn user_id(&self) -> &str {
        &self.sample.user_id
    }

    /// The address of its user.
    pub fn email(&self) -> &str {
        &self.sample.email
    }

    /// The password of its user.
    pub fn password(&self) -> &str {
        &self.sample.password
    }

    /// The key of its app.
    pub fn api_key(&self) -> &str {
        &self.sample.api_key
    }

    /// Lets time pass.
    pub fn pass_hours(&self, hours: i64) {
        self.hand.advance(hours * HOUR_SECONDS);
    }

    /// Lets a little time pass.
    pub fn pass_seconds(&self, seconds: i64) {
        self.hand.advance(seconds);
    }

    /// Executes an operator's command.
    pub fn command(&self, command: Command) -> Value {
        let context = self.running.as_ref().expect("it runs").command_context();
        self.runtime.block_on(command.execute(context)).expect("the command succeeds")
    }

    /// Deletes signing keys that are no longer needed, as upkeep does now and then.
    pub fn retire_keys(&self) {
        let auth = self.running.as_ref().expect("it runs").auth();
        self.runtime.block_on(auth.retire_keys()).expect("the database works");
    }

    /// Sweeps.
    pub fn sweep(&self) -> Value {
        self.command(Command::Sweep(SweepCommand { dry_run: false }))
    }

    /// Fails the test if the database is not whole.
    #[track_caller]
    pub fn assert_whole(&self) {
        assert_eq!(self.command(Command::Check)["faults"], serde_json::json!([]));
    }

    /// The folder of its blobs.
    pub fn blobs(&self) -> PathBuf {
        self.folder.path().join("data").join("blobs")
    }

    /// The names of the objects on its disk.
    pub fn objects(&self) -> Vec<String> {
        super::objects_in(&self.blobs())
    }
}

impl Drop for ClockedServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}
