//! Error responses of the OAuth endpoints, in the form of RFC 6749, 5.2.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use tidelog_protocol::OAuthError;

use crate::error::Fault;
use crate::http::api_error::ApiError;

/// The response to a refused or failed request.
#[derive(Debug)]
pub(in crate::http) struct OAuthErrorResponse {
    status: StatusCode,
    body: OAuthError,
    headers: HeaderMap,
}

impl OAuthErrorResponse {
    fn new(status: StatusCode, error: &str, description: impl Into<String>) -> Self {
        let body = OAuthError { error: error.into(), error_description: Some(description.into()) };
        Self { status, body, headers: HeaderMap::new() }
    }

    /// A parameter is missing, appears twice or has the wrong type.
    pub(in crate::http) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// The code, token or JWT is invalid.
    pub(in crate::http) fn invalid_grant(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    /// No app has that API key.
    pub(in crate::http) fn invalid_client() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_client", "unknown client_id")
    }

    /// The grant type is not supported.
    pub(in crate::http) fn unsupported_grant_type() -> Self {
        let description = "grant_type must be authorization_code, refresh_token or \
                           urn:ietf:params:oauth:grant-type:jwt-bearer";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
    }
}

/// Errors that are not about the grant keep their status: a body that is too large, too many attempts, a fault.
impl From<ApiError> for OAuthErrorResponse {
    fn from(error: ApiError) -> Self {
        let status = error.status_code();
        let code = match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        let headers = error.headers().clone();
        Self { headers, ..Self::new(status, code, error.message()) }
    }
}

impl From<Fault> for OAuthErrorResponse {
    fn from(fault: Fault) -> Self {
        ApiError::from(fault).into()
    }
}

impl fmt::Display for OAuthErrorResponse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.body.error)
    }
}

impl ResponseError for OAuthErrorResponse {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status)
            .insert_header((header::PRAGMA, HeaderValue::from_static("no-cache")))
            .json(&self.body);
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}
