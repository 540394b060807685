//! One pooled HTTP client: sends a request until it is answered or not worth another try, and gives errors their types.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::{Method, Response, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidelog_protocol::{ErrorBody, SYNC_PREFIX};

mod elsewhere;

pub(crate) use elsewhere::{Elsewhere, Part};

use crate::retry::{RetryPolicy, is_temporary, parse_retry_after};
use crate::{Result, SyncKitError};

/// Time to reach the server at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a whole exchange unless the program sets another.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for an answer that has no end.
const ENDLESS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Bytes of an answer that are read: far beyond a full page, far below a phone's memory.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of an error's body that are read: enough for the faults of a full push.
const MAX_ERROR_BYTES: usize = 1024 * 1024;

/// A request as it goes out, the same on every try.
#[derive(Clone)]
pub(crate) struct Request {
    method: Method,
    path: String,
    body: Option<Bytes>,
    /// Below the server's URL itself, not below the sync routes.
    at_root: bool,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), body: None, at_root: false }
    }

    pub(crate) fn delete(path: String) -> Self {
        Self { method: Method::DELETE, path, body: None, at_root: false }
    }

    /// A `POST` without a body.
    pub(crate) fn post_nothing(path: &str) -> Self {
        Self { method: Method::POST, path: path.to_owned(), body: None, at_root: false }
    }

    pub(crate) fn post(path: &str, body: &impl Serialize) -> Result<Self> {
        Ok(Self::post_bytes(path, to_json(body)?))
    }

    /// A `POST` of JSON that was written before.
    pub(crate) fn post_bytes(path: &str, json: Bytes) -> Self {
        Self { method: Method::POST, path: path.to_owned(), body: Some(json), at_root: false }
    }

    pub(crate) fn put(path: &str, body: &impl Serialize) -> Result<Self> {
        Ok(Self { method: Method::PUT, path: path.to_owned(), body: Some(to_json(body)?), at_root: false })
    }

    /// The same, below the server's URL itself.
    pub(crate) fn at_root(self) -> Self {
        Self { at_root: true, ..self }
    }
}

pub(crate) fn to_json(body: &impl Serialize) -> Result<Bytes> {
    serde_json::to_vec(body).map(Bytes::from).map_err(SyncKitError::NotJson)
}

/// Reads an answer. serde's own messages may quote what they found, so only kind and place are told.
pub(crate) fn from_json<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        SyncKitError::BadAnswer(format!(
            "{:?} at line {}, column {}",
            error.classify(),
            error.line(),
            error.column()
        ))
    })
}

/// The way to one server.
pub(crate) struct Transport {
    http: Result<reqwest::Client, String>,
    /// The server's URL.
    root: String,
    /// That of its sync routes.
    base: String,
    timeout: Duration,
    retry: RetryPolicy,
    /// Microseconds by which the server's clock is ahead of this machine's, by its last answer.
    server_ahead: AtomicI64,
}

impl Transport {
    /// Never fails: what is wrong with the URL or the TLS set-up is told by the first request.
    pub(crate) fn new(server_url: &str, timeout: Duration, retry: RetryPolicy) -> Self {
        let http = reqwest::Client::builder()
            .user_agent(concat!("tidelog-client/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            // A sync server never redirects; following one could carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string());
        let root = server_url.trim_end_matches('/').to_owned();
        let base = format!("{root}{SYNC_PREFIX}");
        Self { http, root, base, timeout, retry, server_ahead: AtomicI64::new(0) }
    }

    /// Microseconds by which the server's clock is ahead of this machine's, to about a second.
    #[cfg(feature = "sqlite")]
    pub(crate) fn server_ahead(&self) -> i64 {
        self.server_ahead.load(Ordering::Relaxed)
    }

    fn note_time(&self, response: &Response) {
        let date = response.headers().get(header::DATE).and_then(|value| value.to_str().ok());
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            let ahead = (date.to_utc() - Utc::now()).num_microseconds().unwrap_or_default();
            self.server_ahead.store(ahead, Ordering::Relaxed);
        }
    }

    /// Sends and reads the answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        request: &Request,
        token: Option<&str>,
    ) -> Result<T> {
        from_json(&self.send(request, token).await?)
    }

    /// Sends until there is an answer that another try would not change, and gives its body.
    pub(crate) async fn send(&self, request: &Request, token: Option<&str>) -> Result<Vec<u8>> {
        let mut failed = 0;
        loop {
            let (error, retry_after) = match self.send_once(request, token).await {
                Outcome::Answered(body) => return Ok(body),
                Outcome::Refused(error) => return Err(error),
                Outcome::NotNow(error, retry_after) => (error, retry_after),
            };
            failed += 1;
            let Some(wait) = self.retry.next_wait(failed, retry_after) else { return Err(error) };
            tracing::debug!(method = %request.method, path = %request.path, failed, ?wait, "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks once for an answer that may never end.
    pub(crate) async fn stream(&self, path: &str, token: &str) -> Result<Streaming> {
        let http = self.http.as_ref().map_err(|reason| SyncKitError::Network(reason.clone().into()))?;
        let request = http.get(format!("{}{path}", self.base)).bearer_auth(token);
        let request = request.header(header::ACCEPT, "text/event-stream").timeout(ENDLESS);
        // The time-out of the client covers the body, too; here it is for the head alone.
        let response = match tokio::time::timeout(self.timeout, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(network(error)),
            Err(_) => return Ok(Streaming::HeldBack),
        };
        self.note_time(&response);
        if response.status().is_success() {
            return Ok(Streaming::Open(response));
        }
        match refusal(response).await {
            Outcome::NotNow(_, retry_after) => Ok(Streaming::Refused(retry_after)),
            Outcome::Refused(error) => Err(error),
            Outcome::Answered(_) => Ok(Streaming::Refused(None)),
        }
    }

    /// The wait before the next try, `None` to give up. `failed` counts the tries so far, from 1.
    pub(crate) fn next_wait(&self, failed: u32, retry_after: Option<Duration>) -> Option<Duration> {
        self.retry.next_wait(failed, retry_after)
    }

    /// Bound of the first wait before something is tried again.
    pub(crate) fn first_wait(&self) -> Duration {
        self.retry.first_wait
    }

    async fn send_once(&self, request: &Request, token: Option<&str>) -> Outcome {
        let http = match &self.http {
            Ok(http) => http,
            Err(reason) => return Outcome::Refused(SyncKitError::Network(reason.clone().into())),
        };
        let below = if request.at_root { &self.root } else { &self.base };
        let mut outgoing = http.request(request.method.clone(), format!("{below}{}", request.path));
        if let Some(token) = token {
            outgoing = outgoing.bearer_auth(token);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let answer = outgoing.send().await;
        if let Ok(response) = &answer {
            self.note_time(response);
        }
        match answer {
            Ok(response) if response.status().is_success() => match body_of(response, MAX_ANSWER_BYTES).await
            {
                Ok(Some(body)) => Outcome::Answered(body),
                Ok(None) => Outcome::Refused(SyncKitError::BadAnswer(String::from("it is too large"))),
                Err(error) => Outcome::NotNow(network(error), None),
            },
            Ok(response) => refusal(response).await,
            Err(error) if error.is_builder() => Outcome::Refused(network(error)),
            Err(error) => Outcome::NotNow(network(error), None),
        }
    }
}

/// An answer that is read as it comes.
pub(crate) enum Streaming {
    /// Nothing of it was read yet.
    Open(Response),
    /// Another try later may do.
    Refused(Option<Duration>),
    /// There is a connection, and no answer came through it in time.
    HeldBack,
}

/// What became of one try.
enum Outcome {
    Answered(Vec<u8>),
    /// Another try would change nothing.
    Refused(SyncKitError),
    /// Overloaded, faulty or out of reach.
    NotNow(SyncKitError, Option<Duration>),
}

async fn refusal(response: Response) -> Outcome {
    let status = response.status().as_u16();
    let header = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = parse_retry_after(header);
    // A body that breaks off or never ends still has its status.
    let body = body_of(response, MAX_ERROR_BYTES).await.ok().flatten().unwrap_or_default();
    let error =
        SyncKitError::from_answer(status, serde_json::from_slice::<ErrorBody>(&body).ok(), retry_after);
    let is_final = !is_temporary(status) || matches!(error, SyncKitError::NoBlobs);
    if is_final { Outcome::Refused(error) } else { Outcome::NotNow(error, retry_after) }
}

/// The whole body, `None` if it is larger than `limit` bytes.
async fn body_of(mut response: Response, limit: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn network(error: reqwest::Error) -> SyncKitError {
    SyncKitError::Network(error.without_url().into())
}
