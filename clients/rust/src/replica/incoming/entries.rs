//! Entries of the log, as a replica takes them in.

use std::collections::HashMap;

use tidelog_protocol::Op;

use crate::replica::values::row::{self, Row, Stamps};
use crate::{ChangeEntry, PulledChange, QuarantinedEntry};

/// The newest entry of a row in a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incoming {
    pub(crate) wire_name: String,
    pub(crate) row_id: String,
    pub(crate) seq: i64,
    pub(crate) stamp: i64,
    /// `None`: the row was deleted.
    pub(crate) content: Option<(Row, Stamps)>,
}

/// An entry that is skipped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Skipped {
    pub(crate) wire_name: String,
    pub(crate) row_id: String,
    pub(crate) seq: i64,
    pub(crate) stamp: i64,
    pub(crate) reason: String,
}

/// The entries of a page, each row once, with its newest one; what came before it is superseded.
pub(crate) fn newest_of_each_row(changes: Vec<PulledChange>) -> (Vec<Incoming>, Vec<Skipped>) {
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let (mut entries, mut skipped) = (Vec::<Incoming>::new(), Vec::new());
    for change in changes {
        match incoming(change) {
            Ok(entry) => match places.get(&(entry.wire_name.clone(), entry.row_id.clone())) {
                Some(place) => entries[*place] = entry,
                None => {
                    places.insert((entry.wire_name.clone(), entry.row_id.clone()), entries.len());
                    entries.push(entry);
                }
            },
            Err(entry) => skipped.push(entry),
        }
    }
    entries.sort_by_key(|entry| entry.seq);
    (entries, skipped)
}

fn incoming(change: PulledChange) -> Result<Incoming, Skipped> {
    let PulledChange { entry: ChangeEntry { table, op, row_id, timestamp, data }, seq, .. } = change;
    let stamp = timestamp.timestamp_micros();
    let content = match (op, data) {
        (Op::Delete, _) => None,
        (_, data) => match data.as_ref().and_then(row::from_json) {
            Some(content) => Some(content),
            None => {
                let reason = String::from("it holds no row");
                return Err(Skipped { wire_name: table, row_id, seq, stamp, reason });
            }
        },
    };
    Ok(Incoming { wire_name: table, row_id, seq, stamp, content })
}

impl From<QuarantinedEntry> for Skipped {
    fn from(entry: QuarantinedEntry) -> Self {
        Self {
            wire_name: entry.table,
            row_id: entry.row_id,
            seq: entry.seq,
            stamp: entry.timestamp.timestamp_micros(),
            reason: entry.reason.to_string(),
        }
    }
}
