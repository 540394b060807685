//! Pushing and pulling changes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Cursor, Text, Timestamp};

/// One change, as a client pushes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change<'a> {
    /// The row's table.
    #[serde(borrow)]
    pub table: Text<'a>,
    /// [`crate::Op`] in any letter case; given back as it was sent.
    #[serde(borrow)]
    pub op: Text<'a>,
    /// The row.
    #[serde(borrow)]
    pub row_id: Text<'a>,
    /// The client's clock.
    pub timestamp: Timestamp,
    /// Opaque to the server.
    #[serde(borrow, default)]
    pub data: Option<Text<'a>>,
    /// The master key that sealed `data`; absent means the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// `POST /push`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushRequest<'a> {
    /// The pushing device.
    pub device_id: Uuid,
    /// Made by the client, once per batch: a repeat is answered, not inserted.
    pub batch_id: Uuid,
    /// 1 to [`crate::limits::MAX_CHANGES_PER_PUSH`] changes; all or none.
    #[serde(borrow)]
    pub changes: Vec<Change<'a>>,
    /// Push only if no other device has written beyond this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_cursor: Option<Cursor>,
}

/// The answer to a push, sent once the batch is on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PushResponse {
    /// A position that is safe to pull from.
    pub cursor: Cursor,
    /// The place of the batch's last change; those before it have the numbers before it. Lets a client know where in the log
    /// its own changes stand, though it is not given them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<i64>,
}

/// `POST /pull`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PullRequest {
    /// The pulling device.
    pub device_id: Uuid,
    /// Where the last page ended.
    #[serde(default)]
    pub cursor: Cursor,
    /// Entries wanted, at most; the server's cap holds as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Only entries of these tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<Vec<String>>,
    /// Only entries whose `timestamp` is this or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Overrides the rule about the device's own entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_own: Option<bool>,
}

/// One entry of a log, as a client pulls it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// Its place in the log.
    pub seq: i64,
    /// The device that pushed it.
    pub device_id: Uuid,
    /// The row's table.
    #[serde(borrow)]
    pub table: Text<'a>,
    /// [`crate::Op`], spelt as it was sent.
    #[serde(borrow)]
    pub op: Text<'a>,
    /// The row.
    #[serde(borrow)]
    pub row_id: Text<'a>,
    /// The pushing client's clock.
    pub timestamp: Timestamp,
    /// As it was pushed.
    #[serde(borrow)]
    pub data: Option<Text<'a>>,
    /// The master key that sealed `data`, 0 if the server knew of none.
    #[serde(default)]
    pub key_version: u32,
}

/// The answer to a pull.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PullResponse<'a> {
    /// Entries in the order of their seq.
    #[serde(borrow)]
    pub changes: Vec<Entry<'a>>,
    /// Where the next page starts.
    pub cursor: Cursor,
    /// Whether there is a next page now.
    pub has_more: bool,
    /// Where superseded changes have been removed: changes up to this seq may be missing, if newer ones of their rows are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compacted_through: Option<i64>,
}
