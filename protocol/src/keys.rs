//! The key envelope: the master key, sealed, that a user's devices share through the server.

use serde::{Deserialize, Serialize};

use crate::PendingKey;

/// The body of `PUT /keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutKeyRequest {
    /// The envelope: standard base64 with padding, of 1 to `max_envelope_bytes` bytes.
    #[cfg_attr(feature = "schema", schemars(length(min = 4), extend("contentEncoding" = "base64")))]
    pub encrypted_key: String,
    /// Replaces only this revision; 0 means that there must be no envelope yet. If absent, any revision is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
    /// The current version if the same master key is sealed again; `next_key_version` of `GET /keys/rotate` for a new
    /// master key. If absent, the current version, or 1 for the first envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// The answer to `PUT /keys` and to `POST /auth/password`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutKeyResponse {
    /// Version of the master key in the envelope; after `POST /auth/password`, 0 if there is no envelope.
    pub key_version: u32,
    /// Revision of the envelope, which every `PUT` increments; after `POST /auth/password`, 0 if there is no envelope.
    pub revision: u64,
}

/// The answer to `GET /keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GetKeyResponse {
    /// The envelope, base64, as it was put.
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    pub encrypted_key: String,
    /// Version of the master key in the envelope.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub key_version: u32,
    /// Revision of the envelope, which every `PUT` increments.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub revision: u64,
    /// While a rotation runs: the key that is about to replace this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingKey>,
}
