//! A page of a pull, written straight into the answer's body while its rows step out of the database.

use std::io::Write;

use tidelog_protocol::{Cursor, Entry, Text, Timestamp};

use crate::model::changes::{EntrySink, StoredEntry};

/// What a page of small entries takes; larger ones grow the buffer.
const CAPACITY: usize = 16 * 1024;

/// The body so far.
pub(super) struct Page {
    body: Vec<u8>,
    empty: bool,
}

impl Page {
    /// A page with no entries yet.
    pub(super) fn new() -> Self {
        let mut body = Vec::with_capacity(CAPACITY);
        body.extend_from_slice(br#"{"changes":["#);
        Self { body, empty: true }
    }

    /// The whole body.
    pub(super) fn finish(mut self, cursor: Cursor, has_more: bool) -> Vec<u8> {
        self.body.extend_from_slice(br#"],"cursor":"#);
        self.write(&cursor);
        let _ = write!(self.body, r#","has_more":{has_more}}}"#);
        self.body
    }

    /// Writing into memory cannot fail, and every type here serialises.
    fn write(&mut self, value: &impl serde::Serialize) {
        let _ = serde_json::to_writer(&mut self.body, value);
    }
}

impl EntrySink for Page {
    fn entry(&mut self, entry: &StoredEntry<'_>) -> usize {
        let before = self.body.len();
        if !self.empty {
            self.body.push(b',');
        }
        self.empty = false;
        self.write(&Entry {
            seq: entry.seq,
            device_id: entry.device,
            table: Text::from(entry.table),
            op: Text::from(entry.op),
            row_id: Text::from(entry.row_id),
            timestamp: Timestamp::from_micros(entry.time_us).unwrap_or(Timestamp::EPOCH),
            data: entry.data.map(Text::from),
            key_version: entry.key_version,
        });
        self.body.len() - before
    }
}
