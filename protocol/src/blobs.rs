//! Blobs: encrypted files that are too large for the log, named by a hash.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
#[cfg(feature = "schema")]
use crate::{limits::MAX_BLOBS_PER_PAGE, schema_parts};

/// The body of `POST /blobs/upload`, which asks where to send a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlobUploadRequest {
    /// The blob's name: 64 lower-case hexadecimal digits, normally the SHA-256 of its bytes.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::BlobHash"))]
    pub hash: String,
    /// Size of the blob in bytes. 40 bytes more may be sent, for a client that names and measures the plaintext.
    pub size_bytes: u64,
}

/// The answer to `POST /blobs/upload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlobUploadResponse {
    /// Presigned URL to `PUT` the bytes to within `blob_url_seconds`, at this server or at an object store. It needs
    /// no token. Empty if the blob already exists.
    pub upload_url: String,
    /// Whether the user already has this blob in this app.
    pub already_exists: bool,
}

/// The body of `POST /blobs/confirm`, which turns an upload into a blob. Idempotent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlobConfirmRequest {
    /// The blob's name.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::BlobHash"))]
    pub hash: String,
    /// Size in bytes, as in the request for the upload.
    pub size_bytes: u64,
    /// The blob's key, sealed: standard base64 of 1 to `max_wrapped_key_bytes` bytes, opaque to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    pub wrapped_key: Option<String>,
    /// Version of the master key that sealed `wrapped_key`. If absent, the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
}

/// The answer to `POST /blobs/confirm`, sent once the blob is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlobConfirmResponse {
    /// The blob's name.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::BlobHash"))]
    pub hash: String,
    /// Bytes that are stored.
    pub size_bytes: u64,
    /// Whether the server has checked that the stored bytes hash to the name.
    #[serde(default)]
    pub verified: bool,
}

/// The body of `POST /blobs/download`, which asks where to fetch a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlobDownloadRequest {
    /// The blob's name.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::BlobHash"))]
    pub hash: String,
}

/// The answer to `POST /blobs/download`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlobDownloadResponse {
    /// Presigned URL to `GET` the bytes from within `blob_url_seconds`. It needs no token.
    pub download_url: String,
    /// The blob's sealed key, base64, as it was confirmed or as a rotation has sealed it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    pub wrapped_key: Option<String>,
    /// Version of the master key that sealed `wrapped_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// Bytes that are stored. Older servers do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(!skip_serializing_if, required))]
    pub size_bytes: Option<u64>,
}

/// A blob in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blob {
    /// The blob's name.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::BlobHash"))]
    pub hash: String,
    /// Bytes that are stored.
    pub size_bytes: u64,
    /// The blob's sealed key, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    pub wrapped_key: Option<String>,
    /// Version of the master key that sealed `wrapped_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// Whether the server has checked that the stored bytes hash to the name.
    pub verified: bool,
    /// When the blob was confirmed, by the server's clock.
    pub created_at: Timestamp,
}

/// The answer to `GET /blobs?after=&limit=`: the user's blobs in this app, ordered by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlobListResponse {
    /// One page of blobs.
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_BLOBS_PER_PAGE)))]
    pub blobs: Vec<Blob>,
    /// Whether there are more. The next page starts `after` the last name of this one.
    pub has_more: bool,
}

/// The body of `POST /keys/rotate/blobs`, which lists sealed keys that are not under the new master key yet. The body
/// may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationBlobsRequest {
    /// Name of the last blob of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Blobs per page, at most `max_blobs_per_page`, which is also the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<usize>,
}

/// The answer to `POST /keys/rotate/blobs`, ordered by name, without blobs that have no sealed key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationBlobsResponse {
    /// One page of sealed keys.
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_BLOBS_PER_PAGE)))]
    pub blobs: Vec<BlobKey>,
    /// Whether there are more.
    pub has_more: bool,
    /// Sealed keys of the whole log that are left to replace.
    pub remaining: u64,
}

/// The sealed key of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlobKey {
    /// The blob's name.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::BlobHash"))]
    pub hash: String,
    /// The blob's sealed key, base64.
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    pub wrapped_key: String,
    /// Version of the master key that sealed `wrapped_key`.
    pub key_version: u32,
}

/// A blob in a batch of a rotation, with either `wrapped_key` or `keep`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotatedBlobKey {
    /// The blob's name.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::BlobHash"))]
    pub hash: String,
    /// The blob's key, sealed under the new master key: standard base64 of 1 to `max_wrapped_key_bytes` bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("contentEncoding" = "base64")))]
    pub wrapped_key: Option<String>,
    /// Whether to leave the key under its old master key, because nobody can open it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = false)))]
    pub keep: bool,
}

/// The body of `POST /keys/rotate/blobs/batch`. It is answered like a batch of entries, with `remaining` counting
/// sealed keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationBlobsBatchRequest {
    /// Version of the master key that sealed the keys in this batch. If another rotation has begun since, nothing is
    /// stored and the answer is 409 `no_rotation`. If absent, the batch belongs to whichever rotation is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub key_version: Option<u32>,
    /// All are stored, or none. Idempotent.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_BLOBS_PER_PAGE)))]
    pub blobs: Vec<RotatedBlobKey>,
}
