//! Sealing a file of any size into a temporary file.
//!
//! The file is read twice, because its key, and with it every sealed byte, depends on its hash. What is sealed the
//! second time is hashed again: if it is not what the key was made for, the file has changed and nothing of it is
//! used. (A key that seals two contents would give both away.) The temporary file only ever holds sealed bytes.

use std::io::{SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt};
use zeroize::Zeroizing;

use super::{BATCH_BYTES, BlobProgress, BlobStage};
use crate::blocking::{blocking, outcome_of};
use crate::formats::blob::{HASH_BYTES, file_key};
use crate::formats::blob_stream::{CHUNK_BYTES, SEALED_CHUNK_BYTES};
use crate::formats::keys::Secret;
use crate::formats::{BlobError, BlobHash, BlobHeader, StreamSealer, Vault};
use crate::{Result, SyncKitError};

/// Bytes of a batch once they are sealed.
const SEALED_BATCH_BYTES: usize = BATCH_BYTES.div_ceil(CHUNK_BYTES) * SEALED_CHUNK_BYTES;

/// A sealed file, ready to be sent. Removed when dropped.
pub(super) struct SealedFile {
    pub(super) name: BlobHash,
    pub(super) key: Secret,
    pub(super) size: u64,
    /// Bytes of the file that was sealed.
    pub(super) plain_size: u64,
    pub(super) file: NamedTempFile,
}

/// Reads from the start to the end, twice, and seals what it reads into a file in this folder.
pub(super) async fn seal_file(
    mut reader: impl AsyncRead + AsyncSeek + Unpin + Send,
    vault: Arc<Vault>,
    folder: Option<&Path>,
    progress: &mut (impl FnMut(BlobProgress) + Send),
) -> Result<SealedFile> {
    let (plain_hash, plain_size) = hash_of(&mut reader, progress).await?;
    let key = file_key(vault.blob_root(), &plain_hash);
    let header = BlobHeader::new(plain_size).map_err(BlobError::from)?;
    let folder = folder.map(Path::to_owned);
    let cipher = StreamSealer::new(&header, &key, &vault.vault_id());
    let sealer = blocking(move || FileSealer::new(&header, cipher, folder.as_deref())).await?;
    reader.seek(SeekFrom::Start(0)).await?;
    let on_done = |done| progress(BlobProgress { stage: BlobStage::Sealing, done, total: plain_size });
    let sealer = for_each_batch(&mut reader, sealer, FileSealer::push, on_done).await?;
    let (name, file) = blocking(move || sealer.finish(&plain_hash)).await?;
    Ok(SealedFile { name, key, size: header.sealed_length(), plain_size, file })
}

/// Returns the SHA-256 and the size of everything that there is to read.
async fn hash_of(
    reader: &mut (impl AsyncRead + AsyncSeek + Unpin + Send),
    progress: &mut (impl FnMut(BlobProgress) + Send),
) -> Result<([u8; HASH_BYTES], u64)> {
    let total = reader.seek(SeekFrom::End(0)).await?;
    reader.seek(SeekFrom::Start(0)).await?;
    let mut size = 0;
    let on_done = |done| {
        size = done;
        progress(BlobProgress { stage: BlobStage::Hashing, done, total: total.max(done) });
    };
    let update = |hash: &mut Sha256, batch: &[u8]| {
        hash.update(batch);
        Ok(())
    };
    let hash = for_each_batch(reader, Sha256::new(), update, on_done).await?;
    Ok((hash.finalize().into(), size))
}

/// Calls `work` with everything that there is to read, batch by batch, on threads that may block, while the next
/// batch is read. `on_done` is told how many bytes are done.
async fn for_each_batch<S: Send + 'static>(
    reader: &mut (impl AsyncRead + Unpin + Send),
    mut state: S,
    work: fn(&mut S, &[u8]) -> Result<()>,
    mut on_done: impl FnMut(u64) + Send,
) -> Result<S> {
    let mut batch = Zeroizing::new(Vec::with_capacity(BATCH_BYTES));
    let mut next = Zeroizing::new(Vec::with_capacity(BATCH_BYTES));
    let mut done = 0;
    let mut has_some = read_batch(reader, &mut batch).await?;
    while has_some {
        let working = tokio::task::spawn_blocking(move || {
            work(&mut state, &batch)?;
            Ok((state, batch))
        });
        let read = read_batch(reader, &mut next).await;
        // Awaited even where reading failed, so that no work goes on in the background.
        (state, batch) = outcome_of(working).await?;
        done += batch.len() as u64;
        on_done(done);
        std::mem::swap(&mut batch, &mut next);
        has_some = read?;
    }
    Ok(state)
}

/// Fills the batch as far as there is something to read. Returns whether there was.
async fn read_batch(reader: &mut (impl AsyncRead + Unpin + Send), batch: &mut Vec<u8>) -> Result<bool> {
    batch.clear();
    let mut limited = reader.take(BATCH_BYTES as u64);
    while batch.len() < BATCH_BYTES && limited.read_buf(batch).await? > 0 {}
    Ok(!batch.is_empty())
}

/// Seals a file batch by batch.
struct FileSealer {
    cipher: StreamSealer,
    plain_hash: Sha256,
    sealed_hash: Sha256,
    file: NamedTempFile,
    chunk: Zeroizing<Vec<u8>>,
    sealed: Vec<u8>,
}

impl FileSealer {
    fn new(header: &BlobHeader, cipher: StreamSealer, folder: Option<&Path>) -> Result<Self> {
        let mut file = match folder {
            Some(folder) => NamedTempFile::new_in(folder)?,
            None => NamedTempFile::new()?,
        };
        file.write_all(&header.encode())?;
        Ok(Self {
            cipher,
            plain_hash: Sha256::new(),
            sealed_hash: Sha256::new_with_prefix(header.encode()),
            file,
            chunk: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES)),
            sealed: Vec::with_capacity(SEALED_BATCH_BYTES),
        })
    }

    /// Seals the next bytes of the file: a multiple of full chunks, except at the end.
    fn push(&mut self, batch: &[u8]) -> Result<()> {
        self.plain_hash.update(batch);
        for piece in batch.chunks(CHUNK_BYTES) {
            self.seal_chunk(piece)?;
        }
        self.write()
    }

    fn seal_chunk(&mut self, piece: &[u8]) -> Result<()> {
        self.chunk.clear();
        self.chunk.extend_from_slice(piece);
        // Fails if the file is longer or shorter than it was.
        self.cipher.seal(&mut self.chunk).map_err(|_| SyncKitError::FileChanged)?;
        self.sealed.extend_from_slice(&self.chunk);
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.sealed_hash.update(&self.sealed);
        self.file.write_all(&self.sealed)?;
        self.sealed.clear();
        Ok(())
    }

    /// Returns the sealed file and its name, if what was sealed has this hash.
    fn finish(mut self, plain_hash: &[u8; HASH_BYTES]) -> Result<(BlobHash, NamedTempFile)> {
        if self.cipher.next_bytes() == Some(0) {
            self.seal_chunk(&[])?;
            self.write()?;
        }
        let is_same = self.cipher.next_bytes().is_none() && *plain_hash == *self.plain_hash.finalize();
        if !is_same {
            return Err(SyncKitError::FileChanged);
        }
        Ok((BlobHash(self.sealed_hash.finalize().into()), self.file))
    }
}
