//! Reading an object, a little at a time and as fast as the reader takes it.

use std::ops::Range;

pub use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::backend::fault;
use super::store::{BlobStore, path};
use crate::error::Fault;
use crate::model::blobs::{Content, Location};

/// Bytes that are read from the disk at a time.
const CHUNK_BYTES: u64 = 128 * 1024;
/// Chunks that are read ahead of the reader.
const READ_AHEAD: usize = 2;

impl BlobStore {
    /// Bytes of memory that a download takes.
    pub const DOWNLOAD_MEMORY: usize = (READ_AHEAD + 1) * CHUNK_BYTES as usize;

    /// Reads a range of a blob's object. Between two chunks of a file it holds neither a thread nor an open file, so
    /// a reader that stalls costs only its chunks. (A bucket gets one request, whose connection waits with the
    /// reader.)
    pub fn read(&self, object: Uuid, range: Range<u64>) -> BoxStream<'static, Result<Bytes, Fault>> {
        if range.is_empty() {
            return stream::empty().boxed();
        }
        let (objects, path) = (self.objects().clone(), path(object, Location::Final));
        if !self.is_on_disk() {
            let response = async move {
                let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
                let response = objects.get_opts(&path, options).await.map_err(fault)?;
                Ok::<_, Fault>(response.into_stream().map_err(fault))
            };
            return stream::once(response).try_flatten().boxed();
        }
        let Range { start, end } = range;
        let chunks = (start..end).step_by(CHUNK_BYTES as usize);
        let read = move |from: u64| {
            let (objects, path) = (objects.clone(), path.clone());
            let to = end.min(from.saturating_add(CHUNK_BYTES));
            async move { objects.get_range(&path, from..to).await.map_err(fault) }
        };
        stream::iter(chunks).map(read).buffered(READ_AHEAD).boxed()
    }

    /// Returns size and, if asked to, hash of an object in its final location, which it reads whole for the hash.
    /// `None` if the object does not exist.
    pub async fn content(&self, object: Uuid, hashed: bool) -> Result<Option<Content>, Fault> {
        let Some(bytes) = self.size_of(object, Location::Final).await? else { return Ok(None) };
        let hash = if hashed { Some(self.sha256(object, bytes).await?) } else { None };
        Ok(Some(Content { bytes, hash }))
    }

    async fn sha256(&self, object: Uuid, bytes: u64) -> Result<[u8; 32], Fault> {
        let mut hasher = Sha256::new();
        let mut chunks = self.read(object, 0..bytes);
        while let Some(chunk) = chunks.try_next().await? {
            hasher.update(&chunk);
        }
        Ok(hasher.finalize().into())
    }
}
