//! Answers that are not what the caller hoped for: a status, a code, a sentence, and details by code.

mod blobs;
mod sign_in;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use tidelog_protocol::{ChangeFault, Cursor, ErrorBody, ErrorCode};

use crate::auth::attempts::TooMany;
use crate::error::Fault;

/// Seconds after which a busy server is worth another try.
const BUSY_RETRY_SECONDS: u64 = 1;

/// Seconds after which there may be room for another stream: it takes others to end.
const STREAM_RETRY_SECONDS: u64 = 15;

/// A refused or failed request.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Box<ErrorBody>,
    headers: HeaderMap,
}

impl Refusal {
    fn new(status: StatusCode, code: ErrorCode, sentence: impl Into<String>) -> Self {
        Self { status, body: Box::new(ErrorBody::new(code, sentence)), headers: HeaderMap::new() }
    }

    /// What it says to a person.
    pub(super) fn sentence(&self) -> &str {
        &self.body.error
    }

    /// What it says besides.
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
            format!("The body is not JSON: {reason}."),
        )
    }

    pub(super) fn unknown_host() -> Self {
        let sentence = "This server is not known by that name: whoever runs it can set public_url, or hosts.";
        Self::new(StatusCode::MISDIRECTED_REQUEST, ErrorCode::UnknownHost, sentence)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, "There is nothing here.")
    }

    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        let sentence = format!("This path takes {allowed} only.");
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, sentence);
        match HeaderValue::from_str(allowed) {
            Ok(allowed) => refusal.with_header(header::ALLOW, allowed),
            Err(_) => refusal,
        }
    }

    pub(super) fn too_large(max_bytes: usize) -> Self {
        let sentence = format!("The body is larger than {max_bytes} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, sentence)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let sentence = "A body must be application/json.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::UnsupportedMediaType, sentence)
    }

    pub(super) fn invalid_field(field: impl Into<String>, reason: impl fmt::Display) -> Self {
        let field = field.into();
        let sentence = format!("The field {field} is not valid: {reason}.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidField, sentence)
            .with(|body| body.field = Some(field))
    }

    pub(super) fn invalid_changes(changes: Vec<ChangeFault>) -> Self {
        let sentence = format!("The push was refused: its changes have {} fault(s).", changes.len());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidChange, sentence)
            .with(|body| body.changes = changes)
    }

    pub(super) fn too_many_changes(max: usize) -> Self {
        let sentence = format!("A push carries at most {max} changes.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::TooManyChanges, sentence)
            .with(|body| body.field = Some("changes".into()))
    }

    pub(super) fn invalid_entries(entries: Vec<ChangeFault>) -> Self {
        let sentence = format!("The batch was refused: its entries have {} fault(s).", entries.len());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidChange, sentence)
            .with(|body| body.changes = entries)
    }

    pub(super) fn too_many_entries(max: usize) -> Self {
        let sentence = format!("A batch carries at most {max} entries.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::TooManyChanges, sentence)
            .with(|body| body.field = Some("entries".into()))
    }

    pub(super) fn too_many_blobs(max: usize) -> Self {
        let sentence = format!("A batch carries at most {max} blobs.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::TooManyChanges, sentence)
            .with(|body| body.field = Some("blobs".into()))
    }

    pub(super) fn batch_id_reused(first: Cursor) -> Self {
        let sentence = "This batch_id was used for other changes before.";
        Self::new(StatusCode::CONFLICT, ErrorCode::BatchIdReused, sentence)
            .with(|body| body.cursor = Some(first))
    }

    pub(super) fn log_moved() -> Self {
        let sentence = "Other devices wrote beyond the expected cursor: pull, merge, and push again.";
        Self::new(StatusCode::CONFLICT, ErrorCode::LogMoved, sentence)
    }

    pub(super) fn log_rewound(resume_from: Cursor) -> Self {
        let sentence = "The cursor comes from a history that this server has lost: go on from resume_from and push \
                        again what you wrote since.";
        Self::new(StatusCode::CONFLICT, ErrorCode::LogRewound, sentence)
            .with(|body| body.resume_from = Some(resume_from))
    }

    pub(super) fn key_version_conflict(key_version: u32, revision: Option<u64>) -> Self {
        let sentence = "The key has changed: fetch it, and try again with its version.";
        Self::new(StatusCode::CONFLICT, ErrorCode::KeyVersionConflict, sentence).with(|body| {
            body.key_version = Some(key_version);
            body.revision = revision;
        })
    }

    pub(super) fn no_rotation() -> Self {
        let sentence = "No rotation of the key is under way.";
        Self::new(StatusCode::CONFLICT, ErrorCode::NoRotation, sentence)
    }

    pub(super) fn rotation_in_progress() -> Self {
        let sentence = "Another rotation of the key is under way: finish it first, or cancel it.";
        Self::new(StatusCode::CONFLICT, ErrorCode::RotationInProgress, sentence)
    }

    pub(super) fn rotation_incomplete(remaining: u64) -> Self {
        let sentence =
            format!("{remaining} entries or keys of blobs are still to be sealed under the new key.");
        Self::new(StatusCode::CONFLICT, ErrorCode::RotationIncomplete, sentence)
            .with(|body| body.remaining = Some(remaining))
    }

    pub(super) fn rotation_started() -> Self {
        let sentence = "Entries are under the new key already: the rotation can only be completed.";
        Self::new(StatusCode::CONFLICT, ErrorCode::RotationStarted, sentence)
    }

    pub(super) fn rate_limited(refused: TooMany) -> Self {
        let sentence = format!("Too many attempts: wait {} s.", refused.retry_after);
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, sentence)
            .with_header(header::RETRY_AFTER, refused.retry_after)
            .with_header(RATE_LIMIT, refused.limit)
            .with_header(RATE_REMAINING, 0)
    }

    pub(super) fn too_many_streams(max: usize) -> Self {
        let sentence = format!("This user has {max} streams open in this app already: close one first.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, sentence)
            .with_header(header::RETRY_AFTER, STREAM_RETRY_SECONDS)
            .with_header(RATE_LIMIT, max)
            .with_header(RATE_REMAINING, 0)
    }

    pub(super) fn no_room_for_streams() -> Self {
        let sentence = "The server has as many streams open as it may: ask from time to time instead.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, sentence)
            .with_header(header::RETRY_AFTER, STREAM_RETRY_SECONDS)
    }

    /// For answers of the same exchange: how many attempts are left.
    pub(super) fn with_rate(self, limit: u32, remaining: u32) -> Self {
        self.with_header(RATE_LIMIT, limit).with_header(RATE_REMAINING, remaining)
    }
}

/// Attempts that are let through at once.
pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
/// Attempts left at this moment.
pub(super) const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::SessionEnded => Self::unauthenticated(),
            Fault::Unavailable(reason) => {
                tracing::warn!(reason, "a request was turned away");
                let sentence = "The server is busy or shutting down: try again shortly.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, sentence)
                    .with_header(header::RETRY_AFTER, BUSY_RETRY_SECONDS)
            }
            Fault::StorageFull => {
                tracing::error!("the disk is full");
                let sentence = "The server's disk is full: nothing was written.";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::StorageFull, sentence)
            }
            Fault::Internal(cause) => {
                tracing::error!(cause, "a request failed");
                let sentence = "Something went wrong inside the server.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, sentence)
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {:?}", self.status, self.body.code)
    }
}

impl ResponseError for Refusal {
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

impl Responder for Refusal {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
