//! Sealed bytes on their way to the server: an address, the bytes, the confirmation.
//!
//! An address knows no resuming, so bytes that did not arrive are sent again as a whole: to the same address while the network is
//! at fault, to a new one when the address is. A confirmation whose answer was lost shows as a blob that exists.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Body;
use tidelog_protocol::{BlobUploadRequest, BlobUploadResponse, ErrorCode};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::ReaderStream;

use crate::formats::BlobHash;
use crate::formats::keys::Secret;
use crate::transport::{Elsewhere, Request};
use crate::{Result, SyncKitClient, SyncKitError};

/// Bytes that are read from a file and handed to the network at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Sealed bytes that can be sent more than once.
pub(super) enum Outgoing<'a> {
    Bytes(Bytes),
    /// Opened anew for each try: a try that was given up may still be reading.
    File(&'a tempfile::NamedTempFile, u64),
}

impl Outgoing<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, size) => *size,
        }
    }

    /// A body that counts what leaves.
    fn body(&self, sent: &Arc<AtomicU64>) -> Result<Body> {
        Ok(match self {
            Self::Bytes(bytes) => Body::from(bytes.clone()),
            Self::File(file, _) => {
                let file = tokio::fs::File::from_std(File::open(file.path())?);
                Body::wrap_stream(ReaderStream::with_capacity(
                    Counted { file, sent: sent.clone() },
                    PIECE_BYTES,
                ))
            }
        })
    }
}

/// Counts what is read of a file.
struct Counted {
    file: tokio::fs::File,
    sent: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
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

/// Why a blob is not there yet.
enum NotYet {
    /// Everything from the address on is to be done again.
    FromTheStart(SyncKitError, Option<Duration>),
    /// The same address may take the bytes the next time.
    SameAddress(SyncKitError, Option<Duration>),
    Final(SyncKitError),
}

impl From<SyncKitError> for NotYet {
    fn from(error: SyncKitError) -> Self {
        Self::Final(error)
    }
}

impl SyncKitClient {
    /// Makes these sealed bytes a blob of this name and key. Sends nothing if it is one already.
    pub(super) async fn upload(
        &self,
        name: &BlobHash,
        key: &Secret,
        outgoing: &Outgoing<'_>,
        mut watching: impl FnMut(u64) + Send,
    ) -> Result<()> {
        let mut failed = 0;
        let mut address: Option<String> = None;
        loop {
            let (error, retry_after) =
                match self.try_to_upload(name, key, outgoing, &mut address, &mut watching).await {
                    Ok(()) => return Ok(()),
                    Err(NotYet::Final(error)) => return Err(error),
                    Err(NotYet::SameAddress(error, retry_after)) => (error, retry_after),
                    Err(NotYet::FromTheStart(error, retry_after)) => {
                        address = None;
                        (error, retry_after)
                    }
                };
            failed += 1;
            let Some(wait) = self.transport.next_wait(failed, retry_after) else { return Err(error) };
            tracing::debug!(failed, ?wait, "sending a blob again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_to_upload(
        &self,
        name: &BlobHash,
        key: &Secret,
        outgoing: &Outgoing<'_>,
        address: &mut Option<String>,
        watching: &mut (impl FnMut(u64) + Send),
    ) -> Result<(), NotYet> {
        let size = outgoing.size();
        let to = match address {
            Some(address) => address,
            None => match self.upload_address(name, size).await? {
                Some(found) => address.insert(found),
                None => return Ok(()),
            },
        };
        let sent = Arc::new(AtomicU64::new(0));
        let body = outgoing.body(&sent)?;
        match self.transport.put_elsewhere(to, body, size, &sent, &mut *watching).await {
            Elsewhere::Done(()) => {}
            Elsewhere::NotNow(error, retry_after) => return Err(NotYet::SameAddress(error, retry_after)),
            Elsewhere::Stale(error) => return Err(NotYet::FromTheStart(error, None)),
            Elsewhere::Refused(error) => return Err(refused(error)),
        }
        watching(size);
        self.confirm_with_key(name, size, key).await.map_err(refused)
    }

    /// Where to send a blob of so many bytes; `None` if it is there.
    pub(super) async fn upload_address(&self, name: &BlobHash, size: u64) -> Result<Option<String>> {
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

/// What was uploaded got lost or damaged on the way, or the server wants nothing of it.
fn refused(error: SyncKitError) -> NotYet {
    match error {
        SyncKitError::Server { code: Some(ErrorCode::NotUploaded | ErrorCode::BlobMismatch), .. } => {
            NotYet::FromTheStart(error, None)
        }
        SyncKitError::Server { code: Some(ErrorCode::TooLarge), .. } => {
            NotYet::Final(SyncKitError::BlobTooLarge)
        }
        other => NotYet::Final(other),
    }
}
