//! What the API answers when it refuses a request or fails: a status, a machine-readable code, a message for people,
//! and details that depend on the code.

mod blobs;
mod sign_in;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use tidelog_protocol::{ChangeFault, Cursor, ErrorBody, ErrorCode};

use crate::auth::attempts::TooManyAttempts;
use crate::error::Fault;

/// Seconds after which a client may ask a busy server again.
const BUSY_RETRY_SECONDS: u64 = 1;

/// Seconds after which a client may try to open a stream again: others have to end first.
const STREAM_RETRY_SECONDS: u64 = 15;

/// The answer to a refused or failed request.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
    headers: HeaderMap,
}

impl ApiError {
    fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, body: Box::new(ErrorBody::new(code, message)), headers: HeaderMap::new() }
    }

    /// The message for people.
    pub(super) fn message(&self) -> &str {
        &self.body.error
    }

    /// Headers that go with it, such as `Retry-After`.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn with(mut self, change: impl FnOnce(&mut ErrorBody)) -> Self {
        change(&mut self.body);
        self
    }

    fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    pub(super) fn malformed(reason: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::MalformedRequest,
            format!("The request body is not valid JSON: {reason}."),
        )
    }

    pub(super) fn unknown_host() -> Self {
        let message = "This server does not serve that host name. Its operator can add the name to public_url or hosts.";
        Self::new(StatusCode::MISDIRECTED_REQUEST, ErrorCode::UnknownHost, message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, "Not found.")
    }

    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        let message = format!("Method not allowed. Use {allowed}.");
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, message);
        match HeaderValue::from_str(allowed) {
            Ok(allowed) => error.with_header(header::ALLOW, allowed),
            Err(_) => error,
        }
    }

    pub(super) fn too_large(max_bytes: usize) -> Self {
        let message = format!("The request body is larger than {max_bytes} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let message = "The request body has an unsupported Content-Type.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::UnsupportedMediaType, message)
    }

    pub(super) fn invalid_field(field: impl Into<String>, reason: impl fmt::Display) -> Self {
        let field = field.into();
        let message = format!("Invalid value for {field}: {reason}.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidField, message)
            .with(|body| body.field = Some(field))
    }

    pub(super) fn invalid_changes(changes: Vec<ChangeFault>) -> Self {
        let message = format!("The push was rejected: {} of its changes are invalid.", changes.len());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidChange, message)
            .with(|body| body.changes = changes)
    }

    pub(super) fn too_many_changes(max: usize) -> Self {
        let message = format!("A push can contain at most {max} changes.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::TooManyChanges, message)
            .with(|body| body.field = Some("changes".into()))
    }

    pub(super) fn invalid_entries(entries: Vec<ChangeFault>) -> Self {
        let message = format!("The batch was rejected: {} of its entries are invalid.", entries.len());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidChange, message)
            .with(|body| body.changes = entries)
    }

    pub(super) fn too_many_entries(max: usize) -> Self {
        let message = format!("A batch can contain at most {max} entries.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::TooManyChanges, message)
            .with(|body| body.field = Some("entries".into()))
    }

    pub(super) fn too_many_blobs(max: usize) -> Self {
        let message = format!("A batch can contain at most {max} blobs.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::TooManyChanges, message)
            .with(|body| body.field = Some("blobs".into()))
    }

    pub(super) fn batch_id_reused(first: Cursor) -> Self {
        let message = "This batch_id was already used for different changes.";
        Self::new(StatusCode::CONFLICT, ErrorCode::BatchIdReused, message)
            .with(|body| body.cursor = Some(first))
    }

    pub(super) fn log_moved() -> Self {
        let message = "The log has entries beyond the expected cursor. Pull, merge and push again.";
        Self::new(StatusCode::CONFLICT, ErrorCode::LogMoved, message)
    }

    pub(super) fn log_rewound(resume_from: Cursor) -> Self {
        let message = "The cursor belongs to a history that the server has lost. Continue from resume_from, and push again \
                       what you wrote since then.";
        Self::new(StatusCode::CONFLICT, ErrorCode::LogRewound, message)
            .with(|body| body.resume_from = Some(resume_from))
    }

    pub(super) fn key_version_conflict(key_version: u32, revision: Option<u64>) -> Self {
        let message = "The key has changed. Fetch it and try again with its current version.";
        Self::new(StatusCode::CONFLICT, ErrorCode::KeyVersionConflict, message).with(|body| {
            body.key_version = Some(key_version);
            body.revision = revision;
        })
    }

    pub(super) fn no_rotation() -> Self {
        let message = "No key rotation is in progress.";
        Self::new(StatusCode::CONFLICT, ErrorCode::NoRotation, message)
    }

    pub(super) fn rotation_in_progress() -> Self {
        let message = "Another key rotation is in progress. Complete or cancel it first.";
        Self::new(StatusCode::CONFLICT, ErrorCode::RotationInProgress, message)
    }

    pub(super) fn rotation_incomplete(remaining: u64) -> Self {
        let message =
            format!("{remaining} entries or blob keys have not been re-encrypted under the new key yet.");
        Self::new(StatusCode::CONFLICT, ErrorCode::RotationIncomplete, message)
            .with(|body| body.remaining = Some(remaining))
    }

    pub(super) fn rotation_started() -> Self {
        let message = "Entries have already been re-encrypted under the new key, so the rotation can only be completed.";
        Self::new(StatusCode::CONFLICT, ErrorCode::RotationStarted, message)
    }

    pub(super) fn rate_limited(exceeded: TooManyAttempts) -> Self {
        let message = format!("Too many attempts. Try again in {} seconds.", exceeded.retry_after);
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, message)
            .with_header(header::RETRY_AFTER, exceeded.retry_after)
            .with_header(RATE_LIMIT, exceeded.limit)
            .with_header(RATE_REMAINING, 0)
    }

    pub(super) fn too_many_streams(max: usize) -> Self {
        let message = format!("This user already has {max} event streams open in this app. Close one first.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, message)
            .with_header(header::RETRY_AFTER, STREAM_RETRY_SECONDS)
            .with_header(RATE_LIMIT, max)
            .with_header(RATE_REMAINING, 0)
    }

    pub(super) fn too_many_streams_in_total() -> Self {
        let message = "The server has reached its limit of open event streams. Poll instead.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
            .with_header(header::RETRY_AFTER, STREAM_RETRY_SECONDS)
    }

    /// Adds the rate limit and how many attempts are left.
    pub(super) fn with_rate(self, limit: u32, remaining: u32) -> Self {
        self.with_header(RATE_LIMIT, limit).with_header(RATE_REMAINING, remaining)
    }
}

/// How many attempts may be made at once.
pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
/// How many attempts are left now.
pub(super) const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::SessionEnded => Self::unauthenticated(),
            Fault::Unavailable(reason) => {
                tracing::warn!(reason, "request refused");
                let message = "The server is busy or shutting down. Try again shortly.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
                    .with_header(header::RETRY_AFTER, BUSY_RETRY_SECONDS)
            }
            Fault::StorageFull => {
                tracing::error!("disk full");
                let message = "The server's disk is full. Nothing was written.";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::StorageFull, message)
            }
            Fault::Internal(cause) => {
                tracing::error!(cause, "request failed");
                let message = "Internal server error.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
            }
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {:?}", self.status, self.body.code)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status).json(&self.body);
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

impl Responder for ApiError {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
