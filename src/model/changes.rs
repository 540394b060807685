//! Changes: what a push must look like, and what may come of it.

use sha2::{Digest, Sha256};
use tidelog_protocol::limits::MAX_DATA_BYTES;
use tidelog_protocol::rules::{check_row_id, check_table};
use tidelog_protocol::{Change, ChangeFault, Cursor, Op};
use uuid::Uuid;

/// A change that has passed [`check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// The row's table.
    pub table: String,
    /// The operation, spelt as it was sent.
    pub op: String,
    /// The row.
    pub row_id: String,
    /// The client's clock, microseconds since 1970.
    pub time_us: i64,
    /// Opaque.
    pub data: Option<String>,
    /// The master key that sealed `data`, where the client names it.
    pub key_version: Option<u32>,
}

impl From<Change<'_>> for NewChange {
    fn from(change: Change<'_>) -> Self {
        Self {
            table: change.table.into(),
            op: change.op.into(),
            row_id: change.row_id.into(),
            time_us: change.timestamp.as_micros(),
            data: change.data.map(String::from),
            key_version: change.key_version,
        }
    }
}

/// A push whose every change is valid.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Made by the client, once per batch.
    pub id: Uuid,
    /// The pushing device.
    pub device: Uuid,
    /// In the order in which they were made.
    pub changes: Vec<NewChange>,
    /// Push only if no other device has written beyond this position.
    pub expected_cursor: Option<Cursor>,
}

/// What came of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// It is on disk, now or since an earlier push of the same batch; the cursor is safe to pull from.
    Stored(Cursor),
    /// The caller has no such device.
    UnknownDevice,
    /// The device was removed.
    RevokedDevice,
    /// This batch id was used for other content, which was answered with this cursor.
    BatchIdReused(Cursor),
    /// A change names another master key than the current one, which is this; 0: there is none.
    KeyVersionConflict(u32),
    /// Another device wrote beyond the expected cursor.
    LogMoved,
    /// The expected cursor comes from a history that was lost; the device may go on from here.
    LogRewound(Cursor),
}

/// What can be said of a push whose changes are not all valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultyPush {
    /// The pushing device.
    pub device: Uuid,
    /// Made by the client, once per batch.
    pub batch: Uuid,
    /// [`digest`] of its changes, if they are at least well typed.
    pub digest: Option<[u8; 32]>,
    /// The master keys that its changes name.
    pub key_versions: Vec<u32>,
}

/// What a pull asks for, all of it checked.
#[derive(Clone, Debug)]
pub struct PullQuery {
    /// The pulling device.
    pub device: Uuid,
    /// Where to go on.
    pub cursor: Cursor,
    /// Entries wanted, from 1 to the protocol's cap.
    pub limit: usize,
    /// Only these tables, if any are named.
    pub tables: Option<Vec<String>>,
    /// Only entries of this time or later, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Overrides the rule about own entries.
    pub include_own: Option<bool>,
}

impl PullQuery {
    /// Whether the page may leave out what the device has not seen.
    pub fn is_filtered(&self) -> bool {
        self.tables.is_some() || self.since_us.is_some()
    }

    /// Whether an entry of this table and time passes the filters.
    pub fn wants(&self, table: &str, time_us: i64) -> bool {
        self.tables.as_ref().is_none_or(|tables| tables.iter().any(|wanted| wanted == table))
            && self.since_us.is_none_or(|since| time_us >= since)
    }
}

/// An entry as it steps out of the database.
#[derive(Clone, Copy, Debug)]
pub struct StoredEntry<'a> {
    /// Its place in the log.
    pub seq: i64,
    /// Its author.
    pub device: Uuid,
    /// The row's table.
    pub table: &'a str,
    /// The operation, spelt as it was sent.
    pub op: &'a str,
    /// The row.
    pub row_id: &'a str,
    /// The pushing client's clock, microseconds since 1970.
    pub time_us: i64,
    /// The master key that sealed `data`; 0: unknown.
    pub key_version: u32,
    /// Opaque.
    pub data: Option<&'a str>,
}

/// Receives the entries of a page, in order.
pub trait EntrySink: Send + 'static {
    /// Takes one entry, and tells how many bytes it made of it.
    fn entry(&mut self, entry: &StoredEntry<'_>) -> usize;
}

/// That a device is given everything up to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The device, as the store knows it.
    pub device: i64,
    /// The position. `None`: the page left things out, so it says nothing about what the device has.
    pub pulled_seq: Option<i64>,
}

/// What came of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    /// The sink has the entries; the next page starts at the cursor.
    Page {
        /// Where the next page starts.
        cursor: Cursor,
        /// Whether there is a next page now.
        has_more: bool,
        /// To be noted once the page has gone out.
        delivery: Delivery,
    },
    /// The caller has no such device.
    UnknownDevice,
    /// The device was removed.
    RevokedDevice,
    /// The cursor comes from a history that was lost; the device may go on from here.
    LogRewound(Cursor),
}

/// How much a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// Changes in the log.
    pub total_changes: u64,
    /// Bytes of their data.
    pub change_bytes: u64,
    /// The log's end.
    pub latest_cursor: Cursor,
    /// Live devices.
    pub devices: u64,
    /// The current master key, 0 if there is none.
    pub key_version: u32,
}

/// Every fault of one well-typed change.
pub fn check(index: usize, change: &Change<'_>, faults: &mut Vec<ChangeFault>) {
    let mut fault = |field: &str, reason: String| {
        faults.push(ChangeFault { index, field: field.into(), reason });
    };
    if let Err(reason) = check_table(&change.table) {
        fault("table", reason);
    }
    if let Err(reason) = change.op.parse::<Op>() {
        fault("op", reason.to_string());
    }
    if let Err(reason) = check_row_id(&change.row_id) {
        fault("row_id", reason);
    }
    if let Err(reason) = check_data(change.data.as_deref()) {
        fault("data", reason);
    }
}

/// Whether data is small enough.
///
/// # Errors
/// What is wrong with it.
pub fn check_data(data: Option<&str>) -> Result<(), String> {
    match data.map_or(0, str::len) {
        0..=MAX_DATA_BYTES => Ok(()),
        length => Err(format!("must have at most {MAX_DATA_BYTES} bytes, this one has {length}")),
    }
}

/// What a repeat of a batch must have in common with the first push of it: everything but data, which a client may encrypt
/// anew, and the spelling of op. Lengths are hashed too, so that no text can move from one field to the next.
pub fn digest(changes: &[NewChange]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for change in changes {
        for text in [change.table.as_str(), &change.op.to_ascii_lowercase(), &change.row_id] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update(change.time_us.to_le_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_ignores_data_and_spelling_but_no_boundary() {
        let change = |table: &str, row_id: &str, data: &str| NewChange {
            table: table.into(),
            op: "Insert".into(),
            row_id: row_id.into(),
            time_us: 5,
            data: Some(data.into()),
            key_version: None,
        };
        let again = NewChange { op: "insert".into(), ..change("ab", "c", "other") };
        assert_eq!(digest(&[change("ab", "c", "x")]), digest(&[again]));
        assert_ne!(digest(&[change("ab", "c", "x")]), digest(&[change("a", "bc", "x")]));
    }
}
