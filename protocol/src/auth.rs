//! Signing in to an app, and staying signed in.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;
#[cfg(feature = "schema")]
use crate::limits::MIN_PASSWORD_BYTES;

/// The body of `POST /auth`. Clients of the original SDK also send `key`, which is ignored.
// No `Debug` here and below where a type holds passwords or tokens.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignInRequest {
    /// The account's email, in any letter case.
    pub email: String,
    /// The account's password. One of more than `max_password_bytes` is never right.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "password")))]
    pub password: String,
    /// The API key of the app. It ships inside the app, so it is not a secret and authorises nothing.
    pub api_key: String,
}

/// The body of `POST /auth/refresh`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshRequest {
    /// The newest refresh token that the client has.
    pub refresh_token: String,
}

/// The body of `POST /auth/password`, which changes the account's password and may replace the key envelope with it.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangePasswordRequest {
    /// The account's present password.
    pub current_password: String,
    /// The account's new password: 8 to `max_password_bytes` bytes of UTF-8.
    #[cfg_attr(feature = "schema", schemars(length(min = MIN_PASSWORD_BYTES)))]
    pub new_password: String,
    /// The same master key, sealed again: standard base64 with padding, of 1 to `max_envelope_bytes` bytes. The
    /// password and the envelope change together or not at all. If absent, the envelope stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 4), extend("contentEncoding" = "base64")))]
    pub encrypted_key: Option<String>,
    /// Replaces the envelope only if this is its revision. If absent, any revision is replaced. Has no meaning without
    /// `encrypted_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
    /// With two-factor authentication: a 6-digit code, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The body of `POST /api/admin/apps/{id}/sessions`, by which an app's own backend signs in one of its users.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BeginSessionRequest {
    /// The app's own name for the user; no control characters.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::MAX_SUBJECT_CHARS)))]
    pub external_id: String,
}

/// The answer to signing in and to refreshing.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenPair {
    /// Access token: a bearer token for the sync routes of one app, opaque to clients.
    pub token: String,
    /// The user who signed in.
    pub user_id: Uuid,
    /// The app that the user signed in to.
    pub app_id: Uuid,
    /// When `token` expires. It ends earlier if its session does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(!skip_serializing_if, required))]
    pub expires_at: Option<Timestamp>,
    /// Refresh token, good for one `POST /auth/refresh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(!skip_serializing_if, required))]
    pub refresh_token: Option<String>,
}
