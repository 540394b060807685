//! Errors of uploading and downloading blobs.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use tidelog_protocol::ErrorCode;

use super::ApiError;

impl ApiError {
    pub(in crate::http) fn invalid_presigned_url() -> Self {
        let message = "This URL is invalid or has expired. Request a new one.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, message)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(in crate::http) fn no_blobs() -> Self {
        let message = "This server does not store blobs.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::NoBlobs, message)
    }

    pub(in crate::http) fn blob_too_large(max_bytes: u64) -> Self {
        let message = format!("A blob can have at most {max_bytes} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
    }

    pub(in crate::http) fn quota_exceeded(quota_bytes: u64) -> Self {
        let message = format!(
            "This user has reached the storage quota of {quota_bytes} bytes for blobs. Delete some first."
        );
        Self::new(StatusCode::PAYMENT_REQUIRED, ErrorCode::QuotaExceeded, message)
    }

    pub(in crate::http) fn not_uploaded() -> Self {
        let message = "No upload to confirm. Request an upload URL and send the bytes there first.";
        Self::new(StatusCode::CONFLICT, ErrorCode::NotUploaded, message)
    }

    pub(in crate::http) fn blob_mismatch() -> Self {
        let message = "The uploaded bytes do not match the announced hash and size. They were discarded.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::BlobMismatch, message)
    }

    pub(in crate::http) fn incomplete_body() -> Self {
        let message = "The upload ended early. Nothing was stored.";
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::MalformedRequest, message)
    }

    pub(in crate::http) fn precondition_failed() -> Self {
        let message = "The blob does not match If-Match.";
        Self::new(StatusCode::PRECONDITION_FAILED, ErrorCode::PreconditionFailed, message)
    }

    pub(in crate::http) fn range_not_satisfiable(size_bytes: u64) -> Self {
        let message = format!("The range lies outside the blob, which has {size_bytes} bytes.");
        let error = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::RangeNotSatisfiable, message);
        match HeaderValue::from_str(&format!("bytes */{size_bytes}")) {
            Ok(range) => error.with_header(header::CONTENT_RANGE, range),
            Err(_) => error,
        }
    }
}
