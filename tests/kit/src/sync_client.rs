//! Clients written only from the original documentation: plain HTTP and a naive loop.
//!
//! The loop pushes what it has, takes the cursor of the answer as its own, and pulls from there. It keeps nothing else: no seq,
//! no list of what it has seen, none of the protocol's extensions.

use serde_json::{Value, json};

use super::people::{instant, text};
use super::{Caller, fresh_id};

/// How a client spells what the documentation leaves open.
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

    /// The cursor, if it has the one type that this client was compiled for.
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
    /// Its device.
    pub device: String,
    /// Where it goes on.
    pub cursor: Value,
    /// The rows that it was given, in order.
    pub received: Vec<String>,
    outbox: Vec<Value>,
}

impl SyncClient {
    /// Installs the app on a device of this name. The same name again is a reinstallation: everything local is gone.
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

    /// Sends what was written; its answer is where the client goes on.
    #[track_caller]
    pub fn push(&mut self) {
        let changes = std::mem::take(&mut self.outbox);
        let batch = json!({"device_id": self.device, "batch_id": fresh_id(), "changes": changes});
        let answer = self.caller.post("/api/sync/push", &batch).ok();
        self.cursor = self.dialect.typed(&answer["cursor"]);
    }

    /// Fetches one page; tells whether there are more.
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

    /// One round of the naive loop.
    #[track_caller]
    pub fn sync(&mut self) {
        if !self.outbox.is_empty() {
            self.push();
        }
        while self.pull_page(None) {}
    }
}
