//! The people of the tests: operators make apps and users, users sign in, own devices and write changes.

use chrono::{DateTime, SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, Server};

/// Every test user's password, until a test changes it.
pub const PASSWORD: &str = "correct horse battery staple";

/// An app, as `tidelog app create` made it.
#[derive(Clone, Debug)]
pub struct App {
    /// What the operator calls it.
    pub name: String,
    /// Its id.
    pub id: String,
    /// What ships inside its programs.
    pub api_key: String,
}

/// An account, as `tidelog user create` made it.
#[derive(Clone, Debug)]
pub struct User {
    /// Its address.
    pub email: String,
    /// Its id.
    pub id: String,
}

impl Server {
    /// Makes an app.
    pub fn new_app(&self, name: &str) -> App {
        let made = self.cli().run(&["app", "create", name]).json();
        App { name: name.into(), id: text(&made["app_id"]), api_key: text(&made["api_key"]) }
    }

    /// Makes an app that receives integer cursors.
    pub fn new_number_app(&self, name: &str) -> App {
        let app = self.new_app(name);
        self.cli().run(&["app", "set", name, "cursor_format=number"]).json();
        app
    }

    /// Makes an account with the tests' password.
    pub fn new_user(&self, email: &str) -> User {
        let made = self.cli().run_with_input(&["user", "create", email, "--password-stdin"], PASSWORD).json();
        User { email: email.into(), id: text(&made["user_id"]) }
    }

    /// Signs in and gives the whole answer.
    pub fn tokens(&self, user: &User, app: &App) -> Value {
        self.nobody().post("/api/sync/auth", &credentials(user, app)).ok()
    }

    /// Signs in.
    pub fn sign_in(&self, user: &User, app: &App) -> Caller {
        self.bearer(&text(&self.tokens(user, app)["token"]))
    }

    /// An app, an account, and its owner signed in: enough for most tests.
    pub fn somebody(&self) -> Caller {
        let app = self.new_app("Notes");
        let user = self.new_user("ada@example.org");
        self.sign_in(&user, &app)
    }
}

/// The body of a sign-in.
pub fn credentials(user: &User, app: &App) -> Value {
    json!({"email": user.email, "password": PASSWORD, "api_key": app.api_key})
}

impl Caller {
    /// Registers a device of this name and gives its id.
    pub fn device(&self, name: &str) -> String {
        let answer = self.post("/api/sync/devices", &json!({"device_name": name, "platform": "linux"}));
        assert!(matches!(answer.status, 200 | 201), "{} answered {}", answer.what(), answer.text());
        text(&answer.json()["id"])
    }

    /// Pushes a new batch and gives the cursor.
    #[track_caller]
    pub fn push(&self, device: &str, changes: Vec<Value>) -> Value {
        let batch = json!({"device_id": device, "batch_id": fresh_id(), "changes": changes});
        self.post("/api/sync/push", &batch).ok()["cursor"].clone()
    }

    /// Pulls everything from the start, whoever wrote it, page by page.
    #[track_caller]
    pub fn pull_everything(&self, device: &str) -> Vec<Value> {
        let mut request = json!({"device_id": device, "include_own": true});
        self.pull_pages(&mut request)
    }

    /// Repeats this pull from where each page ended until there is no more, leaves the last cursor in the request.
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

    /// How many changes the caller's log holds.
    #[track_caller]
    pub fn total_changes(&self) -> u64 {
        self.get("/api/sync/status").ok()["total_changes"].as_u64().expect("a count")
    }
}

/// A new id, as a client makes it.
pub fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}

/// The instant that lies this many seconds after the tests' beginning of time, in the protocol's form.
pub fn instant(seconds: i64) -> String {
    let start = DateTime::parse_from_rfc3339("2026-03-13T10:00:00Z").expect("a constant").to_utc();
    (start + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A well-formed insert into `notes`.
pub fn change(row: &str) -> Value {
    json!({"table": "notes", "op": "insert", "row_id": row, "timestamp": instant(0), "data": "c2VhbGVk"})
}

/// Well-formed inserts of `count` rows that begin with this name.
pub fn changes(name: &str, count: usize) -> Vec<Value> {
    (0..count).map(|number| change(&format!("{name}-{number}"))).collect()
}

/// The text in a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}
