//! The size of a log, and the health of the server.

use serde::{Deserialize, Serialize};

use crate::Cursor;

/// The answer to `GET /status`: what the user's log in this app holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusResponse {
    /// Number of changes in the log.
    pub total_changes: u64,
    /// End of the log.
    pub latest_cursor: Cursor,
    /// Bytes of the changes' data.
    #[serde(default)]
    pub change_bytes: u64,
    /// Bytes of confirmed blobs.
    #[serde(default)]
    pub blob_bytes: u64,
    /// Bytes of blobs that the user may store, or `null` if there is no quota.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
    /// Number of devices, without removed ones.
    #[serde(default)]
    pub devices: u64,
    /// Version of the current master key, 0 if there is none.
    #[serde(default)]
    pub key_version: u32,
}

/// The answer to `GET /health` and `GET /ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthResponse {
    /// For a person who reads it. Programs go by the HTTP status.
    pub status: String,
}
