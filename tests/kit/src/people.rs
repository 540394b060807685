//! Test data: apps, users, devices and changes.

use chrono::{DateTime, SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, Server};

/// Every test user's password, until a test changes it.
pub const PASSWORD: &str = "correct horse battery staple";

/// An app created by `tidelog app create`.
#[derive(Clone, Debug)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its API key.
    pub api_key: String,
}

/// A user created by `tidelog user create`.
#[derive(Clone, Debug)]
pub struct User {
    /// Its email.
    pub email: String,
    /// Its id.
    pub id: String,
}

impl Server {
    /// Creates an app.
    pub fn new_app(&self, name: &str) -> App {
        let created = self.cli().run(&["app", "create", name]).json();
        App { name: name.into(), id: text(&created["app_id"]), api_key: text(&created["api_key"]) }
    }

    /// Creates an app that receives integer cursors.
    pub fn new_number_app(&self, name: &str) -> App {
        let app = self.new_app(name);
        self.cli().run(&["app", "set", name, "cursor_format=number"]).json();
        app
    }

    /// Creates a user with [`PASSWORD`].
    pub fn new_user(&self, email: &str) -> User {
        let created =
            self.cli().run_with_input(&["user", "create", email, "--password-stdin"], PASSWORD).json();
        User { email: email.into(), id: text(&created["user_id"]) }
    }

    /// Signs in and returns the response body.
    pub fn tokens(&self, user: &User, app: &App) -> Value {
        self.anonymous().post("/api/sync/auth", &credentials(user, app)).ok()
    }

    /// Signs in and returns the caller.
    pub fn sign_in(&self, user: &User, app: &App) -> Caller {
        self.bearer(&text(&self.tokens(user, app)["token"]))
    }

    /// Creates an app and a user, and signs the user in: enough for most tests.
    pub fn signed_in_caller(&self) -> Caller {
        let app = self.new_app("Notes");
        let user = self.new_user("ada@example.org");
        self.sign_in(&user, &app)
    }
}

/// Returns the body of a sign-in.
pub fn credentials(user: &User, app: &App) -> Value {
    json!({"email": user.email, "password": PASSWORD, "api_key": app.api_key})
}

impl Caller {
    /// Registers a device of this name and returns its id.
    pub fn device(&self, name: &str) -> String {
        let response = self.post("/api/sync/devices", &json!({"device_name": name, "platform": "linux"}));
        assert!(
            matches!(response.status, 200 | 201),
            "{} answered {}",
            response.request_line(),
            response.text()
        );
        text(&response.json()["id"])
    }

    /// Pushes a new batch and returns the cursor.
    #[track_caller]
    pub fn push(&self, device: &str, changes: Vec<Value>) -> Value {
        let batch = json!({"device_id": device, "batch_id": fresh_id(), "changes": changes});
        self.post("/api/sync/push", &batch).ok()["cursor"].clone()
    }

    /// Pulls the whole log from the start, page by page, own changes included.
    #[track_caller]
    pub fn pull_everything(&self, device: &str) -> Vec<Value> {
        let mut request = json!({"device_id": device, "include_own": true});
        self.pull_pages(&mut request)
    }

    /// Repeats this pull until there are no more pages, and leaves the last cursor in the request.
    #[track_caller]
    pub fn pull_pages(&self, request: &mut Value) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let page = self.post("/api/sync/pull", request).ok();
            all.extend_from_slice(page["changes"].as_array().expect("a page has changes"));
            request["cursor"] = page["cursor"].clone();
            if !page["has_more"].as_bool().expect("has_more is a boolean") {
                return all;
            }
        }
    }

    /// Returns `total_changes` of the status.
    #[track_caller]
    pub fn total_changes(&self) -> u64 {
        self.get("/api/sync/status").ok()["total_changes"].as_u64().expect("a count")
    }
}

/// Returns a new UUID.
pub fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}

/// Returns the time this many seconds after a fixed start, in the protocol's format.
pub fn instant(seconds: i64) -> String {
    let start = DateTime::parse_from_rfc3339("2026-03-13T10:00:00Z").expect("a constant").to_utc();
    (start + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Returns a well-formed insert into `notes`.
pub fn change(row: &str) -> Value {
    json!({"table": "notes", "op": "insert", "row_id": row, "timestamp": instant(0), "data": "c2VhbGVk"})
}

/// Returns well-formed inserts of `count` rows whose ids start with this name.
pub fn changes(name: &str, count: usize) -> Vec<Value> {
    (0..count).map(|number| change(&format!("{name}-{number}"))).collect()
}

/// Returns the text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}
