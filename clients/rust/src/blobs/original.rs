//! The five calls of the original SDK, for files that fit into memory. What they upload is sealed whole, 40 bytes over the file;
//! [`get_blob`](SyncKitClient::get_blob) and [`blob_download`](SyncKitClient::blob_download) read both forms.

use bytes::Bytes;
use tidelog_protocol::limits::DEFAULT_BLOB_BYTES;
use tidelog_protocol::{BlobConfirmRequest, BlobConfirmResponse};
use zeroize::Zeroizing;

use super::checked_hash;
use super::link::{self, BlobLink};
use super::receive::{InMemory, Source};
use super::send::Outgoing;
use crate::blocking::blocking;
use crate::formats::blob_reader::BlobReader;
use crate::formats::{BlobHash, seal_once};
use crate::transport::Request;
use crate::{Result, SyncKitClient};

/// The largest blob that was sealed whole and is opened nevertheless: a server cannot make a device hold more.
const MAX_ONCE_BYTES: usize = DEFAULT_BLOB_BYTES as usize;

impl SyncKitClient {
    /// Where to `PUT` a blob of this name and so many bytes, for a limited time, and whether it is there already; then there is
    /// nothing to send and the address is empty. For programs that seal and send by themselves;
    /// [`blob_upload`](Self::blob_upload) does all of it.
    ///
    /// # Errors
    /// [`BlobTooLarge`](crate::SyncKitError::BlobTooLarge),
    /// [`QuotaExceeded`](crate::SyncKitError::QuotaExceeded), and those of every request.
    pub async fn blob_upload_url(&self, hash: &str, size_bytes: u64) -> Result<(String, bool)> {
        let address = self.upload_address(&checked_hash(hash)?, size_bytes).await?;
        Ok((address.clone().unwrap_or_default(), address.is_none()))
    }

    /// Seals a file that is in memory, sends it and confirms it; gives its name. When this returns, the blob is on the server's
    /// disk.
    ///
    /// # Errors
    /// As [`put_blob`](Self::put_blob).
    pub async fn blob_upload(&self, data: impl Into<Vec<u8>>) -> Result<String> {
        let (vault, data) = (self.blob_vault().await?, Zeroizing::new(data.into()));
        let sealing = move || {
            let (key, sealed) = seal_once(&vault, &data);
            Ok((BlobHash::of(&sealed), key, Bytes::from(sealed)))
        };
        let (name, key, sealed) = blocking(sealing).await?;
        self.upload(&name, &key, &Outgoing::Bytes(sealed), |_| {}).await?;
        Ok(name.to_string())
    }

    /// Makes what a program has put under the address of [`blob_upload_url`](Self::blob_upload_url) a blob. Repeating it changes
    /// nothing, also for a blob of [`blob_upload`](Self::blob_upload).
    ///
    /// # Errors
    /// [`Server`](crate::SyncKitError::Server) with
    /// [`ErrorCode::NotUploaded`](crate::ErrorCode::NotUploaded) or
    /// [`ErrorCode::BlobMismatch`](crate::ErrorCode::BlobMismatch), and those of every request.
    pub async fn blob_confirm(&self, hash: &str, size_bytes: u64) -> Result<()> {
        let hash = checked_hash(hash)?.to_string();
        let body = BlobConfirmRequest { hash, size_bytes, wrapped_key: None, key_version: None };
        self.fetch::<BlobConfirmResponse>(&Request::post("/blobs/confirm", &body)?).await.map(drop)
    }

    /// Where a blob can be fetched, for a limited time, with its sealed key behind `#`. Whoever has it can fetch the sealed bytes;
    /// to open them takes the user's key. A blob that was put there without a key has none behind `#`, either.
    ///
    /// # Errors
    /// [`NotFound`](crate::SyncKitError::NotFound), and those of every request.
    pub async fn blob_download_url(&self, hash: &str) -> Result<String> {
        let name = checked_hash(hash)?;
        let answer = self.download_address(&name).await?;
        let with_key = answer
            .key_version
            .zip(answer.wrapped_key.as_deref())
            .and_then(|(version, wrapped)| link::write(&answer.download_url, &name, version, wrapped));
        Ok(with_key.unwrap_or(answer.download_url))
    }

    /// Fetches and opens a blob whose address came from [`blob_download_url`](Self::blob_download_url), into memory.
    ///
    /// # Errors
    /// [`BadBlob`](crate::SyncKitError::BadBlob) for whatever is not the blob of this name, and those of every request.
    pub async fn blob_download(&self, url: &str) -> Result<Vec<u8>> {
        let link = BlobLink::read(url)?;
        let (vault, key) =
            self.opened_file_key(&link.name, Some(link.key_version), Some(&link.wrapped_key)).await?;
        let reader = BlobReader::new(vault, key, link.name, MAX_ONCE_BYTES);
        let source = Source::at(link.name, link.address);
        let sink = self.receive(source, InMemory::new(reader), |_| {}).await?;
        blocking(move || sink.finish()).await
    }
}
