//! Getting a file of any size, and exposing nothing of it before all of it is verified: into a path, by a temporary file beside it;
//! into a writer, by a sealed temporary file that is opened a second time once it is known to be whole.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::receive::{Sink, Source};
use super::{BATCH_BYTES, BlobProgress, checked_hash};
use crate::blocking::blocking;
use crate::formats::blob_reader::BlobReader;
use crate::formats::blob_stream::SEALED_CHUNK_BYTES;
use crate::formats::keys::Secret;
use crate::formats::{BlobHash, Vault};
use crate::{Result, SyncKitClient};

/// A blob that was sealed whole is opened in memory. One that is larger than this has to be asked for by `blob_download`.
const MAX_ONCE_BYTES: usize = 2 * 1024 * 1024;

/// What it takes to open one blob, again and again.
#[derive(Clone)]
struct Opening {
    vault: Arc<Vault>,
    key: Secret,
    name: BlobHash,
}

impl Opening {
    fn reader(&self) -> BlobReader {
        BlobReader::new(self.vault.clone(), self.key.clone(), self.name, MAX_ONCE_BYTES)
    }
}

impl SyncKitClient {
    /// Fetches a blob into the file at this path, which it creates or replaces; gives the file's size in bytes.
    ///
    /// The file appears as a whole, on disk, once its last byte is verified. Until then it is a temporary file beside it, which any
    /// error removes; only its owner may read it. Takes a few megabytes of memory whatever the file's size. A connection that breaks
    /// is made again, and what has come does not come again.
    ///
    /// A blob of [`blob_upload`](Self::blob_upload) of more than 2 MB is refused, as it takes memory for all of it at once: see
    /// [`blob_download`](Self::blob_download).
    ///
    /// # Errors
    /// [`NotFound`](crate::SyncKitError::NotFound); [`BadBlob`](crate::SyncKitError::BadBlob) for whatever is not the blob of this
    /// name; [`NoMasterKey`](crate::SyncKitError::NoMasterKey), [`Blocked`](crate::SyncKitError::Blocked);
    /// [`Io`](crate::SyncKitError::Io); [`NoBlobs`](crate::SyncKitError::NoBlobs),
    /// [`MembershipRequired`](crate::SyncKitError::MembershipRequired), and those of every request.
    pub async fn get_blob(
        &self,
        hash: &str,
        path: impl AsRef<Path>,
        progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<u64> {
        let (opening, source) = self.blob_source(hash).await?;
        let path = path.as_ref().to_owned();
        let reader = opening.reader();
        let sink = blocking(move || IntoFile::beside(path, reader)).await?;
        let sink = self.receive(source, sink, progress).await?;
        blocking(move || sink.finish()).await
    }

    /// Fetches a blob and writes it; gives the file's size in bytes. Nothing is written before all of it has come and is verified:
    /// until then it lies, sealed, in the [`temporary_folder`](crate::ClientBuilder::temporary_folder). The writer is flushed, not shut
    /// down.
    ///
    /// # Errors
    /// As [`get_blob`](Self::get_blob). With [`Io`](crate::SyncKitError::Io) a part may have been written.
    pub async fn get_blob_into(
        &self,
        hash: &str,
        mut writer: impl AsyncWrite + Unpin + Send,
        progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<u64> {
        let (opening, source) = self.blob_source(hash).await?;
        let (reader, folder) = (opening.reader(), self.temporary_folder.clone());
        let sink = blocking(move || Verifying::new(reader, folder)).await?;
        let sink = self.receive(source, sink, progress).await?;
        let mut giving = blocking(move || Ok(Giving::new(sink.finish()?, opening.reader())?)).await?;
        let mut written = 0;
        while let Some(next) = blocking(move || giving.next()).await? {
            writer.write_all(&next.1).await?;
            written += next.1.len() as u64;
            giving = next.0;
        }
        writer.flush().await?;
        Ok(written)
    }

    async fn blob_source(&self, hash: &str) -> Result<(Opening, Source)> {
        let name = checked_hash(hash)?;
        // Without a key nothing needs to be asked for.
        self.encryption.key_of(self.owner()?)?;
        let answer = self.download_address(&name).await?;
        let (vault, key) =
            self.opened_file_key(&name, answer.key_version, answer.wrapped_key.as_deref()).await?;
        Ok((Opening { vault, key, name }, Source::at(name, &answer.download_url)))
    }
}

/// Opens a blob into a temporary file beside the path that it is to have.
struct IntoFile {
    reader: BlobReader,
    opened: Zeroizing<Vec<u8>>,
    file: NamedTempFile,
    path: PathBuf,
}

impl IntoFile {
    fn beside(path: PathBuf, reader: BlobReader) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self { reader, opened: a_batch(), file, path })
    }

    fn finish(mut self) -> Result<u64> {
        let size = self.reader.finish(&mut self.opened)?;
        self.file.write_all(&self.opened)?;
        self.file.as_file().sync_all()?;
        self.file.persist(self.path).map_err(|failed| failed.error)?;
        Ok(size)
    }
}

impl Sink for IntoFile {
    fn take(&mut self, sealed: &[u8]) -> Result<()> {
        self.reader.push(sealed, &mut self.opened)?;
        self.file.write_all(&self.opened)?;
        self.opened.clear();
        Ok(())
    }
}

/// Keeps the sealed bytes, and looks whether they open.
struct Verifying {
    reader: BlobReader,
    opened: Zeroizing<Vec<u8>>,
    file: NamedTempFile,
}

impl Verifying {
    fn new(reader: BlobReader, folder: Option<PathBuf>) -> Result<Self> {
        let file = folder.map_or_else(NamedTempFile::new, NamedTempFile::new_in)?;
        Ok(Self { reader, opened: a_batch(), file })
    }

    fn finish(mut self) -> Result<NamedTempFile> {
        self.reader.finish(&mut self.opened)?;
        Ok(self.file)
    }
}

impl Sink for Verifying {
    fn take(&mut self, sealed: &[u8]) -> Result<()> {
        self.reader.push(sealed, &mut self.opened)?;
        self.opened.clear();
        Ok(self.file.write_all(sealed)?)
    }
}

/// Opens a file that was verified, batch by batch.
struct Giving {
    /// `None` after the end.
    reader: Option<BlobReader>,
    file: NamedTempFile,
    sealed: Vec<u8>,
}

impl Giving {
    fn new(mut file: NamedTempFile, reader: BlobReader) -> std::io::Result<Self> {
        file.as_file_mut().seek(SeekFrom::Start(0))?;
        Ok(Self { reader: Some(reader), file, sealed: Vec::with_capacity(BATCH_BYTES) })
    }

    /// The next bytes of the file; `None` after the last ones.
    fn next(mut self) -> Result<Option<(Self, Zeroizing<Vec<u8>>)>> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        let mut opened = a_batch();
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

/// Room for what a batch opens: it does not grow, so no copy of it stays behind in memory.
fn a_batch() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(BATCH_BYTES + SEALED_CHUNK_BYTES))
}
