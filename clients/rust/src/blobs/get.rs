//! Downloading a file of any size, with nothing exposed before all of it is verified. A file at a path is opened into
//! a temporary file beside it; for a writer, the sealed bytes are collected in a temporary file and opened again once
//! they are known to be complete.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::receive::{BlobSink, BlobSource};
use super::{BATCH_BYTES, BlobProgress, checked_hash};
use crate::blocking::blocking;
use crate::formats::blob_reader::BlobReader;
use crate::formats::blob_stream::SEALED_CHUNK_BYTES;
use crate::formats::keys::Secret;
use crate::formats::{BlobHash, Vault};
use crate::{Result, SyncKitClient};

/// A blob that was sealed as a whole is opened in memory. A larger one than this takes `blob_download`.
const MAX_WHOLE_BYTES: usize = 2 * 1024 * 1024;

/// Opens one blob, as often as needed.
#[derive(Clone)]
struct BlobOpener {
    vault: Arc<Vault>,
    key: Secret,
    name: BlobHash,
}

impl BlobOpener {
    fn reader(&self) -> BlobReader {
        BlobReader::new(self.vault.clone(), self.key.clone(), self.name, MAX_WHOLE_BYTES)
    }
}

impl SyncKitClient {
    /// Downloads a blob into the file at this path, which is created or replaced. Returns the file's size in bytes.
    ///
    /// The file appears as a whole, on disk, once its last byte is verified. Until then it is a temporary file beside
    /// it, which only its owner may read, and which is removed on any error. Takes a few megabytes of memory whatever
    /// the file's size. A broken connection is resumed: what has come does not come again.
    ///
    /// A blob of [`blob_upload`](Self::blob_upload) of more than 2 MB is refused, since it takes memory for all of it
    /// at once: see [`blob_download`](Self::blob_download).
    ///
    /// # Errors
    /// [`NotFound`](crate::SyncKitError::NotFound); [`BadBlob`](crate::SyncKitError::BadBlob) for bytes that are not
    /// the blob of this name; [`NoMasterKey`](crate::SyncKitError::NoMasterKey),
    /// [`Blocked`](crate::SyncKitError::Blocked); [`Io`](crate::SyncKitError::Io);
    /// [`NoBlobs`](crate::SyncKitError::NoBlobs), [`MembershipRequired`](crate::SyncKitError::MembershipRequired),
    /// and those of every request.
    pub async fn get_blob(
        &self,
        hash: &str,
        path: impl AsRef<Path>,
        progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<u64> {
        let (opener, source) = self.blob_source(hash).await?;
        let path = path.as_ref().to_owned();
        let reader = opener.reader();
        let sink = blocking(move || FileSink::beside(path, reader)).await?;
        let sink = self.receive(source, sink, progress).await?;
        blocking(move || sink.finish()).await
    }

    /// Downloads a blob and writes it. Returns the file's size in bytes. Nothing is written before all of it has come
    /// and is verified: until then it is kept, sealed, in the
    /// [`temporary_folder`](crate::ClientBuilder::temporary_folder). The writer is flushed, not shut down.
    ///
    /// # Errors
    /// Those of [`get_blob`](Self::get_blob). After [`Io`](crate::SyncKitError::Io), a part may have been written.
    pub async fn get_blob_into(
        &self,
        hash: &str,
        mut writer: impl AsyncWrite + Unpin + Send,
        progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<u64> {
        let (opener, source) = self.blob_source(hash).await?;
        let (reader, folder) = (opener.reader(), self.temporary_folder.clone());
        let sink = blocking(move || VerifyingSink::new(reader, folder)).await?;
        let sink = self.receive(source, sink, progress).await?;
        let mut file = blocking(move || Ok(VerifiedFile::new(sink.finish()?, opener.reader())?)).await?;
        let mut written = 0;
        while let Some((rest, opened)) = blocking(move || file.next_batch()).await? {
            writer.write_all(&opened).await?;
            written += opened.len() as u64;
            file = rest;
        }
        writer.flush().await?;
        Ok(written)
    }

    async fn blob_source(&self, hash: &str) -> Result<(BlobOpener, BlobSource)> {
        let name = checked_hash(hash)?;
        // Without a key there is no point in asking.
        self.encryption.key_for(self.owner()?)?;
        let answer = self.download_url(&name).await?;
        let (vault, key) =
            self.unwrapped_file_key(&name, answer.key_version, answer.wrapped_key.as_deref()).await?;
        Ok((BlobOpener { vault, key, name }, BlobSource::new(name, &answer.download_url)))
    }
}

/// Opens a blob into a temporary file beside its final path.
struct FileSink {
    reader: BlobReader,
    opened: Zeroizing<Vec<u8>>,
    file: NamedTempFile,
    path: PathBuf,
}

impl FileSink {
    fn beside(path: PathBuf, reader: BlobReader) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self { reader, opened: batch_buffer(), file, path })
    }

    fn finish(mut self) -> Result<u64> {
        let size = self.reader.finish(&mut self.opened)?;
        self.file.write_all(&self.opened)?;
        self.file.as_file().sync_all()?;
        self.file.persist(self.path).map_err(|failed| failed.error)?;
        Ok(size)
    }
}

impl BlobSink for FileSink {
    fn push(&mut self, sealed: &[u8]) -> Result<()> {
        self.reader.push(sealed, &mut self.opened)?;
        self.file.write_all(&self.opened)?;
        self.opened.clear();
        Ok(())
    }
}

/// Keeps the sealed bytes of a blob, and checks that they open.
struct VerifyingSink {
    reader: BlobReader,
    opened: Zeroizing<Vec<u8>>,
    file: NamedTempFile,
}

impl VerifyingSink {
    fn new(reader: BlobReader, folder: Option<PathBuf>) -> Result<Self> {
        let file = folder.map_or_else(NamedTempFile::new, NamedTempFile::new_in)?;
        Ok(Self { reader, opened: batch_buffer(), file })
    }

    fn finish(mut self) -> Result<NamedTempFile> {
        self.reader.finish(&mut self.opened)?;
        Ok(self.file)
    }
}

impl BlobSink for VerifyingSink {
    fn push(&mut self, sealed: &[u8]) -> Result<()> {
        self.reader.push(sealed, &mut self.opened)?;
        self.opened.clear();
        Ok(self.file.write_all(sealed)?)
    }
}

/// A sealed file that was verified, opened again batch by batch.
struct VerifiedFile {
    /// `None` after the end.
    reader: Option<BlobReader>,
    file: NamedTempFile,
    sealed: Vec<u8>,
}

impl VerifiedFile {
    fn new(mut file: NamedTempFile, reader: BlobReader) -> std::io::Result<Self> {
        file.as_file_mut().seek(SeekFrom::Start(0))?;
        Ok(Self { reader: Some(reader), file, sealed: Vec::with_capacity(BATCH_BYTES) })
    }

    /// Returns the next bytes of the file; `None` after the last ones.
    fn next_batch(mut self) -> Result<Option<(Self, Zeroizing<Vec<u8>>)>> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        let mut opened = batch_buffer();
        self.sealed.clear();
        self.file.as_file_mut().take(BATCH_BYTES as u64).read_to_end(&mut self.sealed)?;
        if self.sealed.is_empty() {
            reader.finish(&mut opened)?;
        } else {
            reader.push(&self.sealed, &mut opened)?;
            self.reader = Some(reader);
        }
        Ok(Some((self, opened)))
    }
}

/// A buffer for the plaintext of a batch. It never grows, so no copy of its content is left behind in memory.
fn batch_buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(BATCH_BYTES + SEALED_CHUNK_BYTES))
}
