//! What is said of blobs that cannot be sent or fetched.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use tidelog_protocol::ErrorCode;

use super::Refusal;

impl Refusal {
    pub(in crate::http) fn bad_address() -> Self {
        let sentence = "This address is not one that was given out, or not good any more: ask for a new one.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, sentence)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(in crate::http) fn no_blobs() -> Self {
        let sentence = "This server stores no blobs.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::NoBlobs, sentence)
    }

    pub(in crate::http) fn blob_too_large(max_bytes: u64) -> Self {
        let sentence = format!("A blob has at most {max_bytes} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, sentence)
    }

    pub(in crate::http) fn quota_exceeded(quota_bytes: u64) -> Self {
        let sentence = format!("The blobs of this user may take {quota_bytes} bytes: remove some first.");
        Self::new(StatusCode::PAYMENT_REQUIRED, ErrorCode::QuotaExceeded, sentence)
    }

    pub(in crate::http) fn not_uploaded() -> Self {
        let sentence =
            "Nothing was uploaded that could be confirmed: ask for an address, and send the bytes there.";
        Self::new(StatusCode::CONFLICT, ErrorCode::NotUploaded, sentence)
    }

    pub(in crate::http) fn blob_mismatch() -> Self {
        let sentence = "What was uploaded is not what was announced: nothing of it is kept.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::BlobMismatch, sentence)
    }

    pub(in crate::http) fn cut_off() -> Self {
        let sentence = "The bytes ended before they were all there: nothing of them is kept.";
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::MalformedRequest, sentence)
    }

    pub(in crate::http) fn precondition_failed() -> Self {
        let sentence = "The blob is not the one that If-Match names.";
        Self::new(StatusCode::PRECONDITION_FAILED, ErrorCode::PreconditionFailed, sentence)
    }

    pub(in crate::http) fn range_not_satisfiable(size_bytes: u64) -> Self {
        let sentence = format!("The blob has {size_bytes} bytes, and none in this range.");
        let refusal = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::RangeNotSatisfiable, sentence);
        match HeaderValue::from_str(&format!("bytes */{size_bytes}")) {
            Ok(range) => refusal.with_header(header::CONTENT_RANGE, range),
            Err(_) => refusal,
        }
    }
}
