//! One pooled HTTP client for the sync API of one server.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Response, header};
use serde::de::DeserializeOwned;
use tidelog_protocol::SYNC_PREFIX;

use super::answer::{Attempt, body_of, network, refusal};
use super::request::{Request, from_json};
use crate::retry::RetryPolicy;
use crate::{Result, SyncKitError};

/// Time to connect to the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a whole exchange unless the program sets another.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for an answer that has no end.
pub(super) const NO_TIMEOUT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Bytes of an answer that are read: far beyond a full page, far below a phone's memory.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The connection to one server.
pub(crate) struct Transport {
    http: Result<reqwest::Client, String>,
    /// The server's URL.
    root_url: String,
    /// The URL of its sync routes.
    sync_url: String,
    pub(super) timeout: Duration,
    retry: RetryPolicy,
    /// Microseconds by which the server's clock is ahead of this machine's, according to its last answer.
    server_ahead: AtomicI64,
}

impl Transport {
    /// Never fails: whatever is wrong with the URL or the TLS set-up is the error of the first request.
    pub(crate) fn new(server_url: &str, timeout: Duration, retry: RetryPolicy) -> Self {
        let http = reqwest::Client::builder()
            .user_agent(concat!("tidelog-client/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            // A sync server never redirects, and following a redirect could carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string());
        let root_url = server_url.trim_end_matches('/').to_owned();
        let sync_url = format!("{root_url}{SYNC_PREFIX}");
        Self { http, root_url, sync_url, timeout, retry, server_ahead: AtomicI64::new(0) }
    }

    pub(super) fn http(&self) -> Result<&reqwest::Client> {
        self.http.as_ref().map_err(|reason| SyncKitError::Network(reason.clone().into()))
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

    /// Sends a request and parses the answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        request: &Request,
        token: Option<&str>,
    ) -> Result<T> {
        from_json(&self.send(request, token).await?)
    }

    /// Sends a request until there is an answer that another attempt would not change, and returns its body.
    pub(crate) async fn send(&self, request: &Request, token: Option<&str>) -> Result<Vec<u8>> {
        let mut failed = 0;
        loop {
            let (error, retry_after) = match self.send_once(request, token).await {
                Attempt::Answered(body) => return Ok(body),
                Attempt::Refused(error) => return Err(error),
                Attempt::Retry(error, retry_after) => (error, retry_after),
            };
            failed += 1;
            let Some(wait) = self.retry.next_wait(failed, retry_after) else { return Err(error) };
            tracing::debug!(method = %request.method, path = %request.path, failed, ?wait, "retrying");
            tokio::time::sleep(wait).await;
        }
    }

    /// Opens an event stream, in one attempt.
    pub(crate) async fn stream(&self, path: &str, token: &str) -> Result<StreamAnswer> {
        let request = self.http()?.get(format!("{}{path}", self.sync_url)).bearer_auth(token);
        let request = request.header(header::ACCEPT, "text/event-stream").timeout(NO_TIMEOUT);
        // reqwest's timeout covers the body as well; here it must cover the head only.
        let response = match tokio::time::timeout(self.timeout, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(network(error)),
            Err(_) => return Ok(StreamAnswer::TimedOut),
        };
        self.note_time(&response);
        if response.status().is_success() {
            return Ok(StreamAnswer::Open(response));
        }
        match refusal(response).await {
            Attempt::Retry(_, retry_after) => Ok(StreamAnswer::Retry(retry_after)),
            Attempt::Refused(error) => Err(error),
            Attempt::Answered(_) => Ok(StreamAnswer::Retry(None)),
        }
    }

    /// Returns the wait before the next attempt; `None` to give up. `failed` counts the attempts so far, from 1.
    pub(crate) fn next_wait(&self, failed: u32, retry_after: Option<Duration>) -> Option<Duration> {
        self.retry.next_wait(failed, retry_after)
    }

    /// Returns the upper bound of the first wait between attempts.
    pub(crate) fn first_wait(&self) -> Duration {
        self.retry.first_wait
    }

    async fn send_once(&self, request: &Request, token: Option<&str>) -> Attempt {
        let http = match self.http() {
            Ok(http) => http,
            Err(error) => return Attempt::Refused(error),
        };
        let base_url = if request.at_root { &self.root_url } else { &self.sync_url };
        let mut outgoing = http.request(request.method.clone(), format!("{base_url}{}", request.path));
        if let Some(token) = token {
            outgoing = outgoing.bearer_auth(token);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = match outgoing.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Attempt::Refused(network(error)),
            Err(error) => return Attempt::Retry(network(error), None),
        };
        self.note_time(&response);
        if !response.status().is_success() {
            return refusal(response).await;
        }
        match body_of(response, MAX_ANSWER_BYTES).await {
            Ok(Some(body)) => Attempt::Answered(body),
            Ok(None) => Attempt::Refused(SyncKitError::BadAnswer(String::from("it is too large"))),
            Err(error) => Attempt::Retry(network(error), None),
        }
    }
}

/// The answer to a request for an event stream.
pub(crate) enum StreamAnswer {
    /// Nothing of its body was read yet.
    Open(Response),
    /// Another attempt may succeed later.
    Retry(Option<Duration>),
    /// The connection was made, but no answer came through it in time.
    TimedOut,
}
