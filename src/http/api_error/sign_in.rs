//! Errors of authentication.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use tidelog_protocol::ErrorCode;

use super::ApiError;

impl ApiError {
    pub(in crate::http) fn unauthenticated() -> Self {
        let message = "A valid access token is required.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, message)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(in crate::http) fn invalid_credentials() -> Self {
        let message = "Incorrect email, password or API key.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidCredentials, message)
    }

    pub(in crate::http) fn two_factor_required() -> Self {
        let message = "This account uses two-factor authentication. Sign in through the browser.";
        Self::new(StatusCode::FORBIDDEN, ErrorCode::TwoFactorRequired, message)
    }

    pub(in crate::http) fn code_required() -> Self {
        let message = "This account uses two-factor authentication. Send a code.";
        Self::new(StatusCode::FORBIDDEN, ErrorCode::TwoFactorRequired, message)
    }

    pub(in crate::http) fn two_factor_is_on() -> Self {
        let message = "Two-factor authentication is already on. Turn it off first.";
        Self::new(StatusCode::CONFLICT, ErrorCode::TwoFactorIsOn, message)
    }

    pub(in crate::http) fn wrong_credentials() -> Self {
        let message = "Incorrect email or password.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidCredentials, message)
    }

    pub(in crate::http) fn wrong_code() -> Self {
        let message = "The code is incorrect or was already used, or two-factor authentication is off.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidCredentials, message)
    }

    pub(in crate::http) fn wrong_password() -> Self {
        let message = "The current password is incorrect.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidCredentials, message)
    }

    pub(in crate::http) fn invalid_refresh_token() -> Self {
        let message = "The refresh token is invalid, expired or already used. Sign in again.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, message)
    }

    pub(in crate::http) fn wrong_app() -> Self {
        let message = "The access token belongs to another app.";
        Self::new(StatusCode::FORBIDDEN, ErrorCode::WrongApp, message)
    }

    pub(in crate::http) fn device_revoked() -> Self {
        let message = "This device was removed. Register it again.";
        Self::new(StatusCode::FORBIDDEN, ErrorCode::DeviceRevoked, message)
    }
}
