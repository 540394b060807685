//! Clients written from the original documentation alone: plain HTTP and a simple loop.
//!
//! The loop pushes its changes, adopts the cursor of the response, and pulls from there. It keeps nothing else: no
//! seqs, no list of what it has received, none of the protocol's extensions.

use serde_json::{Value, json};

use super::people::{instant, text};
use super::{Caller, fresh_id};

/// How a client writes what the documentation leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Lower-case ops, cursors are strings.
    Plain,
    /// Upper-case ops, cursors are integers (the app's `cursor_format` is `number`).
    Number,
}

impl Dialect {
    fn op(self, op: &str) -> String {
        match self {
            Self::Plain => op.to_lowercase(),
            Self::Number => op.to_uppercase(),
        }
    }

    fn start(self) -> Value {
        match self {
            Self::Plain => Value::Null,
            Self::Number => json!(0),
        }
    }

    /// Returns the cursor. Fails the test if it has another type than the client was compiled for.
    #[track_caller]
    fn typed(self, cursor: &Value) -> Value {
        match self {
            Self::Plain => assert!(cursor.is_string(), "a client of string cursors got {cursor}"),
            Self::Number => assert!(cursor.is_i64(), "a client of integer cursors got {cursor}"),
        }
        cursor.clone()
    }
}

/// One installation of an app.
pub struct SyncClient {
    caller: Caller,
    dialect: Dialect,
    /// Device id.
    pub device: String,
    /// Where the next pull starts.
    pub cursor: Value,
    /// The ids of the rows received, in order.
    pub received: Vec<String>,
    outbox: Vec<Value>,
}

impl SyncClient {
    /// Installs the app on a device of this name. Repeating a name is a reinstallation: all local data is lost.
    pub fn install(caller: &Caller, dialect: Dialect, name: &str) -> Self {
        Self {
            device: caller.device(name),
            caller: caller.clone(),
            dialect,
            cursor: dialect.start(),
            received: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Writes a row locally.
    pub fn write(&mut self, row: &str) {
        self.outbox.push(json!({
            "table": "notes",
            "op": self.dialect.op("insert"),
            "row_id": row,
            "timestamp": instant(0),
            "data": "c2VhbGVk",
        }));
    }

    /// Pushes local changes, and adopts the cursor of the response.
    #[track_caller]
    pub fn push(&mut self) {
        let changes = std::mem::take(&mut self.outbox);
        let batch = json!({"device_id": self.device, "batch_id": fresh_id(), "changes": changes});
        let response = self.caller.post("/api/sync/push", &batch).ok();
        self.cursor = self.dialect.typed(&response["cursor"]);
    }

    /// Pulls one page, and returns whether there are more.
    #[track_caller]
    pub fn pull_page(&mut self, limit: Option<usize>) -> bool {
        let mut request = json!({"device_id": self.device, "cursor": self.cursor});
        if let Some(limit) = limit {
            request["limit"] = json!(limit);
        }
        let page = self.caller.post("/api/sync/pull", &request).ok();
        for entry in page["changes"].as_array().expect("a page has changes") {
            let op = entry["op"].as_str().expect("an op is text");
            assert_eq!(op, self.dialect.op(op), "an op comes back as it was sent");
            self.received.push(text(&entry["row_id"]));
        }
        self.cursor = self.dialect.typed(&page["cursor"]);
        page["has_more"].as_bool().expect("has_more is a boolean")
    }

    /// Runs the loop once.
    #[track_caller]
    pub fn sync(&mut self) {
        if !self.outbox.is_empty() {
            self.push();
        }
        while self.pull_page(None) {}
    }
}
