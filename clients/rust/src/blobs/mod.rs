//! Files that are too large for the log, sealed before they leave: each under a key of its own, named by the hash of its sealed
//! bytes, and stored once for a user however often it is put there.
//!
//! | file | what it holds |
//! |---|---|
//! | `put`, `sealing`, `send` | from a reader to a sealed temporary file to the server |
//! | `get`, `receive` | back again, with nothing exposed before all of it is verified |
//! | `original`, `link` | the five calls of the original SDK, for files that fit into memory |
//! | `keys` | sealed keys of files: which master opens them, under which they are sealed |

mod get;
mod keys;
mod link;
mod original;
mod put;
mod receive;
mod sealing;
mod send;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tidelog_protocol::{BlobListResponse, Timestamp};

use crate::formats::BlobHash;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// Bytes of a file that are worked on at once: a few of these are what a transfer holds, whatever the file's size.
const BATCH_BYTES: usize = 1024 * 1024;

/// Names a blob: what an app keeps in its own data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobRef {
    /// 64 lower-case hexadecimal digits: the SHA-256 of the sealed bytes. The same file has the same hash, for one user, for ever.
    pub hash: String,
    /// Bytes of the file.
    pub size: u64,
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobProgress {
    /// What is being done.
    pub stage: BlobStage,
    /// Bytes that are done in this stage. May fall when something is sent again.
    pub done: u64,
    /// Bytes of this stage in all; what is done so far where that is not known.
    pub total: u64,
}

/// What a transfer is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlobStage {
    /// Reading a file for its hash.
    Hashing,
    /// Reading it again, sealing it into a temporary file.
    Sealing,
    /// Sending the sealed file. Skipped where the server has it.
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
    /// Bytes that the server keeps: of the sealed form, a little more than the file has.
    pub sealed_size: u64,
    /// When it was put there, by the server's clock.
    pub created_at: DateTime<Utc>,
}

/// A page of a user's blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobPage {
    /// In the order of their names.
    pub blobs: Vec<BlobInfo>,
    /// Whether there are more after the last one of these.
    pub has_more: bool,
}

impl SyncKitClient {
    /// A page of the user's blobs in this app, after the one of this name; `None` for the first page.
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

    /// Deletes a blob. Whether anything of the app's data still names it, only the app can know.
    ///
    /// # Errors
    /// [`SyncKitError::NotFound`] if the user has no such blob, and those of every request.
    pub async fn delete_blob(&self, hash: &str) -> Result<()> {
        let request = Request::delete(format!("/blobs/{}", checked_hash(hash)?));
        self.send(&request).await.map(drop)
    }
}

/// A hash as it comes from the app, or from what it has pulled: it goes into paths.
fn checked_hash(hash: &str) -> Result<BlobHash> {
    hash.parse().map_err(|reason: crate::formats::blob::InvalidBlobHash| SyncKitError::InvalidField {
        field: String::from("hash"),
        reason: reason.to_string(),
    })
}
