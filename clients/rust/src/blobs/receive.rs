//! Sealed bytes on their way from the server: fetched, and fetched on from where a connection broke.
//!
//! While one batch is opened and written on a thread that may block, the next one comes in. What is fetched is judged by the sink,
//! by tags and hashes; what a store says about it (a tag, a length) only makes resuming cheaper.

use std::time::Duration;

use bytes::Bytes;
use tidelog_protocol::{BlobDownloadRequest, BlobDownloadResponse};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::{BATCH_BYTES, BlobProgress, BlobStage};
use crate::blocking::outcome_of;
use crate::formats::BlobHash;
use crate::formats::blob_reader::BlobReader;
use crate::transport::{Elsewhere, Part, Request};
use crate::{Result, SyncKitClient, SyncKitError};

/// Takes sealed bytes in their order, on a thread that may block.
pub(super) trait Sink: Send + 'static {
    fn take(&mut self, sealed: &[u8]) -> Result<()>;
}

/// Where a blob comes from.
pub(super) struct Source {
    name: BlobHash,
    /// `None`: ask for one.
    address: Option<String>,
    etag: Option<reqwest::header::HeaderValue>,
    /// Bytes that have come.
    from: u64,
}

impl Source {
    pub(super) fn at(name: BlobHash, address: &str) -> Self {
        Self { name, address: Some(address.to_owned()), etag: None, from: 0 }
    }
}

impl SyncKitClient {
    /// Where a blob is, and its sealed key.
    pub(super) async fn download_address(&self, name: &BlobHash) -> Result<BlobDownloadResponse> {
        let body = BlobDownloadRequest { hash: name.to_string() };
        self.fetch(&Request::post("/blobs/download", &body)?).await
    }

    /// Hands all bytes of a blob to the sink. Tries that brought nothing count as retries; those that did go on from there.
    pub(super) async fn receive<S: Sink>(
        &self,
        mut source: Source,
        sink: S,
        mut progress: impl FnMut(BlobProgress) + Send,
    ) -> Result<S> {
        let mut inflow = Inflow::into(sink);
        match self.receive_into(&mut inflow, &mut source, &mut progress).await {
            Ok(()) => {
                let sink = inflow.finish().await?;
                progress(receiving(source.from, Some(source.from)));
                Ok(sink)
            }
            Err(error) => {
                // What a sink leaves behind is gone before anybody hears of the error.
                let _ = inflow.settle().await;
                Err(error)
            }
        }
    }

    async fn receive_into<S: Sink>(
        &self,
        inflow: &mut Inflow<S>,
        source: &mut Source,
        progress: &mut (impl FnMut(BlobProgress) + Send),
    ) -> Result<()> {
        let mut failed = 0;
        loop {
            let before = source.from;
            let (error, retry_after) = match self.open_part(source).await? {
                Opened::Part(part) => match inflow.pour(source, part, progress).await? {
                    None => return Ok(()),
                    Some(broken) => (broken, None),
                },
                Opened::Nothing => return Ok(()),
                Opened::NotNow(error, retry_after) => (error, retry_after),
            };
            failed = if source.from > before { 1 } else { failed + 1 };
            let Some(wait) = self.transport.next_wait(failed, retry_after) else { return Err(error) };
            tracing::debug!(failed, from = source.from, ?wait, "receiving a blob again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn open_part(&self, source: &mut Source) -> Result<Opened> {
        let address = match &source.address {
            Some(address) => address.clone(),
            None => self.download_address(&source.name).await?.download_url,
        };
        let address = source.address.insert(address);
        match self.transport.get_elsewhere(address, source.from, source.etag.as_ref()).await {
            Elsewhere::Done(Some(part)) => Ok(Opened::Part(part)),
            Elsewhere::Done(None) => Ok(Opened::Nothing),
            Elsewhere::NotNow(error, retry_after) => Ok(Opened::NotNow(error, retry_after)),
            Elsewhere::Stale(error) => {
                (source.address, source.etag) = (None, None);
                Ok(Opened::NotNow(error, None))
            }
            Elsewhere::Refused(error) => Err(error),
        }
    }
}

fn receiving(done: u64, total: Option<u64>) -> BlobProgress {
    BlobProgress { stage: BlobStage::Receiving, done, total: total.unwrap_or(done) }
}

/// What asking for the rest of a blob gave.
enum Opened {
    Part(Part),
    /// There is no rest.
    Nothing,
    NotNow(SyncKitError, Option<Duration>),
}

/// A sink that has taken a batch, and what the batch was in, empty.
type Taken<S> = (S, Vec<u8>);

/// Batches on their way into a sink.
struct Inflow<S> {
    /// The sink, while it takes nothing.
    idle: Option<S>,
    /// It takes a batch.
    busy: Option<JoinHandle<Result<Taken<S>>>>,
    batch: Vec<u8>,
    spare: Vec<u8>,
}

impl<S: Sink> Inflow<S> {
    fn into(sink: S) -> Self {
        Self {
            idle: Some(sink),
            busy: None,
            batch: Vec::with_capacity(BATCH_BYTES),
            spare: Vec::with_capacity(BATCH_BYTES),
        }
    }

    /// Takes a part to its end; gives the error with which it broke off.
    async fn pour(
        &mut self,
        source: &mut Source,
        mut part: Part,
        progress: &mut (impl FnMut(BlobProgress) + Send),
    ) -> Result<Option<SyncKitError>> {
        source.etag = part.etag.take();
        loop {
            let mut bytes: Bytes = match part.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Ok(None),
                Err(broken) => return Ok(Some(broken)),
            };
            source.from += bytes.len() as u64;
            while !bytes.is_empty() {
                // No batch grows: the network may bring more at once than fits.
                let next = bytes.split_to(bytes.len().min(BATCH_BYTES - self.batch.len()));
                self.batch.extend_from_slice(&next);
                if self.batch.len() == BATCH_BYTES {
                    self.hand_over().await?;
                    progress(receiving(source.from, part.total));
                }
            }
        }
    }

    /// Lets the sink take the batch, once it has taken the one before.
    async fn hand_over(&mut self) -> Result<()> {
        self.settle().await?;
        let Some(mut sink) = self.idle.take() else { return Err(SyncKitError::ShuttingDown) };
        let mut batch = std::mem::replace(&mut self.batch, std::mem::take(&mut self.spare));
        self.busy = Some(tokio::task::spawn_blocking(move || {
            sink.take(&batch)?;
            batch.clear();
            Ok((sink, batch))
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        if let Some(busy) = self.busy.take() {
            let (sink, spare) = outcome_of(busy).await?;
            (self.idle, self.spare) = (Some(sink), spare);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<S> {
        self.hand_over().await?;
        self.settle().await?;
        self.idle.ok_or(SyncKitError::ShuttingDown)
    }
}

/// A file that is opened into memory.
pub(super) struct InMemory {
    reader: BlobReader,
    opened: Zeroizing<Vec<u8>>,
}

impl InMemory {
    pub(super) fn new(reader: BlobReader) -> Self {
        Self { reader, opened: Zeroizing::default() }
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.reader.finish(&mut self.opened)?;
        Ok(std::mem::take(&mut *self.opened))
    }
}

impl Sink for InMemory {
    fn take(&mut self, sealed: &[u8]) -> Result<()> {
        Ok(self.reader.push(sealed, &mut self.opened)?)
    }
}
