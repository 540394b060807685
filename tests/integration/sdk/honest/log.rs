//! The log on the server, and the same log after superseded entries were removed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use tidelog_test_kit::proxy::{JsonRequest, JsonResponse};

/// What compaction has removed so far: superseded entries, and deletions that every program has seen.
#[derive(Clone, Default)]
pub(crate) struct Removed {
    through: i64,
    seqs: BTreeSet<i64>,
}

impl Removed {
    /// Removes up to `through`: what a newer entry of the same row supersedes, and deletions up to `seen_by_all`.
    pub(crate) fn compact(&mut self, entries: &[Value], through: i64, seen_by_all: i64) {
        let mut newest: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for entry in entries {
            newest.insert(row_of(entry), seq_of(entry));
        }
        self.through = self.through.max(through);
        for entry in entries.iter().filter(|entry| seq_of(entry) <= through) {
            let superseded = newest[&row_of(entry)] > seq_of(entry);
            let passed = entry["op"] == "delete" && seq_of(entry) <= seen_by_all;
            if superseded || passed {
                self.seqs.insert(seq_of(entry));
            }
        }
    }

    /// Removes from a pulled page what is compacted, and declares it.
    pub(crate) fn take_out(&self, asked: &JsonRequest, answer: &mut JsonResponse) {
        if asked.path != "/pull" || answer.status != 200 || self.through == 0 {
            return;
        }
        answer.body["compacted_through"] = json!(self.through);
        if let Some(changes) = answer.body["changes"].as_array_mut() {
            changes.retain(|entry| !self.seqs.contains(&seq_of(entry)));
        }
    }
}

pub(crate) fn seq_of(entry: &Value) -> i64 {
    entry["seq"].as_i64().expect("every entry has a seq")
}

fn row_of(entry: &Value) -> (&str, &str) {
    (entry["table"].as_str().expect("a table"), entry["row_id"].as_str().expect("a row"))
}

/// The rows that the whole log gives, with the time of each one's newest entry.
pub(crate) fn rows_of(entries: &[Value]) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for entry in entries {
        let (table, row) = row_of(entry);
        let name = format!("{table}/{row}");
        if entry["op"] == "delete" {
            rows.remove(&name);
        } else {
            let time = chrono::DateTime::parse_from_rfc3339(entry["timestamp"].as_str().expect("a time"));
            rows.insert(name, time.expect("a time").timestamp_micros().to_string());
        }
    }
    rows
}
