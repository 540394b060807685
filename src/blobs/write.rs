//! Writing an object: hashed and passed on part by part, so that it takes the same memory whatever its size, and a
//! client that stalls holds no thread.

use bytes::Bytes;
use object_store::{MultipartUpload, WriteMultipart};
use sha2::{Digest, Sha256};

use super::backend::fault;
use crate::error::Fault;
use crate::model::blobs::Content;

/// Bytes that are written to the disk at a time.
pub(super) const DISK_PART_BYTES: usize = 256 * 1024;
/// The smallest part that S3 accepts, except for the last one.
const MIN_S3_PART_BYTES: u64 = 5 * 1024 * 1024;
/// Parts of one object that S3 accepts.
const MAX_S3_PARTS: u64 = 10_000;
/// Parts being sent while the next one fills.
const MAX_PARTS_IN_FLIGHT: usize = 1;
/// Shorter chunks are copied together, since each of them keeps the whole buffer alive in which it arrived.
const COPIED_BELOW_BYTES: usize = 16 * 1024;

/// The size of the parts that are sent to S3, for an object of at most this size.
pub(super) fn s3_part_bytes(max_bytes: u64) -> usize {
    max_bytes.div_ceil(MAX_S3_PARTS).max(MIN_S3_PART_BYTES) as usize
}

/// An object that is being written. Dropped before [`ObjectWriter::finish`], it leaves nothing.
pub struct ObjectWriter {
    /// `None` once it is finished.
    upload: Option<WriteMultipart>,
    hasher: Sha256,
    bytes: u64,
}

impl ObjectWriter {
    pub(super) fn new(upload: Box<dyn MultipartUpload>, part_bytes: usize) -> Self {
        let upload = WriteMultipart::new_with_chunk_size(upload, part_bytes);
        Self { upload: Some(upload), hasher: Sha256::new(), bytes: 0 }
    }

    /// Returns the bytes that were written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a chunk, and waits while the store is slower than the client.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Fault> {
        let upload = self.upload.as_mut().ok_or_else(finished)?;
        upload.wait_for_capacity(MAX_PARTS_IN_FLIGHT).await.map_err(fault)?;
        self.hasher.update(&chunk);
        self.bytes += chunk.len() as u64;
        if chunk.len() < COPIED_BELOW_BYTES {
            upload.write(&chunk)
        } else {
            upload.put(chunk)
        }
        Ok(())
    }

    /// Completes the object. It is durable when this returns; after an error, nothing is left of it.
    pub async fn finish(mut self) -> Result<Content, Fault> {
        let upload = self.upload.take().ok_or_else(finished)?;
        upload.finish().await.map_err(fault)?;
        let hash = std::mem::take(&mut self.hasher).finalize();
        Ok(Content { bytes: self.bytes, hash: Some(hash.into()) })
    }
}

fn finished() -> Fault {
    Fault::Internal("this object is already finished".into())
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        // Until it is aborted, S3 keeps the parts and charges for them.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    tracing::debug!(%error, "could not abort an upload");
                }
            });
        }
    }
}
