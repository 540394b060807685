//! Extractors for requests: they authenticate the caller, then read a typed body of bounded size.
//!
//! The order matters. actix runs the extractors of a handler concurrently, so one extractor does both, and an
//! unauthenticated client is rejected before any of its body is stored. Bodies without authentication are small;
//! those of sessions share a memory budget.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::State;
use super::api_error::ApiError;
use super::cors;
use super::json;
use super::memory::MemoryPermit;
use crate::error::Fault;
use crate::model::sessions::Caller;

/// How long to wait for the next chunk of a body. There is no limit for the whole body: slow connections are allowed.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// What a handler gets from the body.
pub(super) trait Input: Sized + 'static {
    /// Parses the whole body.
    fn from_body(body: String) -> Result<Self, ApiError>;

    /// Whether the body is read. If not, an empty body needs no content type.
    const READS_BODY: bool = true;
}

impl Input for () {
    const READS_BODY: bool = false;

    fn from_body(_: String) -> Result<Self, ApiError> {
        Ok(())
    }
}

/// JSON that the handler parses itself.
pub(super) struct RawJson(pub(super) String);

impl Input for RawJson {
    fn from_body(body: String) -> Result<Self, ApiError> {
        Ok(Self(body))
    }
}

/// JSON of one type.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> Input for Json<T> {
    fn from_body(body: String) -> Result<Self, ApiError> {
        json::parse(&body).map(Self)
    }
}

/// JSON of one type, or an empty body.
pub(super) struct OptionalJson<T>(pub(super) T);

impl<T: DeserializeOwned + Default + 'static> Input for OptionalJson<T> {
    fn from_body(body: String) -> Result<Self, ApiError> {
        if body.is_empty() { Ok(Self(T::default())) } else { json::parse(&body).map(Self) }
    }
}

/// A request without authentication.
pub(super) struct PublicRequest<B>(pub(super) B);

/// A request with the access token of a live session.
pub(super) struct SessionRequest<B> {
    /// The session.
    pub(super) caller: Arc<Caller>,
    /// When the access token expires, in seconds since 1970.
    pub(super) token_expires_at: i64,
    /// The parsed body.
    pub(super) body: B,
    /// The memory that the body takes, given back when the request has been answered.
    pub(super) _permit: MemoryPermit,
}

impl<B: Input> FromRequest for PublicRequest<B> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let state = state(&request)?;
            let mut permit = state.bodies.permit_for_anonymous();
            read(&request, payload, state.limits.max_open_body_bytes, &mut permit).await.map(Self)
        })
    }
}

impl<B: Input> FromRequest for SessionRequest<B> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (caller, token_expires_at) = caller(&request).await?;
            cors::note_app(&request, caller.app);
            let state = state(&request)?;
            let mut permit = state.bodies.permit_for(caller.log);
            let body = read(&request, payload, state.limits.max_body_bytes, &mut permit).await?;
            Ok(Self { caller, token_expires_at, body, _permit: permit })
        })
    }
}

pub(super) fn state(request: &HttpRequest) -> Result<&web::Data<State>, ApiError> {
    let missing = || ApiError::from(Fault::Internal("no state is configured".into()));
    request.app_data::<web::Data<State>>().ok_or_else(missing)
}

async fn caller(request: &HttpRequest) -> Result<(Arc<Caller>, i64), ApiError> {
    let header = request.headers().get(header::AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok()).ok_or_else(ApiError::unauthenticated)?;
    state(request)?.auth.caller(header).await?.ok_or_else(ApiError::unauthenticated)
}

/// The media type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// Reads the body of a request without authentication, JSON or a form.
///
/// # Errors
/// It is neither of them, too large, or not UTF-8.
pub(super) async fn read_public(request: &HttpRequest, payload: Payload) -> Result<(String, Kind), ApiError> {
    let kind = match request.content_type().to_ascii_lowercase().as_str() {
        "application/json" => Kind::Json,
        "application/x-www-form-urlencoded" => Kind::Form,
        _ => return Err(ApiError::unsupported_media_type()),
    };
    let state = state(request)?;
    let (max, mut permit) = (state.limits.max_open_body_bytes, state.bodies.permit_for_anonymous());
    let body = collect(payload, max, &mut permit).await?;
    let body = String::from_utf8(body).map_err(|_| ApiError::malformed("it is not UTF-8"))?;
    Ok((body, kind))
}

async fn read<B: Input>(
    request: &HttpRequest,
    payload: Payload,
    max: usize,
    permit: &mut MemoryPermit,
) -> Result<B, ApiError> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length: Option<usize> = length.and_then(|length| length.parse().ok());
    let has_body =
        length.map_or_else(|| request.headers().contains_key(header::TRANSFER_ENCODING), |length| length > 0);
    if has_body && !request.content_type().eq_ignore_ascii_case("application/json") {
        return Err(ApiError::unsupported_media_type());
    }
    if !B::READS_BODY {
        return B::from_body(String::new());
    }
    if length.is_some_and(|length| length > max) {
        return Err(ApiError::too_large(max));
    }
    let body = collect(payload, max, permit).await?;
    let body = String::from_utf8(body).map_err(|_| ApiError::malformed("it is not UTF-8"))?;
    if json::has_lone_surrogate(&body) {
        return Err(ApiError::malformed("a \\u escape is half of a surrogate pair"));
    }
    B::from_body(body)
}

/// Collects a body. Memory is reserved as bytes arrive, not when `Content-Length` announces them.
async fn collect(mut payload: Payload, max: usize, permit: &mut MemoryPermit) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    loop {
        let chunk = timeout(CHUNK_TIMEOUT, payload.next()).await;
        let Some(chunk) = chunk.map_err(|_| Fault::Unavailable("a body did not arrive in time"))? else {
            return Ok(body);
        };
        let chunk = chunk.map_err(ApiError::malformed)?;
        if body.len() + chunk.len() > max {
            return Err(ApiError::too_large(max));
        }
        permit.grow_to(body.len() + chunk.len()).await?;
        body.extend_from_slice(&chunk);
    }
}
