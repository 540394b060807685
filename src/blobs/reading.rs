//! Objects as they go out: a little at a time, as fast as the reader takes it.

use std::ops::Range;

pub use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::backend::fault;
use super::{Blobs, name};
use crate::error::Fault;
use crate::model::blobs::Place;

/// Bytes that are read from the disk at a time.
const CHUNK_BYTES: u64 = 128 * 1024;
/// Chunks that are read ahead of the reader.
const AHEAD: usize = 2;

impl Blobs {
    /// Bytes of memory that a download takes.
    pub const DOWNLOAD_MEMORY: usize = (AHEAD + 1) * CHUNK_BYTES as usize;

    /// This part of a confirmed blob's object. Between two chunks it holds neither a thread nor an open file, so a reader that
    /// stalls costs no more than its chunks. (A bucket is asked once, and its connection waits with the reader.)
    pub fn read(&self, object: Uuid, range: Range<u64>) -> BoxStream<'static, Result<Bytes, Fault>> {
        if range.is_empty() {
            return stream::empty().boxed();
        }
        let (objects, path) = (self.0.objects.clone(), name(object, Place::Final));
        if self.0.folder.is_none() {
            let got = async move {
                let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
                let got = objects.get_opts(&path, options).await.map_err(fault)?;
                Ok::<_, Fault>(got.into_stream().map_err(fault))
            };
            return stream::once(got).try_flatten().boxed();
        }
        let Range { start, end } = range;
        let chunks = (start..end).step_by(CHUNK_BYTES as usize);
        let read = move |from: u64| {
            let (objects, path) = (objects.clone(), path.clone());
            let to = end.min(from.saturating_add(CHUNK_BYTES));
            async move { objects.get_range(&path, from..to).await.map_err(fault) }
        };
        stream::iter(chunks).map(read).buffered(AHEAD).boxed()
    }
}

/// The SHA-256 of a confirmed blob's object.
pub(super) async fn hash(blobs: &Blobs, object: Uuid, bytes: u64) -> Result<[u8; 32], Fault> {
    let mut hasher = Sha256::new();
    let mut parts = blobs.read(object, 0..bytes);
    while let Some(part) = parts.try_next().await? {
        hasher.update(&part);
    }
    Ok(hasher.finalize().into())
}
