//! Entries that were pulled and cannot be trusted: they are reported and not applied.

use chrono::{DateTime, Utc};
use tidelog_protocol::Entry;
use uuid::Uuid;

use crate::formats::FormatError;

/// A pulled entry that cannot be trusted: it is reported and not applied. Holds none of its data.
#[derive(Clone, Debug, PartialEq)]
pub struct QuarantinedEntry {
    /// Its number in the log.
    pub seq: i64,
    /// The device that pushed it, according to the server.
    pub device_id: Uuid,
    /// The table that it claims.
    pub table: String,
    /// The operation that it claims, as spelled on the wire.
    pub op: String,
    /// The row that it claims.
    pub row_id: String,
    /// The time that it claims.
    pub timestamp: DateTime<Utc>,
    /// The key version that it claims.
    pub key_version: u32,
    /// Why it is quarantined.
    pub reason: QuarantineReason,
}

impl QuarantinedEntry {
    pub(crate) fn new(entry: &Entry<'_>, reason: QuarantineReason) -> Self {
        Self {
            seq: entry.seq,
            device_id: entry.device_id,
            table: entry.table.as_str().to_owned(),
            op: entry.op.as_str().to_owned(),
            row_id: entry.row_id.as_str().to_owned(),
            timestamp: entry.timestamp.into(),
            key_version: entry.key_version,
            reason,
        }
    }
}

/// Why an entry is quarantined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineReason {
    /// It has no data, so nobody who holds the key wrote it.
    #[error("it is not sealed")]
    Unsealed,
    /// Its operation is none of insert, update and delete.
    #[error("its operation is unknown")]
    UnknownOp,
    /// It does not open in its slot under the user's keys, or its plaintext is malformed.
    #[error("{0}")]
    Unreadable(#[from] FormatError),
    /// It opens, but its plaintext is not JSON.
    #[error("its content is not JSON")]
    NotJson,
    /// The same sealed bytes, or another entry with the same number in its stream, came earlier in the log.
    #[error("it was in the log before")]
    Repeated,
}
