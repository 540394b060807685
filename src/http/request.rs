//! Requests as handlers see them: who is calling first, then a body of bounded size and the right type.
//!
//! The order matters. actix reads the extractors of a handler side by side, so one extractor does both: a stranger is turned
//! away before a byte of the body is kept.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_core::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::State;
use super::refusal::Refusal;
use crate::model::sessions::Caller;

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
        let value = serde_path_to_error::deserialize(&mut input).map_err(|error| {
            let path = error.path().to_string();
            refuse_json(&body, &error.into_inner(), &path)
        })?;
        input.end().map_err(Refusal::malformed)?;
        Ok(Self(value))
    }
}

/// What is wrong with a body: not JSON at all, or JSON with a wrong field at `path`.
pub(super) fn refuse_json(body: &[u8], error: &serde_json::Error, path: &str) -> Refusal {
    // The parser stops at the first wrong type; what follows it may still not be JSON.
    if let Err(malformed) = serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        return Refusal::malformed(malformed);
    }
    let reason = error.to_string();
    // Of a missing field, the path is that of what should hold it.
    let missing = reason.split('`').nth(1).filter(|_| reason.starts_with("missing field"));
    if let Some(name) = missing {
        return Refusal::invalid_field(name, "it is missing");
    }
    if path == "." || path.starts_with('[') {
        return Refusal::invalid_field("body", "it must be a JSON object");
    }
    Refusal::invalid_field(path, reason.split(" at line ").next().unwrap_or_default())
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
        Box::pin(async move { read(&request, payload).await.map(Self) })
    }
}

impl<B: Input> FromRequest for Signed<B> {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let caller = caller(&request).await?;
            let body = read(&request, payload).await?;
            Ok(Self { caller, body })
        })
    }
}

fn state(request: &HttpRequest) -> Result<&web::Data<State>, Refusal> {
    let missing = || Refusal::from(crate::error::Fault::Internal("the server has no state".into()));
    request.app_data::<web::Data<State>>().ok_or_else(missing)
}

async fn caller(request: &HttpRequest) -> Result<Arc<Caller>, Refusal> {
    let header = request.headers().get(header::AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok()).ok_or_else(Refusal::unauthenticated)?;
    state(request)?.auth.caller(header).await?.ok_or_else(Refusal::unauthenticated)
}

async fn read<B: Input>(request: &HttpRequest, payload: Payload) -> Result<B, Refusal> {
    if !B::READS_BODY {
        return B::from_body(Bytes::new());
    }
    let max = state(request)?.limits.max_body_bytes;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > max) {
        return Err(Refusal::too_large(max));
    }
    let body = web::Payload::from_request(request, &mut { payload }).await.map_err(Refusal::malformed)?;
    match body.to_bytes_limited(max).await {
        Err(_) => Err(Refusal::too_large(max)),
        Ok(Err(cut_off)) => Err(Refusal::malformed(cut_off)),
        Ok(Ok(body)) if !body.is_empty() && !is_json(request) => Err(Refusal::unsupported_media_type()),
        Ok(Ok(body)) => B::from_body(body),
    }
}

fn is_json(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/json")
}
