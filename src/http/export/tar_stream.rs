//! A tar archive, streamed to a client.

use actix_web::web::Bytes;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use tokio::sync::mpsc::Sender;

use crate::error::Fault;

/// Bytes of a block: what tar files consist of.
const BLOCK: u64 = 512;
/// The end of an archive: two blocks of zeros.
const END: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];
/// Permissions of extracted files: their owner's only.
const MODE: u32 = 0o600;
/// Largest part sent at once, in bytes.
const PART_BYTES: usize = 64 * 1024;

pub(super) struct TarStream {
    parts: Sender<Result<Bytes, Fault>>,
    mtime: u64,
    /// Prefix of file names.
    folder: String,
}

impl TarStream {
    /// Sends the parts of the archive to this channel; `mtime` of its files is in seconds since 1970.
    pub(super) fn new(parts: Sender<Result<Bytes, Fault>>, mtime: u64) -> Self {
        Self { parts, mtime, folder: String::new() }
    }

    /// The same archive, for files in a folder of it.
    pub(super) fn in_folder(&self, folder: &str) -> Self {
        Self { parts: self.parts.clone(), mtime: self.mtime, folder: folder.into() }
    }

    /// Sends a small file.
    pub(super) async fn file(&self, name: &str, content: Vec<u8>) -> Result<(), ExportError> {
        let length = content.len() as u64;
        self.begin_file(name, length).await?;
        let mut left = Bytes::from(content);
        while !left.is_empty() {
            let part = left.split_to(left.len().min(PART_BYTES));
            self.send(part).await?;
        }
        self.end_file(length).await
    }

    /// Sends the header of a file of this size, whose content follows by [`TarStream::send`].
    pub(super) async fn begin_file(&self, name: &str, bytes: u64) -> Result<(), ExportError> {
        let mut header = Header::new_gnu();
        header.set_path(format!("{}{name}", self.folder)).map_err(Fault::internal)?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes);
        header.set_mode(MODE);
        header.set_mtime(self.mtime);
        header.set_cksum();
        self.send(Bytes::copy_from_slice(header.as_bytes())).await
    }

    /// Sends some of the content of a file.
    pub(super) async fn send(&self, bytes: Bytes) -> Result<(), ExportError> {
        self.parts.send(Ok(bytes)).await.map_err(|_| ExportError::Disconnected)
    }

    /// Pads the last block of a file of this size.
    pub(super) async fn end_file(&self, bytes: u64) -> Result<(), ExportError> {
        match (bytes % BLOCK) as usize {
            0 => Ok(()),
            part => self.send(Bytes::from_static(&END[..BLOCK as usize - part])).await,
        }
    }

    /// Ends the archive.
    pub(super) async fn end(self) -> Result<(), ExportError> {
        self.send(Bytes::from_static(&END)).await
    }

    /// Aborts the connection, so that what was sent cannot be mistaken for the whole archive.
    pub(super) async fn abort(self, fault: Fault) {
        let _ = self.parts.send(Err(fault)).await;
    }
}

/// Why an export did not finish.
pub(super) enum ExportError {
    /// The client has disconnected.
    Disconnected,
    /// The server failed.
    Fault(Fault),
}

impl From<Fault> for ExportError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The number and the SHA-256 of bytes that were sent.
#[derive(Default)]
pub(super) struct Checksum {
    hasher: Sha256,
    pub(super) bytes: u64,
}

impl Checksum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The SHA-256 in lower-case hex.
    pub(super) fn hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.hasher.finalize())
    }
}
