//! Sending sealed bytes to the server: a presigned URL, the bytes, the confirmation.
//!
//! A presigned URL takes no partial uploads, so bytes that did not arrive are sent again as a whole: to the same URL
//! if the network is at fault, to a new one if the URL is. If the answer to a confirmation is lost, the next attempt
//! finds the blob there.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Body;
use tempfile::NamedTempFile;
use tidelog_protocol::{BlobUploadRequest, BlobUploadResponse, ErrorCode};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::ReaderStream;

use crate::formats::BlobHash;
use crate::formats::keys::Secret;
use crate::transport::{ExternalAnswer, Request};
use crate::{Result, SyncKitClient, SyncKitError};

/// Bytes that are read from a file and handed to the network at once.
const READ_BYTES: usize = 256 * 1024;

/// Sealed bytes that can be sent more than once.
pub(super) enum Outgoing<'a> {
    Bytes(Bytes),
    /// Opened anew for each attempt: one that was given up may still be reading.
    File(&'a NamedTempFile, u64),
}

impl Outgoing<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, size) => *size,
        }
    }

    /// Returns a body that counts the bytes sent.
    fn body(&self, sent: &Arc<AtomicU64>) -> Result<Body> {
        Ok(match self {
            Self::Bytes(bytes) => Body::from(bytes.clone()),
            Self::File(file, _) => {
                let file = tokio::fs::File::from_std(File::open(file.path())?);
                let counting = CountingFile { file, sent: sent.clone() };
                Body::wrap_stream(ReaderStream::with_capacity(counting, READ_BYTES))
            }
        })
    }
}

/// Counts the bytes read from a file.
struct CountingFile {
    file: tokio::fs::File,
    sent: Arc<AtomicU64>,
}

impl AsyncRead for CountingFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.file).poll_read(context, buffer))?;
        self.sent.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

/// Why an attempt to upload failed, and how to try again.
enum UploadFailure {
    /// Ask for another URL.
    NewUrl(SyncKitError, Option<Duration>),
    /// Send the bytes to the same URL.
    SameUrl(SyncKitError, Option<Duration>),
    Final(SyncKitError),
}

impl From<SyncKitError> for UploadFailure {
    fn from(error: SyncKitError) -> Self {
        Self::Final(error)
    }
}

impl SyncKitClient {
    /// Makes these sealed bytes a blob of this name and key. Sends nothing if the blob exists.
    pub(super) async fn upload(
        &self,
        name: &BlobHash,
        key: &Secret,
        outgoing: &Outgoing<'_>,
        mut on_sent: impl FnMut(u64) + Send,
    ) -> Result<()> {
        let mut failed = 0;
        let mut url: Option<String> = None;
        loop {
            let (error, retry_after) =
                match self.try_to_upload(name, key, outgoing, &mut url, &mut on_sent).await {
                    Ok(()) => return Ok(()),
                    Err(UploadFailure::Final(error)) => return Err(error),
                    Err(UploadFailure::SameUrl(error, retry_after)) => (error, retry_after),
                    Err(UploadFailure::NewUrl(error, retry_after)) => {
                        url = None;
                        (error, retry_after)
                    }
                };
            failed += 1;
            let Some(wait) = self.transport.next_wait(failed, retry_after) else { return Err(error) };
            tracing::debug!(failed, ?wait, "uploading a blob again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_to_upload(
        &self,
        name: &BlobHash,
        key: &Secret,
        outgoing: &Outgoing<'_>,
        url: &mut Option<String>,
        on_sent: &mut (impl FnMut(u64) + Send),
    ) -> Result<(), UploadFailure> {
        let size = outgoing.size();
        let url = match url {
            Some(url) => url,
            None => match self.upload_url(name, size).await? {
                Some(found) => url.insert(found),
                None => return Ok(()),
            },
        };
        let sent = Arc::new(AtomicU64::new(0));
        let body = outgoing.body(&sent)?;
        match self.transport.put_external(url, body, size, &sent, &mut *on_sent).await {
            ExternalAnswer::Done(()) => {}
            ExternalAnswer::Retry(error, retry_after) => {
                return Err(UploadFailure::SameUrl(error, retry_after));
            }
            ExternalAnswer::UrlRefused(error) => return Err(UploadFailure::NewUrl(error, None)),
            ExternalAnswer::Refused(error) => return Err(upload_failure(error)),
        }
        on_sent(size);
        self.confirm_with_key(name, size, key).await.map_err(upload_failure)
    }

    /// Asks for the presigned URL to upload a blob of this size to; `None` if it exists.
    pub(super) async fn upload_url(&self, name: &BlobHash, size: u64) -> Result<Option<String>> {
        let body = BlobUploadRequest { hash: name.to_string(), size_bytes: size };
        match self.fetch::<BlobUploadResponse>(&Request::post("/blobs/upload", &body)?).await {
            Ok(answer) if answer.already_exists => Ok(None),
            Ok(answer) => Ok(Some(answer.upload_url)),
            Err(SyncKitError::Server { code: Some(ErrorCode::TooLarge), .. }) => {
                Err(SyncKitError::BlobTooLarge)
            }
            Err(error) => Err(error),
        }
    }
}

/// An upload that got lost or damaged on its way is tried again.
fn upload_failure(error: SyncKitError) -> UploadFailure {
    match error {
        SyncKitError::Server { code: Some(ErrorCode::NotUploaded | ErrorCode::BlobMismatch), .. } => {
            UploadFailure::NewUrl(error, None)
        }
        SyncKitError::Server { code: Some(ErrorCode::TooLarge), .. } => {
            UploadFailure::Final(SyncKitError::BlobTooLarge)
        }
        other => UploadFailure::Final(other),
    }
}
