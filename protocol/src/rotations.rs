//! Rotations: replacing the master key, and re-encrypting every entry of the log under the new one.

use serde::{Deserialize, Serialize};

use crate::{Cursor, Entry, Text, Timestamp};
#[cfg(feature = "schema")]
use crate::{limits::*, schema_parts};

/// The body of `POST /keys/rotate/begin`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BeginRotationRequest {
    /// Envelope of the new master key: standard base64 with padding, of 1 to `max_envelope_bytes` bytes. Sending the
    /// same envelope again continues the same rotation.
    #[cfg_attr(feature = "schema", schemars(length(min = 4), extend("contentEncoding" = "base64")))]
    pub new_encrypted_key: String,
    /// Version for which the envelope was made, `next_key_version` of `GET /keys/rotate`. If the new key would get
    /// another version, no rotation begins. If absent, any version is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// The answer to beginning and to completing a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationResponse {
    /// Version of the new master key.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub key_version: u32,
}

/// The body of `POST /keys/rotate/entries`, which may be absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationEntriesRequest {
    /// Where the last page ended.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::CursorIn"))]
    pub cursor: Cursor,
    /// Entries per page, at most `max_entries_per_page`, which is also the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<usize>,
}

/// The answer to `POST /keys/rotate/entries`: entries whose data is not under the new key yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationEntriesResponse<'a> {
    /// Entries, ordered by `seq`. May be empty although `has_more` is true.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_ENTRIES_PER_PAGE)))]
    pub entries: Vec<Entry<'a>>,
    /// Where the next page starts.
    pub cursor: Cursor,
    /// Whether there is a next page now.
    pub has_more: bool,
    /// Entries of the whole log that are left to re-encrypt.
    pub remaining: u64,
}

/// An entry in a batch of a rotation, with either `data` or `keep`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotatedEntry<'a> {
    /// Seq of the entry. A batch must not name a seq twice.
    pub seq: i64,
    /// Replaces the entry's data, sealed under the new key.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_DATA_BYTES)))]
    pub data: Option<Text<'a>>,
    /// Whether to leave the entry under its old key, because nobody can open it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// The body of `POST /keys/rotate/batch`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationBatchRequest<'a> {
    /// Version of the key that sealed the entries in this batch. If another rotation has begun since, nothing is
    /// stored and the answer is 409 `no_rotation`. If absent, the batch belongs to whichever rotation is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub key_version: Option<u32>,
    /// All are stored, or none. Idempotent.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_CHANGES_PER_PUSH)))]
    pub entries: Vec<RotatedEntry<'a>>,
}

/// The answer to a batch of a rotation, sent once the batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationBatchResponse {
    /// Entries that this batch replaced or kept, without those that were done before.
    pub updated: u64,
    /// Entries of the whole log that are left to re-encrypt.
    pub remaining: u64,
}

/// The body of `POST /keys/rotate/complete`, which may be absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompleteRotationRequest {
    /// Version of the new key. With it the request is idempotent: a retry gets the same answer as the first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// The answer to `GET /keys/rotate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationStateResponse {
    /// Version of the current master key, 0 if there is none.
    pub key_version: u32,
    /// Version of the next new master key. It is not always the current version plus one: the version of a key whose
    /// rotation was cancelled or undone is never reused, since a device may still seal under that key.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub next_key_version: u32,
    /// The rotation that is running, or `null`.
    #[serde(default)]
    pub pending: Option<PendingRotation>,
}

/// A rotation that is running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PendingRotation {
    /// Version of the new master key.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub key_version: u32,
    /// Entries, and sealed keys of blobs, that are left to re-encrypt.
    pub remaining: u64,
    /// Whether any entry is under the new key. Such a rotation can no longer be cancelled.
    pub started: bool,
    /// When it began, by the server's clock.
    pub began_at: Timestamp,
}

/// The key that is about to replace the current one while a rotation runs, as `GET /keys` returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PendingKey {
    /// Its envelope, base64.
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    pub encrypted_key: String,
    /// Version of the master key in the envelope.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub key_version: u32,
}
