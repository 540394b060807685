//! Pushing changes to a log, and pulling its entries.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Cursor, Text, Timestamp};
#[cfg(feature = "schema")]
use crate::{limits::*, schema_parts};

/// A change of one row, as a client pushes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change<'a> {
    /// Name of the row's table.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_TABLE_CHARS), pattern(schema_parts::TABLE)))]
    pub table: Text<'a>,
    /// The operation: `insert`, `update` or `delete`, in any letter case. Pulls return `insert`, `INSERT` and
    /// `Insert` as they were pushed, and any other mix of upper and lower case in lower case.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(pattern(schema_parts::OP)))]
    pub op: Text<'a>,
    /// The row's id within its table: any characters but control characters.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_ROW_ID_CHARS)))]
    pub row_id: Text<'a>,
    /// When the change was made, by the client's clock. The server stores it and does not order by it.
    pub timestamp: Timestamp,
    /// Opaque text of at most `max_data_bytes` bytes, normally base64 of a ciphertext. Absent and `null` mean the same.
    #[serde(borrow, default)]
    pub data: Option<Text<'a>>,
    /// Version of the master key that sealed `data`. If absent, the current one; any other than the current one is
    /// refused, except the new one while a rotation runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// The body of `POST /push`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushRequest<'a> {
    /// The device that pushes.
    pub device_id: Uuid,
    /// Idempotency key, made by the client once per batch and sent again with every retry.
    pub batch_id: Uuid,
    /// All are stored, or none.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_CHANGES_PER_PUSH)))]
    pub changes: Vec<Change<'a>>,
    /// Pushes only if no other device has written beyond this position. If absent or `null`, pushes in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::CursorIn"))]
    pub expected_cursor: Option<Cursor>,
}

/// The answer to `POST /push`, sent once the batch is durable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushResponse {
    /// A position that is safe to pull from: the end of this batch if the device had pulled everything before it,
    /// otherwise the end of the device's last pull.
    pub cursor: Cursor,
    /// Seq of the batch's last change. The changes before it have the seqs before it, so that a client learns where
    /// its own changes are in the log although pulls do not return them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 2)))]
    pub last_seq: Option<i64>,
}

/// The body of `POST /pull`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PullRequest {
    /// The device that pulls.
    pub device_id: Uuid,
    /// Where the last page ended.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::CursorIn"))]
    pub cursor: Cursor,
    /// Entries per page, at most `max_entries_per_page`, which is also the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<usize>,
    /// Returns only entries of these tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = MAX_FILTER_TABLES),
            inner(length(min = 1, max = MAX_TABLE_CHARS), pattern(schema_parts::TABLE))
        )
    )]
    pub tables: Option<Vec<String>>,
    /// Returns only entries whose `timestamp` is this or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// `true` also returns the entries of this device, `false` never does. If absent, only those from before its last
    /// pull from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_own: Option<bool>,
}

/// A change as the log holds it and clients pull it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry<'a> {
    /// Number of the entry. Seqs of a log increase, with gaps.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub seq: i64,
    /// The device that pushed it.
    pub device_id: Uuid,
    /// Name of the row's table.
    #[serde(borrow)]
    pub table: Text<'a>,
    /// The operation: `insert`, `INSERT` or `Insert`, and likewise for `update` and `delete`.
    #[serde(borrow)]
    pub op: Text<'a>,
    /// The row's id within its table.
    #[serde(borrow)]
    pub row_id: Text<'a>,
    /// When the change was made, by the clock of the client that pushed it.
    pub timestamp: Timestamp,
    /// Exactly as it was pushed.
    #[serde(borrow)]
    pub data: Option<Text<'a>>,
    /// Version of the master key that sealed `data`; 0 if the server knew of none.
    #[serde(default)]
    pub key_version: u32,
}

/// The answer to `POST /pull`: one page of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PullResponse<'a> {
    /// Entries, ordered by `seq`. May be empty although `has_more` is true, if filters left everything out.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_ENTRIES_PER_PAGE)))]
    pub changes: Vec<Entry<'a>>,
    /// Where the next page starts.
    pub cursor: Cursor,
    /// Whether there is a next page now.
    pub has_more: bool,
    /// Sent by servers that compact logs: entries up to this seq may be missing if a newer one of the same row exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compacted_through: Option<i64>,
}
