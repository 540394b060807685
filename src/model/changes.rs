//! Changes: what a push and a pull may carry, and their outcomes.

mod batch;
mod stored;

use tidelog_protocol::limits::MAX_DATA_BYTES;
use tidelog_protocol::rules::{check_row_id, check_table};
use tidelog_protocol::{Change, ChangeFault, Cursor, UnknownOp};
use uuid::Uuid;

pub use batch::{Batch, NewChange, digest};
pub(super) use stored::decode_base64;
pub use stored::{Data, RowId, SpelledOp, base64_len, write_base64};

/// The outcome of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// It is on disk, now or since an earlier push of the same batch.
    Stored {
        /// Safe to pull from.
        cursor: Cursor,
        /// The seq of its last change.
        last_seq: i64,
    },
    /// The caller has no such device.
    UnknownDevice,
    /// The device was removed.
    RevokedDevice,
    /// The batch id was used for other content, which was answered with this cursor.
    BatchIdReused(Cursor),
    /// A change names a master key that the log does not accept. The current one is this; 0: there is none.
    KeyVersionConflict(u32),
    /// Another device wrote beyond the expected cursor.
    LogMoved,
    /// The expected cursor comes from a history that was lost; the device may continue from here.
    LogRewound(Cursor),
}

/// What is known of a push whose changes are not all valid.
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

/// A pull request, fully checked.
#[derive(Clone, Debug)]
pub struct PullQuery {
    /// The pulling device.
    pub device: Uuid,
    /// Where the page starts.
    pub cursor: Cursor,
    /// Entries in the page, from 1 to the protocol's limit.
    pub limit: usize,
    /// Only entries of these tables.
    pub tables: Option<Vec<String>>,
    /// Only entries of this time or later, microseconds since 1970.
    pub since_us: Option<i64>,
    /// Overrides the rule about own entries.
    pub include_own: Option<bool>,
}

impl PullQuery {
    /// Whether the page may leave out entries that the device has not seen.
    pub fn is_filtered(&self) -> bool {
        self.tables.is_some() || self.since_us.is_some()
    }

    /// Whether an entry of this table and time passes the filters.
    pub fn wants(&self, table: &str, time_us: i64) -> bool {
        self.tables.as_ref().is_none_or(|tables| tables.iter().any(|wanted| wanted == table))
            && self.since_us.is_none_or(|since| time_us >= since)
    }
}

/// An entry, borrowed from a row of the database.
#[derive(Clone, Copy, Debug)]
pub struct StoredEntry<'a> {
    /// Its number in the log.
    pub seq: i64,
    /// Its author.
    pub device: Uuid,
    /// The row's table.
    pub table: &'a str,
    /// The operation.
    pub op: SpelledOp,
    /// The row.
    pub row_id: RowId<'a>,
    /// The pushing client's clock, microseconds since 1970.
    pub time_us: i64,
    /// The master key that `data` is encrypted under; 0: unknown.
    pub key_version: u32,
    /// Opaque.
    pub data: Data<'a>,
}

/// Receives the entries of a page, in order.
pub trait EntrySink: Send + 'static {
    /// Receives one entry, and returns how many bytes it wrote for it.
    fn entry(&mut self, entry: &StoredEntry<'_>) -> usize;
}

/// What a delivered page says about its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The device, as the store knows it.
    pub device: i64,
    /// The device has everything up to this seq. `None`: the page was filtered, so it is unknown.
    pub pulled_seq: Option<i64>,
}

/// The outcome of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullOutcome {
    /// The sink has the entries; the next page starts at the cursor.
    Page {
        /// Where the next page starts.
        cursor: Cursor,
        /// Whether there is a next page already.
        has_more: bool,
        /// To be noted once the page has been delivered.
        delivery: Delivery,
    },
    /// The caller has no such device.
    UnknownDevice,
    /// The device was removed.
    RevokedDevice,
    /// The cursor comes from a history that was lost; the device may continue from here.
    LogRewound(Cursor),
}

/// How much a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// Changes in the log.
    pub total_changes: u64,
    /// Bytes of their data.
    pub change_bytes: u64,
    /// Bytes of confirmed blobs.
    pub blob_bytes: u64,
    /// The end of the log.
    pub latest_cursor: Cursor,
    /// Live devices.
    pub devices: u64,
    /// The current master key, 0 if there is none.
    pub key_version: u32,
}

/// Adds every fault of one well-typed change, and returns its operation if it is valid.
pub fn check(index: usize, change: &Change<'_>, faults: &mut Vec<ChangeFault>) -> Option<SpelledOp> {
    let mut fault = |field: &str, reason: String| {
        faults.push(ChangeFault { index, field: field.into(), reason });
    };
    if let Err(reason) = check_table(&change.table) {
        fault("table", reason);
    }
    let op = SpelledOp::parse(&change.op);
    if op.is_none() {
        fault("op", UnknownOp.to_string());
    }
    if let Err(reason) = check_row_id(&change.row_id) {
        fault("row_id", reason);
    }
    if let Err(reason) = check_data(change.data.as_deref()) {
        fault("data", reason);
    }
    op
}

/// Checks the size of data.
///
/// # Errors
/// The reason why it is refused.
pub fn check_data(data: Option<&str>) -> Result<(), String> {
    match data.map_or(0, str::len) {
        0..=MAX_DATA_BYTES => Ok(()),
        length => Err(format!("must have at most {MAX_DATA_BYTES} bytes, this one has {length}")),
    }
}
