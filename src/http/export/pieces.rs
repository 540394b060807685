//! Files of an archive on their way to whoever takes it.

use actix_web::web::Bytes;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use tokio::sync::mpsc::Sender;

use crate::error::Fault;

/// What a tar file is measured in.
const BLOCK: u64 = 512;
/// An archive ends with two blocks of zeros.
const END: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];
/// Who may read what comes out of it.
const MODE: u32 = 0o600;
/// What is handed over to a connection at a time.
const SLICE_BYTES: usize = 64 * 1024;

/// Where the pieces go.
pub(super) struct Pieces {
    taker: Sender<Result<Bytes, Fault>>,
    mtime: u64,
    /// What names begin with.
    folder: String,
}

impl Pieces {
    /// To this taker; files bear this time, in seconds since 1970.
    pub(super) fn new(taker: Sender<Result<Bytes, Fault>>, mtime: u64) -> Self {
        Self { taker, mtime, folder: String::new() }
    }

    /// Of the same archive, in a folder of it.
    pub(super) fn in_folder(&self, folder: &str) -> Self {
        Self { taker: self.taker.clone(), mtime: self.mtime, folder: folder.into() }
    }

    /// A small file.
    pub(super) async fn file(&self, name: &str, content: Vec<u8>) -> Result<(), Broken> {
        self.begin(name, content.len() as u64).await?;
        let length = content.len() as u64;
        let mut left = Bytes::from(content);
        while !left.is_empty() {
            let slice = left.split_to(left.len().min(SLICE_BYTES));
            self.put(slice).await?;
        }
        self.end_file(length).await
    }

    /// The head of a file whose content follows by [`Pieces::put`].
    pub(super) async fn begin(&self, name: &str, bytes: u64) -> Result<(), Broken> {
        let mut header = Header::new_gnu();
        header.set_path(format!("{}{name}", self.folder)).map_err(Fault::internal)?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes);
        header.set_mode(MODE);
        header.set_mtime(self.mtime);
        header.set_cksum();
        self.put(Bytes::copy_from_slice(header.as_bytes())).await
    }

    /// Some of the content of a file.
    pub(super) async fn put(&self, bytes: Bytes) -> Result<(), Broken> {
        self.taker.send(Ok(bytes)).await.map_err(|_| Broken::Gone)
    }

    /// Fills the last block of a file of so many bytes.
    pub(super) async fn end_file(&self, bytes: u64) -> Result<(), Broken> {
        match (bytes % BLOCK) as usize {
            0 => Ok(()),
            part => self.put(Bytes::from_static(&END[..BLOCK as usize - part])).await,
        }
    }

    /// The end of the archive.
    pub(super) async fn end(self) -> Result<(), Broken> {
        self.put(Bytes::from_static(&END)).await
    }

    /// Breaks the connection off, so that nobody takes what came for the whole.
    pub(super) async fn break_off(self, fault: Fault) {
        let _ = self.taker.send(Err(fault)).await;
    }
}

/// Why an archive was not finished.
pub(super) enum Broken {
    /// Whoever takes it has gone away.
    Gone,
    /// Something went wrong here.
    Fault(Fault),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Bytes as they went out, and their SHA-256.
#[derive(Default)]
pub(super) struct Sum {
    hasher: Sha256,
    pub(super) bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// In lower-case hex.
    pub(super) fn hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.hasher.finalize())
    }
}
