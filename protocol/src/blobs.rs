//! Encrypted files that are too large for the log, named by a hash.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// `POST /blobs/upload`: asks for somewhere to send a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobUploadRequest {
    /// The blob's name: 64 lower-case hexadecimal digits, as a rule the SHA-256 of its bytes.
    pub hash: String,
    /// How many bytes it has; [`crate::limits::BLOB_OVERHEAD_BYTES`] more may be sent, where a client means the plaintext's.
    pub size_bytes: u64,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobUploadResponse {
    /// Where to `PUT` the bytes, for a limited time; `""` if the blob is there.
    pub upload_url: String,
    /// Whether the user has this blob in this app already.
    pub already_exists: bool,
}

/// `POST /blobs/confirm`: makes what was uploaded a blob. Repeating it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobConfirmRequest {
    /// The blob's name.
    pub hash: String,
    /// As in the request for the upload.
    pub size_bytes: u64,
    /// The sealed key of the blob, base64 of at most [`crate::limits::MAX_WRAPPED_KEY_BYTES`] bytes; opaque to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped_key: Option<String>,
    /// The master key that it is sealed under. Absent: the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// The answer, sent once the blob is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobConfirmResponse {
    /// The blob's name.
    pub hash: String,
    /// Bytes that are stored.
    pub size_bytes: u64,
    /// Whether the server has seen that the bytes hash to the name.
    #[serde(default)]
    pub verified: bool,
}

/// `POST /blobs/download`: asks where a blob can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobDownloadRequest {
    /// The blob's name.
    pub hash: String,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobDownloadResponse {
    /// Where to `GET` the bytes, for a limited time.
    pub download_url: String,
    /// As it was confirmed, or as a rotation has sealed it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped_key: Option<String>,
    /// The master key that it is sealed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// Bytes that are stored; absent from servers that do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// A blob in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Its name.
    pub hash: String,
    /// Bytes that are stored.
    pub size_bytes: u64,
    /// Its sealed key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped_key: Option<String>,
    /// The master key that it is sealed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// Whether the server has seen that the bytes hash to the name.
    pub verified: bool,
    /// When it was confirmed, by the server's clock.
    pub created_at: Timestamp,
}

/// `GET /blobs?after=&limit=`: the user's blobs in this app, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobListResponse {
    /// The page.
    pub blobs: Vec<Blob>,
    /// Whether there are more; the next page begins `after` the last name of this one.
    pub has_more: bool,
}

/// `POST /keys/rotate/blobs`: asks for sealed keys of blobs that are not under the new master key yet. The body may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationBlobsRequest {
    /// The name of the last blob of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Blobs in the page, at most [`crate::limits::MAX_BLOBS_PER_PAGE`], which is also the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// The answer to it, in the order of the names. Blobs without a sealed key are not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationBlobsResponse {
    /// The page.
    pub blobs: Vec<BlobKey>,
    /// Whether there are more.
    pub has_more: bool,
    /// Blobs of the whole log that are left to do.
    pub remaining: u64,
}

/// A blob's sealed key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobKey {
    /// The blob's name.
    pub hash: String,
    /// Its sealed key, base64.
    pub wrapped_key: String,
    /// The master key that it is sealed under.
    pub key_version: u32,
}

/// A blob in a rotation's batch: either sealed anew, or kept as it is because nobody can open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedBlobKey {
    /// The blob's name.
    pub hash: String,
    /// The key sealed under the new master key, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped_key: Option<String>,
    /// Leaves it under its old version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// `POST /keys/rotate/blobs/batch`; answered like a batch of entries, with `remaining` in blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationBlobsBatchRequest {
    /// The version of the key that they are sealed under. If another rotation has taken the place of that one, nothing is done:
    /// 409 [`crate::ErrorCode::NoRotation`]. Absent: whichever rotation runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// 1 to [`crate::limits::MAX_BLOBS_PER_PAGE`]; all or none. Repeating one changes nothing more.
    pub blobs: Vec<RotatedBlobKey>,
}
