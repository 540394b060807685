//! What is said to whoever is not in, or not as far as they think.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use tidelog_protocol::ErrorCode;

use super::Refusal;

impl Refusal {
    pub(in crate::http) fn unauthenticated() -> Self {
        let sentence = "This needs the access token of a live session.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, sentence)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(in crate::http) fn invalid_credentials() -> Self {
        let sentence = "The e-mail address, the password or the API key is wrong.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidCredentials, sentence)
    }

    pub(in crate::http) fn two_factor_required() -> Self {
        let sentence = "This account has a second factor: sign in through the browser.";
        Self::new(StatusCode::FORBIDDEN, ErrorCode::TwoFactorRequired, sentence)
    }

    pub(in crate::http) fn code_required() -> Self {
        let sentence = "This account has a second factor: send a code of it.";
        Self::new(StatusCode::FORBIDDEN, ErrorCode::TwoFactorRequired, sentence)
    }

    pub(in crate::http) fn two_factor_is_on() -> Self {
        let sentence = "This account has a second factor: turn it off first.";
        Self::new(StatusCode::CONFLICT, ErrorCode::TwoFactorIsOn, sentence)
    }

    pub(in crate::http) fn wrong_credentials() -> Self {
        let sentence = "The e-mail address or the password is wrong.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidCredentials, sentence)
    }

    pub(in crate::http) fn wrong_code() -> Self {
        let sentence = "The code is wrong or was used already, or there is no second factor.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidCredentials, sentence)
    }

    pub(in crate::http) fn wrong_password() -> Self {
        let sentence = "The current password is wrong.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidCredentials, sentence)
    }

    pub(in crate::http) fn invalid_refresh_token() -> Self {
        let sentence = "The refresh token is unknown, expired or used up: sign in again.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, sentence)
    }

    pub(in crate::http) fn wrong_app() -> Self {
        let sentence = "The access token belongs to another app.";
        Self::new(StatusCode::FORBIDDEN, ErrorCode::WrongApp, sentence)
    }

    pub(in crate::http) fn device_revoked() -> Self {
        let sentence = "This device was removed: register it again.";
        Self::new(StatusCode::FORBIDDEN, ErrorCode::DeviceRevoked, sentence)
    }
}
