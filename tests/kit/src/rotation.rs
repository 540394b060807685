//! The steps of a key rotation over plain HTTP, with readable text in place of ciphertext.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{ApiResponse, Caller, fresh_id, instant, text};

pub const KEYS: &str = "/api/sync/keys";
pub const STATE: &str = "/api/sync/keys/rotate";
pub const BEGIN: &str = "/api/sync/keys/rotate/begin";
pub const ENTRIES: &str = "/api/sync/keys/rotate/entries";
pub const BATCH: &str = "/api/sync/keys/rotate/batch";
pub const COMPLETE: &str = "/api/sync/keys/rotate/complete";
pub const CANCEL: &str = "/api/sync/keys/rotate/cancel";

pub fn envelope(content: &str) -> String {
    BASE64.encode(content.as_bytes())
}

/// Returns a change whose data names the key that it is sealed under.
pub fn sealed(row: &str, key: &str) -> Value {
    let data = BASE64.encode(format!("{row} under {key}").as_bytes());
    json!({"table": "notes", "op": "update", "row_id": row, "timestamp": instant(0), "data": data})
}

pub fn sealed_rows(name: &str, key: &str, count: usize) -> Vec<Value> {
    (0..count).map(|number| sealed(&format!("{name}-{number}"), key)).collect()
}

impl Caller {
    #[track_caller]
    pub fn begin_rotation(&self, content: &str) -> ApiResponse {
        self.post(BEGIN, &json!({"new_encrypted_key": envelope(content)}))
    }

    #[track_caller]
    pub fn complete_rotation(&self) -> ApiResponse {
        self.post(COMPLETE, &json!({}))
    }

    /// Returns the entries that remain to be rotated, from all pages.
    #[track_caller]
    pub fn entries_to_rotate(&self) -> Vec<Value> {
        let (mut all, mut request) = (Vec::new(), json!({}));
        loop {
            let page = self.post(ENTRIES, &request).ok();
            all.extend_from_slice(page["entries"].as_array().expect("a page has entries"));
            request["cursor"] = page["cursor"].clone();
            if page["has_more"] == false {
                return all;
            }
        }
    }

    /// Re-encrypts these entries under the new key.
    #[track_caller]
    pub fn rotate(&self, entries: &[Value], key: &str) -> ApiResponse {
        let entries: Vec<_> = entries.iter().map(|entry| rotated(entry, key)).collect();
        self.post(BATCH, &json!({"entries": entries}))
    }

    /// Rotates all remaining entries, in batches.
    #[track_caller]
    pub fn rotate_all(&self, key: &str) {
        for some in self.entries_to_rotate().chunks(500) {
            self.rotate(some, key).ok();
        }
    }

    #[track_caller]
    pub fn remaining(&self) -> u64 {
        self.get(STATE).ok()["pending"]["remaining"].as_u64().expect("a rotation runs")
    }

    #[track_caller]
    pub fn push_under(&self, device: &str, changes: &[Value], key_version: u32) -> ApiResponse {
        let mut changes = changes.to_vec();
        changes.iter_mut().for_each(|change| change["key_version"] = json!(key_version));
        let batch = json!({"device_id": device, "batch_id": fresh_id(), "changes": changes});
        self.post("/api/sync/push", &batch)
    }

    /// Returns row id, key version and data of every entry in the log.
    #[track_caller]
    pub fn contents(&self, device: &str) -> Vec<(String, u64, Value)> {
        let of = |entry: &Value| {
            let version = entry["key_version"].as_u64().expect("a version");
            (text(&entry["row_id"]), version, entry["data"].clone())
        };
        self.pull_everything(device).iter().map(of).collect()
    }
}

/// Returns the item of a rotation batch that re-encrypts this entry.
pub fn rotated(entry: &Value, key: &str) -> Value {
    let row = entry["row_id"].as_str().expect("a row");
    json!({"seq": entry["seq"], "data": sealed(row, key)["data"]})
}
