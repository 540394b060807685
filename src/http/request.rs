//! Requests as handlers see them: who is calling first, then a body of bounded size and the right type.
//!
//! The order matters. actix reads the extractors of a handler side by side, so one extractor does both: a stranger is turned
//! away before a byte of the body is kept. What strangers may send at all is small, and what callers send is held to a
//! budget that all of them share.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_core::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::State;
use super::json::{self, Object};
use super::refusal::Refusal;
use crate::error::Fault;
use crate::model::sessions::Caller;

/// Bytes of a body that is not counted against the budget.
const SMALL_BODY_BYTES: usize = 64 * 1024;
/// KiB of large bodies that are held at once.
const BUDGET_KIB: usize = 256 * 1024;
/// How long a body may take to arrive, and how long it may wait for a place in the budget.
const ARRIVAL: Duration = Duration::from_secs(60);

/// The memory that large bodies share: many slow clients must not fill what one fast one may use.
pub(super) struct BodyBudget(Semaphore);

impl Default for BodyBudget {
    fn default() -> Self {
        Self(Semaphore::new(BUDGET_KIB))
    }
}

impl BodyBudget {
    async fn take(&self, bytes: usize) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        if bytes <= SMALL_BODY_BYTES {
            return Ok(None);
        }
        let kib = (bytes / 1024).min(BUDGET_KIB) as u32;
        match timeout(ARRIVAL, self.0.acquire_many(kib)).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(Fault::Unavailable("too many large bodies at once").into()),
        }
    }
}

/// What a handler reads from the body.
pub(super) trait Input: Sized + 'static {
    /// Makes it from the whole body.
    fn from_body(body: Bytes) -> Result<Self, Refusal>;

    /// Whether the body is looked at; one that is not needs no content type and is not read.
    const READS_BODY: bool = true;
}

impl Input for () {
    const READS_BODY: bool = false;

    fn from_body(_: Bytes) -> Result<Self, Refusal> {
        Ok(())
    }
}

/// JSON, as it came: the handler parses it.
pub(super) struct RawJson(pub(super) Bytes);

impl Input for RawJson {
    fn from_body(body: Bytes) -> Result<Self, Refusal> {
        Ok(Self(body))
    }
}

/// JSON of one type.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> Input for Json<T> {
    fn from_body(body: Bytes) -> Result<Self, Refusal> {
        let mut input = serde_json::Deserializer::from_slice(&body);
        let Object(value) = serde_path_to_error::deserialize(&mut input).map_err(|error| {
            let path = error.path().to_string();
            json::refuse(&body, &error.into_inner(), &path)
        })?;
        input.end().map_err(Refusal::malformed)?;
        Ok(Self(value))
    }
}

/// A request that anyone may send.
pub(super) struct Open<B>(pub(super) B);

/// A request of a live session.
pub(super) struct Signed<B> {
    /// Who sent it.
    pub(super) caller: Arc<Caller>,
    /// What it says.
    pub(super) body: B,
}

impl<B: Input> FromRequest for Open<B> {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let max = state(&request)?.limits.max_open_body_bytes;
            read(&request, payload, max).await.map(Self)
        })
    }
}

impl<B: Input> FromRequest for Signed<B> {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let caller = caller(&request).await?;
            let max = state(&request)?.limits.max_body_bytes;
            let body = read(&request, payload, max).await?;
            Ok(Self { caller, body })
        })
    }
}

fn state(request: &HttpRequest) -> Result<&web::Data<State>, Refusal> {
    let missing = || Refusal::from(Fault::Internal("the server has no state".into()));
    request.app_data::<web::Data<State>>().ok_or_else(missing)
}

async fn caller(request: &HttpRequest) -> Result<Arc<Caller>, Refusal> {
    let header = request.headers().get(header::AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok()).ok_or_else(Refusal::unauthenticated)?;
    state(request)?.auth.caller(header).await?.ok_or_else(Refusal::unauthenticated)
}

async fn read<B: Input>(request: &HttpRequest, payload: Payload, max: usize) -> Result<B, Refusal> {
    if !B::READS_BODY {
        return B::from_body(Bytes::new());
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(max);
    if length > max {
        return Err(Refusal::too_large(max));
    }
    let _room = state(request)?.bodies.take(length).await?;
    let body = web::Payload::from_request(request, &mut { payload }).await.map_err(Refusal::malformed)?;
    match timeout(ARRIVAL, body.to_bytes_limited(max)).await {
        Err(_) => Err(Refusal::malformed("it took too long to arrive")),
        Ok(Err(_)) => Err(Refusal::too_large(max)),
        Ok(Ok(Err(cut_off))) => Err(Refusal::malformed(cut_off)),
        Ok(Ok(Ok(body))) if !body.is_empty() && !is_json(request) => Err(Refusal::unsupported_media_type()),
        Ok(Ok(Ok(body))) => B::from_body(body),
    }
}

fn is_json(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/json")
}
