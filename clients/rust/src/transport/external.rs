//! Bytes to and from presigned URLs: the server's own, or those of an external blob store.
//!
//! A presigned URL is a permission by itself. It is sent without a token, appears in no error and no log line, and
//! redirects are not followed. A transfer may take hours, so timeouts count from the last byte that moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Body, RequestBuilder, Response, StatusCode, header};
use tokio::time::{Instant, timeout};

use super::answer::{Attempt, network, refusal};
use super::server::{NO_TIMEOUT, Transport};
use crate::SyncKitError;

/// How often the progress of an upload is reported.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Statuses with which a blob store refuses a URL because it has expired or was used, rather than the bytes. 412: the
/// object is another version than before; what comes then is judged by its hash.
const URL_REFUSED: [u16; 7] = [400, 401, 403, 404, 409, 410, 412];

/// The result of one attempt at a presigned URL.
pub(crate) enum ExternalAnswer<T> {
    Done(T),
    /// The URL is no longer good: try another one.
    UrlRefused(SyncKitError),
    /// The store is overloaded, faulty or cannot be reached.
    Retry(SyncKitError, Option<Duration>),
    /// Another attempt would change nothing.
    Refused(SyncKitError),
}

/// A part of an object that is being received.
pub(crate) struct ObjectPart {
    response: Response,
    timeout: Duration,
    /// Bytes at the beginning that were not asked for.
    to_skip: u64,
    /// Bytes of the whole object, if known.
    pub(crate) total: Option<u64>,
    /// Identifies this version of the object.
    pub(crate) etag: Option<header::HeaderValue>,
}

impl ObjectPart {
    /// Returns the next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, SyncKitError> {
        loop {
            let read = timeout(self.timeout, self.response.chunk());
            let Some(mut bytes) = read.await.map_err(|_| stalled())?.map_err(network)? else {
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
    /// Sends a body of this length; `sent` counts the bytes that have left, and `on_sent` is told about them now and
    /// then.
    pub(crate) async fn put_external(
        &self,
        url: &str,
        body: Body,
        length: u64,
        sent: &Arc<AtomicU64>,
        mut on_sent: impl FnMut(u64) + Send,
    ) -> ExternalAnswer<()> {
        let http = match self.http() {
            Ok(http) => http,
            Err(error) => return ExternalAnswer::Refused(error),
        };
        let request = http.put(url).header(header::CONTENT_LENGTH, length).body(body).timeout(NO_TIMEOUT);
        let mut sending = std::pin::pin!(request.send());
        let (mut before, mut moved_at) = (0, Instant::now());
        let answer = loop {
            let answer = timeout(PROGRESS_INTERVAL.min(self.timeout), &mut sending).await;
            let now = sent.load(Ordering::Relaxed);
            if now != before {
                (before, moved_at) = (now, Instant::now());
                on_sent(now);
            }
            match answer {
                Ok(answer) => break answer,
                Err(_) if moved_at.elapsed() >= self.timeout => {
                    return ExternalAnswer::Retry(stalled(), None);
                }
                Err(_) => {}
            }
        };
        match success(answer).await {
            Ok(_) => ExternalAnswer::Done(()),
            Err(failure) => failure,
        }
    }

    /// Requests an object from this byte on, provided that it still has this ETag. `Done(None)`: it has no such byte.
    pub(crate) async fn get_external(
        &self,
        url: &str,
        from: u64,
        etag: Option<&header::HeaderValue>,
    ) -> ExternalAnswer<Option<ObjectPart>> {
        let http = match self.http() {
            Ok(http) => http,
            Err(error) => return ExternalAnswer::Refused(error),
        };
        let mut request = http.get(url).timeout(NO_TIMEOUT);
        if from > 0 {
            request = with_range(request, from, etag);
        }
        let answer = match timeout(self.timeout, request.send()).await {
            Ok(answer) => answer,
            Err(_) => return ExternalAnswer::Retry(stalled(), None),
        };
        if from > 0 && matches!(&answer, Ok(it) if it.status() == StatusCode::RANGE_NOT_SATISFIABLE) {
            return ExternalAnswer::Done(None);
        }
        match success(answer).await {
            Ok(response) => object_part(response, from, self.timeout),
            Err(failure) => failure,
        }
    }
}

fn with_range(request: RequestBuilder, from: u64, etag: Option<&header::HeaderValue>) -> RequestBuilder {
    let request = request.header(header::RANGE, format!("bytes={from}-"));
    match etag {
        Some(etag) => request.header(header::IF_MATCH, etag),
        None => request,
    }
}

/// Takes the rest that was asked for, or everything from a store that does not support ranges.
fn object_part(response: Response, from: u64, timeout: Duration) -> ExternalAnswer<Option<ObjectPart>> {
    let to_skip = if response.status() == StatusCode::PARTIAL_CONTENT {
        if first_byte(&response) != Some(from) {
            let reason = String::from("another part of the blob than was asked for");
            return ExternalAnswer::Refused(SyncKitError::BadAnswer(reason));
        }
        0
    } else {
        from
    };
    let before = from - to_skip;
    let total = response.content_length().map(|length| before + length);
    let etag = response.headers().get(header::ETAG).cloned();
    // A weak ETag does not identify bytes.
    let etag = etag.filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    ExternalAnswer::Done(Some(ObjectPart { response, timeout, to_skip, total, etag }))
}

/// Returns where a part begins, from its `Content-Range: bytes FIRST-LAST/TOTAL`.
fn first_byte(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

async fn success<T>(answer: reqwest::Result<Response>) -> Result<Response, ExternalAnswer<T>> {
    let response = match answer {
        Ok(response) if response.status().is_success() => return Ok(response),
        Ok(response) => response,
        Err(error) if error.is_builder() => return Err(ExternalAnswer::Refused(network(error))),
        Err(error) => return Err(ExternalAnswer::Retry(network(error), None)),
    };
    let status = response.status().as_u16();
    Err(match refusal(response).await {
        Attempt::Retry(error, retry_after) => ExternalAnswer::Retry(error, retry_after),
        Attempt::Refused(error) if URL_REFUSED.contains(&status) => ExternalAnswer::UrlRefused(error),
        Attempt::Refused(error) => ExternalAnswer::Refused(error),
        Attempt::Answered(_) => ExternalAnswer::Retry(stalled(), None),
    })
}

fn stalled() -> SyncKitError {
    SyncKitError::Network("the transfer stalled".into())
}
