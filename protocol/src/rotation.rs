//! Rotation: replacing the master key, and sealing every entry again under the new one.

use serde::{Deserialize, Serialize};

use crate::{Cursor, Entry, Text, Timestamp};

/// `POST /keys/rotate/begin`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BeginRotationRequest {
    /// The envelope of the new master key, base64 of at most [`crate::limits::MAX_ENVELOPE_BYTES`] bytes. The same one again
    /// is the same rotation.
    pub new_encrypted_key: String,
    /// The version for which the envelope was made, [`RotationStateResponse::next_key_version`]: if the new key would get
    /// another one, nothing begins. Absent: whichever it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// The answer to beginning and to completing a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationResponse {
    /// Names the new master key.
    pub key_version: u32,
}

/// `POST /keys/rotate/entries`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RotationEntriesRequest {
    /// Where the last page ended.
    #[serde(default)]
    pub cursor: Cursor,
    /// Entries wanted, at most; the server's cap holds as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// The answer: entries whose data is not under the new key yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RotationEntriesResponse<'a> {
    /// In the order of their seq.
    #[serde(borrow)]
    pub entries: Vec<Entry<'a>>,
    /// Where the next page starts.
    pub cursor: Cursor,
    /// Whether there is a next page now.
    pub has_more: bool,
    /// Entries of the whole log that are left to do.
    pub remaining: u64,
}

/// One entry of a `POST /keys/rotate/batch`: either `data` or `keep`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RotatedEntry<'a> {
    /// Its place in the log.
    pub seq: i64,
    /// What replaces its data, under the new key.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Text<'a>>,
    /// Leave it as it is: nobody can read it under its old key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep: bool,
}

/// `POST /keys/rotate/batch`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RotationBatchRequest<'a> {
    /// The version of the key that the entries are sealed under. If another rotation has taken the place of that one, nothing
    /// is done: 409 [`crate::ErrorCode::NoRotation`]. Absent: they are taken for entries of whichever rotation runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// 1 to [`crate::limits::MAX_CHANGES_PER_PUSH`]; all or none. Repeating one changes nothing more.
    #[serde(borrow)]
    pub entries: Vec<RotatedEntry<'a>>,
}

/// The answer, sent once the batch is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationBatchResponse {
    /// Entries that this batch replaced or marked as kept; those that were done before do not count.
    pub updated: u64,
    /// Entries of the whole log that are left to do.
    pub remaining: u64,
}

/// `POST /keys/rotate/complete`; the body may be missing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CompleteRotationRequest {
    /// The new key's version: completing it again, after an answer that was lost, is then answered as the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// `GET /keys/rotate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RotationStateResponse {
    /// The current key's version, 0 if there is no key.
    pub key_version: u32,
    /// What the next new key will be called. It is not always the current version and one: the number of a key whose rotation
    /// was cancelled or undone is never given out again, as some device may still seal under it.
    pub next_key_version: u32,
    /// The rotation that is under way.
    #[serde(default)]
    pub pending: Option<PendingRotation>,
}

/// A rotation that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingRotation {
    /// The new key's version.
    pub key_version: u32,
    /// Entries that are left to do.
    pub remaining: u64,
    /// Whether any entry is under the new key already; then it can no longer be cancelled.
    pub started: bool,
    /// When it began, by the server's clock.
    pub began_at: Timestamp,
}

/// The new key while a rotation is under way, as `GET /keys` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingKey {
    /// The envelope, base64.
    pub encrypted_key: String,
    /// Names the master key inside.
    pub key_version: u32,
}

fn is_false(value: &bool) -> bool {
    !value
}
