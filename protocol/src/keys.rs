//! The sealed master key that a user's devices share through the server.

use serde::{Deserialize, Serialize};

use crate::PendingKey;

/// `PUT /keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PutKeyRequest {
    /// The envelope, base64 of at most [`crate::limits::MAX_ENVELOPE_BYTES`] bytes.
    pub encrypted_key: String,
    /// Replace only this revision; 0 means "only if there is none".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
    /// The current version re-wraps the master key; [`crate::RotationStateResponse::next_key_version`] starts over with a new
    /// one. Absent: the current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// The answer to a `PUT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutKeyResponse {
    /// Names the master key.
    pub key_version: u32,
    /// Counts every `PUT`.
    pub revision: u64,
}

/// `GET /keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetKeyResponse {
    /// The envelope, base64.
    pub encrypted_key: String,
    /// Names the master key inside.
    pub key_version: u32,
    /// Counts every `PUT`.
    #[serde(default)]
    pub revision: u64,
    /// The key that is about to take its place, while a rotation is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingKey>,
}
