//! Blobs that are sealed as a whole, for files that fit into memory: what the original SDK's calls in
//! [`original`](crate::original) consist of.

use bytes::Bytes;
use tidelog_protocol::limits::DEFAULT_BLOB_BYTES;
use tidelog_protocol::{BlobConfirmRequest, BlobConfirmResponse};
use zeroize::Zeroizing;

use super::checked_hash;
use super::link::BlobLink;
use super::receive::{BlobSource, MemorySink};
use super::send::Outgoing;
use crate::blocking::blocking;
use crate::formats::blob_reader::BlobReader;
use crate::formats::{BlobHash, seal_once};
use crate::transport::Request;
use crate::{Result, SyncKitClient};

/// The largest blob sealed as a whole that is opened: a server cannot make a device hold more.
const MAX_WHOLE_BYTES: usize = DEFAULT_BLOB_BYTES as usize;

impl SyncKitClient {
    /// Seals a file as a whole, uploads and confirms it.
    pub(crate) async fn put_whole_blob(&self, data: Vec<u8>) -> Result<BlobHash> {
        let (vault, data) = (self.blob_vault().await?, Zeroizing::new(data));
        let (name, key, sealed) = blocking(move || {
            let (key, sealed) = seal_once(&vault, &data);
            Ok((BlobHash::of(&sealed), key, Bytes::from(sealed)))
        })
        .await?;
        self.upload(&name, &key, &Outgoing::Bytes(sealed), |_| {}).await?;
        Ok(name)
    }

    /// Returns where to upload a blob; `None` if it exists.
    pub(crate) async fn presigned_upload(&self, hash: &str, size: u64) -> Result<Option<String>> {
        self.upload_url(&checked_hash(hash)?, size).await
    }

    /// Turns what a program has uploaded by itself into a blob, without a key.
    pub(crate) async fn confirm_without_key(&self, hash: &str, size_bytes: u64) -> Result<()> {
        let hash = checked_hash(hash)?.to_string();
        let body = BlobConfirmRequest { hash, size_bytes, wrapped_key: None, key_version: None };
        self.fetch::<BlobConfirmResponse>(&Request::post("/blobs/confirm", &body)?).await.map(drop)
    }

    /// Returns where to download a blob, with its wrapped key, if it has one.
    pub(crate) async fn blob_link(&self, hash: &str) -> Result<String> {
        let name = checked_hash(hash)?;
        let answer = self.download_url(&name).await?;
        Ok(BlobLink::from_answer(name, &answer).map_or(answer.download_url, |link| link.to_string()))
    }

    /// Downloads a blob into memory and opens it with the key in the link.
    pub(crate) async fn get_blob_by_link(&self, link: &str) -> Result<Vec<u8>> {
        let link = BlobLink::parse(link)?;
        let (vault, key) =
            self.unwrapped_file_key(&link.name, Some(link.key_version), Some(&link.wrapped_key)).await?;
        let reader = BlobReader::new(vault, key, link.name, MAX_WHOLE_BYTES);
        let source = BlobSource::new(link.name, &link.url);
        let sink = self.receive(source, MemorySink::new(reader), |_| {}).await?;
        blocking(move || sink.finish()).await
    }
}
