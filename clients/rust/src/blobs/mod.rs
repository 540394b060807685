//! Files that are too large for the log. Each is sealed on this device under a key of its own, named by the hash of
//! its sealed bytes, and stored once for a user however often it is uploaded.
//!
//! | file | what it holds |
//! |---|---|
//! | `put`, `sealing`, `send` | from a reader through a sealed temporary file to the server |
//! | `get`, `receive` | and back, with nothing exposed before all of it is verified |
//! | `whole`, `link` | files that fit into memory, sealed as a whole, and URLs that carry the key |
//! | `keys` | wrapped keys: which master key opens them, and under which one they are wrapped |

mod get;
mod keys;
mod link;
mod put;
mod receive;
mod sealing;
mod send;
mod whole;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tidelog_protocol::{BlobListResponse, Timestamp};

use crate::formats::BlobHash;
use crate::formats::blob::InvalidBlobHash;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// Bytes of a file that are processed at once. A transfer holds a few of these, whatever the file's size.
const BATCH_BYTES: usize = 1024 * 1024;

/// The name of a blob, for an app to keep in its own data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobRef {
    /// The SHA-256 of the sealed bytes, as 64 lower-case hexadecimal digits. For one user, a file always has the same
    /// hash.
    pub hash: String,
    /// Bytes of the file.
    pub size: u64,
}

/// The progress of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobProgress {
    /// What is being done.
    pub stage: BlobStage,
    /// Bytes done in this stage. May go down when something is sent again.
    pub done: u64,
    /// Bytes of this stage; the same as `done` where that is not known.
    pub total: u64,
}

/// The stage of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlobStage {
    /// Reading a file for its hash.
    Hashing,
    /// Reading it again, and sealing it into a temporary file.
    Sealing,
    /// Sending the sealed file. Skipped if the server has it.
    Sending,
    /// Receiving and verifying a sealed file.
    Receiving,
}

/// A blob on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobInfo {
    /// Its name.
    pub hash: String,
    /// Bytes that the server stores: those of the sealed form, a few more than the file has.
    pub sealed_size: u64,
    /// When it was uploaded, by the server's clock.
    pub created_at: DateTime<Utc>,
}

/// A page of a user's blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobPage {
    /// In ascending order of their names.
    pub blobs: Vec<BlobInfo>,
    /// Whether there are more after the last of these.
    pub has_more: bool,
}

impl SyncKitClient {
    /// Lists a page of the user's blobs in this app, after the blob of this name; `None` for the first page.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn list_blobs(&self, after: Option<&str>) -> Result<BlobPage> {
        let path = match after {
            Some(after) => format!("/blobs?after={}", checked_hash(after)?),
            None => String::from("/blobs"),
        };
        let answer: BlobListResponse = self.fetch(&Request::get(&path)).await?;
        let info = |blob: tidelog_protocol::Blob| BlobInfo {
            hash: blob.hash,
            sealed_size: blob.size_bytes,
            created_at: Timestamp::into(blob.created_at),
        };
        Ok(BlobPage { blobs: answer.blobs.into_iter().map(info).collect(), has_more: answer.has_more })
    }

    /// Deletes a blob. Only the app knows whether anything in its data still refers to it.
    ///
    /// # Errors
    /// [`SyncKitError::NotFound`] if the user has no such blob, and those of every request.
    pub async fn delete_blob(&self, hash: &str) -> Result<()> {
        let request = Request::delete(format!("/blobs/{}", checked_hash(hash)?));
        self.send(&request).await.map(drop)
    }
}

/// Checks a hash that comes from the app, or from what it has pulled: hashes become parts of paths.
fn checked_hash(hash: &str) -> Result<BlobHash> {
    hash.parse().map_err(|reason: InvalidBlobHash| SyncKitError::InvalidField {
        field: String::from("hash"),
        reason: reason.to_string(),
    })
}
