//! How much a log holds.

use serde::{Deserialize, Serialize};

use crate::Cursor;

/// `GET /status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusResponse {
    /// Changes in the log.
    pub total_changes: u64,
    /// The log's end.
    pub latest_cursor: Cursor,
    /// Bytes of data in the log.
    #[serde(default)]
    pub change_bytes: u64,
    /// Bytes of confirmed blobs.
    #[serde(default)]
    pub blob_bytes: u64,
    /// Bytes that this user may store; `None` means no quota.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
    /// Live devices.
    #[serde(default)]
    pub devices: u64,
    /// The current key version, 0 if there is no key.
    #[serde(default)]
    pub key_version: u32,
}
