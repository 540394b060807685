//! Log entries as a replica applies them.

use std::collections::HashMap;

use tidelog_protocol::Op;

use crate::replica::values::row::{self, ColumnTimestamps, Row};
use crate::{ChangeEntry, PulledChange, QuarantinedEntry};

/// A log entry: the newest one of its row in a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IncomingEntry {
    pub(crate) wire_name: String,
    pub(crate) row_id: String,
    pub(crate) seq: i64,
    pub(crate) timestamp: i64,
    /// Whether the log did not have the row when the entry was written, so that columns that it does not name have
    /// their defaults.
    pub(crate) is_new: bool,
    /// `None`: the row was deleted.
    pub(crate) content: Option<(Row, ColumnTimestamps)>,
}

/// A log entry that cannot be applied to any row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnreadableEntry {
    pub(crate) wire_name: String,
    pub(crate) row_id: String,
    pub(crate) seq: i64,
    pub(crate) timestamp: i64,
    pub(crate) reason: String,
}

/// Reduces a page to the newest entry of each row, in the order of the log.
pub(crate) fn newest_of_each_row(changes: Vec<PulledChange>) -> (Vec<IncomingEntry>, Vec<UnreadableEntry>) {
    let mut newest: HashMap<(String, String), IncomingEntry> = HashMap::new();
    let mut unreadable = Vec::new();
    for change in changes {
        match read_change(change) {
            Ok(entry) => {
                // Names are those of SQLite: it does not tell `Notes` from `notes`.
                newest.insert((entry.wire_name.to_ascii_lowercase(), entry.row_id.clone()), entry);
            }
            Err(entry) => unreadable.push(entry),
        }
    }
    let mut entries: Vec<_> = newest.into_values().collect();
    entries.sort_by_key(|entry| entry.seq);
    (entries, unreadable)
}

fn read_change(change: PulledChange) -> Result<IncomingEntry, UnreadableEntry> {
    let PulledChange { entry: ChangeEntry { table, op, row_id, timestamp, data }, seq, .. } = change;
    let timestamp = timestamp.timestamp_micros();
    let is_new = op == Op::Insert;
    let content = match (op, data) {
        (Op::Delete, _) => None,
        (_, data) => match data.as_ref().and_then(row::from_json) {
            Some(content) => Some(content),
            None => {
                let reason = String::from("its data is not a row");
                return Err(UnreadableEntry { wire_name: table, row_id, seq, timestamp, reason });
            }
        },
    };
    Ok(IncomingEntry { wire_name: table, row_id, seq, timestamp, is_new, content })
}

impl From<QuarantinedEntry> for UnreadableEntry {
    fn from(entry: QuarantinedEntry) -> Self {
        Self {
            wire_name: entry.table,
            row_id: entry.row_id,
            seq: entry.seq,
            timestamp: entry.timestamp.timestamp_micros(),
            reason: entry.reason.to_string(),
        }
    }
}
