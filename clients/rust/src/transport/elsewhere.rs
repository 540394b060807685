//! Bytes to and from addresses that the server has signed: its own, or those of a store elsewhere.
//!
//! Such an address is a permission by itself. It gets no token, is in no error and no log line, and is followed nowhere else. What
//! happens there may take hours, so a time-out counts from the last byte that moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Body, RequestBuilder, Response, StatusCode, header};
use tokio::time::{Instant, timeout};

use super::{ENDLESS, Outcome, Transport, network, refusal};
use crate::SyncKitError;

/// How often somebody who watches is told how far an upload has come.
const TICK: Duration = Duration::from_millis(100);

/// Statuses with which a store refuses an address, as it has expired or was used, rather than the bytes.
const ADDRESS_REFUSED: [u16; 6] = [400, 401, 403, 404, 409, 410];

/// What became of one try.
pub(crate) enum Elsewhere<T> {
    Done(T),
    /// The address is no longer good: another one may do.
    Stale(SyncKitError),
    /// Overloaded, faulty or out of reach.
    NotNow(SyncKitError, Option<Duration>),
    /// Another try would change nothing.
    Refused(SyncKitError),
}

/// A part of an object, as it comes.
pub(crate) struct Part {
    response: Response,
    patience: Duration,
    /// Bytes that come although they were not asked for.
    to_skip: u64,
    /// Bytes of the whole object, where it was told.
    pub(crate) total: Option<u64>,
    /// Names this state of the object.
    pub(crate) etag: Option<header::HeaderValue>,
}

impl Part {
    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, SyncKitError> {
        loop {
            let read = timeout(self.patience, self.response.chunk());
            let Some(mut bytes) = read.await.map_err(|_| silence())?.map_err(network)? else {
                return Ok(None);
            };
            let skipped = self.to_skip.min(bytes.len() as u64);
            self.to_skip -= skipped;
            let bytes = bytes.split_off(usize::try_from(skipped).unwrap_or_default());
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }
}

impl Transport {
    /// Sends a body of so many bytes; `sent` counts what has left. `watching` is told now and then.
    pub(crate) async fn put_elsewhere(
        &self,
        address: &str,
        body: Body,
        length: u64,
        sent: &Arc<AtomicU64>,
        mut watching: impl FnMut(u64) + Send,
    ) -> Elsewhere<()> {
        let http = match &self.http {
            Ok(http) => http,
            Err(reason) => return Elsewhere::Refused(SyncKitError::Network(reason.clone().into())),
        };
        let request = http.put(address).header(header::CONTENT_LENGTH, length).body(body).timeout(ENDLESS);
        let mut sending = std::pin::pin!(request.send());
        let (mut known, mut moved_at) = (0, Instant::now());
        let answer = loop {
            let answer = timeout(TICK.min(self.timeout), &mut sending).await;
            let now = sent.load(Ordering::Relaxed);
            if now != known {
                (known, moved_at) = (now, Instant::now());
                watching(now);
            }
            match answer {
                Ok(answer) => break answer,
                Err(_) if moved_at.elapsed() >= self.timeout => {
                    return Elsewhere::NotNow(silence(), None);
                }
                Err(_) => {}
            }
        };
        match judged(answer).await {
            Ok(_) => Elsewhere::Done(()),
            Err(outcome) => outcome,
        }
    }

    /// Asks for an object from this byte on, if it is still in the state that the tag names. [`None`] inside: it has no such byte.
    pub(crate) async fn get_elsewhere(
        &self,
        address: &str,
        from: u64,
        etag: Option<&header::HeaderValue>,
    ) -> Elsewhere<Option<Part>> {
        let http = match &self.http {
            Ok(http) => http,
            Err(reason) => return Elsewhere::Refused(SyncKitError::Network(reason.clone().into())),
        };
        let mut request = http.get(address).timeout(ENDLESS);
        if from > 0 {
            request = resuming(request, from, etag);
        }
        let answer = match timeout(self.timeout, request.send()).await {
            Ok(answer) => answer,
            Err(_) => return Elsewhere::NotNow(silence(), None),
        };
        if from > 0 && matches!(&answer, Ok(it) if it.status() == StatusCode::RANGE_NOT_SATISFIABLE) {
            return Elsewhere::Done(None);
        }
        match judged(answer).await {
            Ok(response) => part(response, from, self.timeout),
            Err(outcome) => outcome,
        }
    }
}

fn resuming(request: RequestBuilder, from: u64, etag: Option<&header::HeaderValue>) -> RequestBuilder {
    let request = request.header(header::RANGE, format!("bytes={from}-"));
    match etag {
        Some(etag) => request.header(header::IF_MATCH, etag),
        None => request,
    }
}

/// What comes: the rest that was asked for, or everything from a store that knows no ranges.
fn part(response: Response, from: u64, patience: Duration) -> Elsewhere<Option<Part>> {
    let to_skip = if response.status() == StatusCode::PARTIAL_CONTENT {
        if first_byte(&response) != Some(from) {
            let reason = String::from("another part of the blob than was asked for");
            return Elsewhere::Refused(SyncKitError::BadAnswer(reason));
        }
        0
    } else {
        from
    };
    let before = from - to_skip;
    let total = response.content_length().map(|length| before + length);
    let etag = response.headers().get(header::ETAG).cloned();
    // A weak tag names a meaning, not bytes.
    let etag = etag.filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    Elsewhere::Done(Some(Part { response, patience, to_skip, total, etag }))
}

/// Where a part begins, by its `Content-Range: bytes FIRST-LAST/TOTAL`.
fn first_byte(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

async fn judged<T>(answer: reqwest::Result<Response>) -> Result<Response, Elsewhere<T>> {
    let response = match answer {
        Ok(response) if response.status().is_success() => return Ok(response),
        Ok(response) => response,
        Err(error) if error.is_builder() => return Err(Elsewhere::Refused(network(error))),
        Err(error) => return Err(Elsewhere::NotNow(network(error), None)),
    };
    let status = response.status();
    Err(match refusal(response).await {
        Outcome::NotNow(error, retry_after) => Elsewhere::NotNow(error, retry_after),
        Outcome::Refused(error) if ADDRESS_REFUSED.contains(&status.as_u16()) => Elsewhere::Stale(error),
        // The object is in another state than before: what comes now is judged by its hash.
        Outcome::Refused(error) if status == StatusCode::PRECONDITION_FAILED => Elsewhere::Stale(error),
        Outcome::Refused(error) => Elsewhere::Refused(error),
        Outcome::Answered(_) => Elsewhere::NotNow(silence(), None),
    })
}

fn silence() -> SyncKitError {
    SyncKitError::Network("nothing moved for too long".into())
}
