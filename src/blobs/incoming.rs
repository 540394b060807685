//! An object as it comes in: hashed and sent on part by part, so it takes the same memory whatever its size, and a client that
//! stalls holds no thread.

use bytes::Bytes;
use object_store::{MultipartUpload, WriteMultipart};
use sha2::{Digest, Sha256};

use super::backend::fault;
use crate::error::Fault;
use crate::model::blobs::Content;

/// Bytes that are written to the disk at a time.
pub(super) const DISK_PART_BYTES: usize = 256 * 1024;
/// Bytes of a part that S3 takes at least, but for the last one.
const S3_PART_BYTES: u64 = 5 * 1024 * 1024;
/// Parts that S3 takes at most.
const S3_PARTS: u64 = 10_000;
/// Parts on their way while the next one gathers.
const AT_ONCE: usize = 1;
/// Shorter pieces are copied together: each of them keeps the whole buffer that it arrived in.
const COPIED_BELOW_BYTES: usize = 16 * 1024;

/// Bytes that are sent to S3 at a time, for an object of this size.
pub(super) fn s3_part_bytes(max_bytes: u64) -> usize {
    max_bytes.div_ceil(S3_PARTS).max(S3_PART_BYTES) as usize
}

/// An object that comes in. Dropped before [`Incoming::finish`], it leaves nothing.
pub struct Incoming {
    /// `None`: it is finished.
    write: Option<WriteMultipart>,
    hasher: Sha256,
    bytes: u64,
}

impl Incoming {
    pub(super) fn new(upload: Box<dyn MultipartUpload>, part_bytes: usize) -> Self {
        let write = WriteMultipart::new_with_chunk_size(upload, part_bytes);
        Self { write: Some(write), hasher: Sha256::new(), bytes: 0 }
    }

    /// Bytes that have come so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes some more; waits while the store is slower than the client.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn write(&mut self, some: Bytes) -> Result<(), Fault> {
        let write = self.write.as_mut().ok_or_else(finished)?;
        write.wait_for_capacity(AT_ONCE).await.map_err(fault)?;
        self.hasher.update(&some);
        self.bytes += some.len() as u64;
        if some.len() < COPIED_BELOW_BYTES {
            write.write(&some)
        } else {
            write.put(some)
        }
        Ok(())
    }

    /// Makes an object of what has come; it is there durably when this returns.
    ///
    /// # Errors
    /// A fault of the store; nothing is left then.
    pub async fn finish(mut self) -> Result<Content, Fault> {
        let write = self.write.take().ok_or_else(finished)?;
        write.finish().await.map_err(fault)?;
        let hash = std::mem::take(&mut self.hasher).finalize();
        Ok(Content { bytes: self.bytes, hash: Some(hash.into()) })
    }
}

fn finished() -> Fault {
    Fault::Internal("an upload is finished already".into())
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(write) = self.write.take() else { return };
        // A bucket keeps the parts, and bills them, until it is told.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = write.abort().await {
                    tracing::debug!(%error, "what was left of an upload could not be removed");
                }
            });
        }
    }
}
