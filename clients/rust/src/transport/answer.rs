//! What answers mean: whether another attempt may help, and the typed error of each refusal.

use std::time::Duration;

use reqwest::{Response, header};
use tidelog_protocol::{ErrorBody, ErrorCode};

use crate::SyncKitError;
use crate::retry::{is_temporary, parse_retry_after};

/// Bytes of an error's body that are read: enough for the faults of a full push.
const MAX_ERROR_BYTES: usize = 1024 * 1024;

/// The result of one attempt.
pub(super) enum Attempt {
    Answered(Vec<u8>),
    /// Another attempt would change nothing.
    Refused(SyncKitError),
    /// The server is overloaded, faulty or cannot be reached.
    Retry(SyncKitError, Option<Duration>),
}

/// Turns an answer that is not a success into its error.
pub(super) async fn refusal(response: Response) -> Attempt {
    let status = response.status().as_u16();
    let header = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = parse_retry_after(header);
    // A body that breaks off or never ends still has its status.
    let body = body_of(response, MAX_ERROR_BYTES).await.ok().flatten().unwrap_or_default();
    let error = typed_error(status, serde_json::from_slice(&body).ok(), retry_after);
    let is_final = !is_temporary(status) || matches!(error, SyncKitError::NoBlobs);
    if is_final { Attempt::Refused(error) } else { Attempt::Retry(error, retry_after) }
}

/// Reads the whole body; `None` if it is larger than `limit` bytes.
pub(super) async fn body_of(mut response: Response, limit: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// An error of the connection. URLs are left out, since presigned ones are a permission by themselves.
pub(super) fn network(error: reqwest::Error) -> SyncKitError {
    SyncKitError::Network(error.without_url().into())
}

fn typed_error(status: u16, body: Option<ErrorBody>, retry_after: Option<Duration>) -> SyncKitError {
    let Some(body) = body else { return error_of_status(status, retry_after) };
    match body.code {
        Some(ErrorCode::Unauthenticated) => SyncKitError::Unauthenticated,
        Some(ErrorCode::InvalidCredentials) => SyncKitError::InvalidCredentials,
        Some(ErrorCode::TwoFactorRequired) => SyncKitError::TwoFactorRequired,
        Some(ErrorCode::QuotaExceeded) => SyncKitError::QuotaExceeded,
        Some(ErrorCode::MembershipRequired) => SyncKitError::MembershipRequired,
        Some(ErrorCode::DeviceRevoked) => SyncKitError::DeviceRevoked,
        Some(ErrorCode::NotFound) => SyncKitError::NotFound,
        Some(ErrorCode::LogRewound) => {
            SyncKitError::LogRewound { resume_from: body.resume_from.unwrap_or_default() }
        }
        Some(ErrorCode::LogMoved) => SyncKitError::LogMoved,
        Some(ErrorCode::LogCompacted) => SyncKitError::LogCompacted,
        Some(ErrorCode::KeyVersionConflict) => SyncKitError::KeyVersionConflict {
            key_version: body.key_version.unwrap_or_default(),
            revision: body.revision,
        },
        Some(ErrorCode::RotationInProgress) => SyncKitError::RotationInProgress,
        Some(ErrorCode::BatchIdReused) => SyncKitError::BatchIdReused { cursor: body.cursor },
        Some(ErrorCode::InvalidChange) => SyncKitError::InvalidChanges { faults: body.changes },
        Some(ErrorCode::InvalidField) => {
            SyncKitError::InvalidField { field: body.field.unwrap_or_default(), reason: body.error }
        }
        Some(ErrorCode::RateLimited) => SyncKitError::RateLimited { retry_after },
        Some(ErrorCode::NoBlobs) => SyncKitError::NoBlobs,
        code => match error_of_status(status, retry_after) {
            SyncKitError::Server { status, .. } => SyncKitError::Server { status, code, message: body.error },
            typed => typed,
        },
    }
}

/// The error of a bare status, from servers that send no code and from proxies in front of them.
fn error_of_status(status: u16, retry_after: Option<Duration>) -> SyncKitError {
    match status {
        401 => SyncKitError::Unauthenticated,
        402 => SyncKitError::QuotaExceeded,
        404 => SyncKitError::NotFound,
        429 => SyncKitError::RateLimited { retry_after },
        _ => SyncKitError::Server { status, code: None, message: String::from("no reason given") },
    }
}
