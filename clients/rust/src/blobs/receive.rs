//! Receiving the sealed bytes of a blob, and resuming where a connection broke.
//!
//! While one batch is opened and written on a thread that may block, the next one is received. Whether the bytes are
//! right is for the sink to decide, by authentication tags and hashes; what the blob store says about them (an ETag,
//! a length) only makes resuming cheaper.

use std::time::Duration;

use bytes::Bytes;
use tidelog_protocol::{BlobDownloadRequest, BlobDownloadResponse};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::{BATCH_BYTES, BlobProgress, BlobStage};
use crate::blocking::outcome_of;
use crate::formats::BlobHash;
use crate::formats::blob_reader::BlobReader;
use crate::transport::{ExternalAnswer, ObjectPart, Request};
use crate::{Result, SyncKitClient, SyncKitError};

/// Takes sealed bytes in their order, on a thread that may block.
pub(super) trait BlobSink: Send + 'static {
    fn push(&mut self, sealed: &[u8]) -> Result<()>;
}

/// Where a blob comes from, and how much of it has come.
pub(super) struct BlobSource {
    name: BlobHash,
    /// `None`: ask the server for one.
    url: Option<String>,
    etag: Option<reqwest::header::HeaderValue>,
    received: u64,
}

impl BlobSource {
    pub(super) fn new(name: BlobHash, url: &str) -> Self {
        Self { name, url: Some(url.to_owned()), etag: None, received: 0 }
    }
}

impl SyncKitClient {
    /// Asks the server for a blob's presigned URL and wrapped key.
    pub(super) async fn download_url(&self, name: &BlobHash) -> Result<BlobDownloadResponse> {
        let body = BlobDownloadRequest { hash: name.to_string() };
        self.fetch(&Request::post("/blobs/download", &body)?).await
    }

    /// Pushes all bytes of a blob into the sink. Only attempts that brought nothing count as retries.
    pub(super) async fn receive<S: BlobSink>(
        &self,
        mut source: BlobSource,
        sink: S,
        mut progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<S> {
        let mut pipeline = SinkPipeline::new(sink);
        match self.receive_into(&mut pipeline, &mut source, &mut progress).await {
            Ok(()) => {
                let sink = pipeline.finish().await?;
                progress(receiving(source.received, Some(source.received)));
                Ok(sink)
            }
            Err(error) => {
                // The sink's files are removed before the caller learns of the error.
                let _ = pipeline.wait_until_idle().await;
                Err(error)
            }
        }
    }

    async fn receive_into<S: BlobSink>(
        &self,
        pipeline: &mut SinkPipeline<S>,
        source: &mut BlobSource,
        progress: &mut (impl FnMut(BlobProgress) + Send),
    ) -> Result<()> {
        let mut failed = 0;
        loop {
            let before = source.received;
            let (error, retry_after) = match self.next_part(source).await? {
                NextPart::Part(part) => match pipeline.read_part(source, part, progress).await? {
                    None => return Ok(()),
                    Some(broken) => (broken, None),
                },
                NextPart::End => return Ok(()),
                NextPart::Retry(error, retry_after) => (error, retry_after),
            };
            failed = if source.received > before { 1 } else { failed + 1 };
            let Some(wait) = self.transport.next_wait(failed, retry_after) else { return Err(error) };
            tracing::debug!(failed, received = source.received, ?wait, "resuming the download of a blob");
            tokio::time::sleep(wait).await;
        }
    }

    async fn next_part(&self, source: &mut BlobSource) -> Result<NextPart> {
        let url = match &source.url {
            Some(url) => url.clone(),
            None => self.download_url(&source.name).await?.download_url,
        };
        let url = source.url.insert(url);
        match self.transport.get_external(url, source.received, source.etag.as_ref()).await {
            ExternalAnswer::Done(Some(part)) => Ok(NextPart::Part(part)),
            ExternalAnswer::Done(None) => Ok(NextPart::End),
            ExternalAnswer::Retry(error, retry_after) => Ok(NextPart::Retry(error, retry_after)),
            ExternalAnswer::UrlRefused(error) => {
                (source.url, source.etag) = (None, None);
                Ok(NextPart::Retry(error, None))
            }
            ExternalAnswer::Refused(error) => Err(error),
        }
    }
}

fn receiving(done: u64, total: Option<u64>) -> BlobProgress {
    BlobProgress { stage: BlobStage::Receiving, done, total: total.unwrap_or(done) }
}

/// The answer to a request for the rest of a blob.
enum NextPart {
    Part(ObjectPart),
    /// Everything has come.
    End,
    Retry(SyncKitError, Option<Duration>),
}

/// A sink at work on a batch.
type SinkTask<S> = JoinHandle<Result<(S, Vec<u8>)>>;

/// Collects batches, and lets the sink work on one while the next one is received.
struct SinkPipeline<S> {
    /// The sink, while it has no work.
    idle: Option<S>,
    /// The sink at work. It comes back with the emptied buffer of its batch.
    busy: Option<SinkTask<S>>,
    batch: Vec<u8>,
    spare: Vec<u8>,
}

impl<S: BlobSink> SinkPipeline<S> {
    fn new(sink: S) -> Self {
        Self {
            idle: Some(sink),
            busy: None,
            batch: Vec::with_capacity(BATCH_BYTES),
            spare: Vec::with_capacity(BATCH_BYTES),
        }
    }

    /// Reads a part to its end, or returns the error with which the connection broke.
    async fn read_part(
        &mut self,
        source: &mut BlobSource,
        mut part: ObjectPart,
        progress: &mut (impl FnMut(BlobProgress) + Send),
    ) -> Result<Option<SyncKitError>> {
        source.etag = part.etag.take();
        loop {
            let mut bytes: Bytes = match part.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Ok(None),
                Err(broken) => return Ok(Some(broken)),
            };
            source.received += bytes.len() as u64;
            while !bytes.is_empty() {
                // The network may bring more at once than fits; the buffer must not grow.
                let next = bytes.split_to(bytes.len().min(BATCH_BYTES - self.batch.len()));
                self.batch.extend_from_slice(&next);
                if self.batch.len() == BATCH_BYTES {
                    self.flush().await?;
                    progress(receiving(source.received, part.total));
                }
            }
        }
    }

    /// Hands the batch to the sink once it has finished the one before.
    async fn flush(&mut self) -> Result<()> {
        self.wait_until_idle().await?;
        let Some(mut sink) = self.idle.take() else { return Err(SyncKitError::ShuttingDown) };
        let mut batch = std::mem::replace(&mut self.batch, std::mem::take(&mut self.spare));
        self.busy = Some(tokio::task::spawn_blocking(move || {
            sink.push(&batch)?;
            batch.clear();
            Ok((sink, batch))
        }));
        Ok(())
    }

    async fn wait_until_idle(&mut self) -> Result<()> {
        if let Some(busy) = self.busy.take() {
            let (sink, spare) = outcome_of(busy).await?;
            (self.idle, self.spare) = (Some(sink), spare);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<S> {
        self.flush().await?;
        self.wait_until_idle().await?;
        self.idle.ok_or(SyncKitError::ShuttingDown)
    }
}

/// Opens a blob into memory.
pub(super) struct MemorySink {
    reader: BlobReader,
    opened: Zeroizing<Vec<u8>>,
}

impl MemorySink {
    pub(super) fn new(reader: BlobReader) -> Self {
        Self { reader, opened: Zeroizing::default() }
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.reader.finish(&mut self.opened)?;
        Ok(std::mem::take(&mut *self.opened))
    }
}

impl BlobSink for MemorySink {
    fn push(&mut self, sealed: &[u8]) -> Result<()> {
        Ok(self.reader.push(sealed, &mut self.opened)?)
    }
}
