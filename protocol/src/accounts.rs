//! `/api/account`: what a user manages about their own account, in all apps.
//!
//! Types that hold passwords, codes or tokens have no `Debug`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// The body of `POST /api/account/token`, which begins an account session.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountTokenRequest {
    /// The account's email, in any letter case.
    pub email: String,
    /// The account's password.
    pub password: String,
    /// With two-factor authentication: a 6-digit code, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The token of an account session. No route of an app accepts it.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountTokenResponse {
    /// Bearer token for `/api/account`.
    pub token: String,
    /// When `token` expires.
    pub expires_at: Timestamp,
}

/// The answer to `GET /api/account`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountResponse {
    /// The user's id.
    pub user_id: Uuid,
    /// The account's email.
    pub email: String,
    /// Whether two-factor authentication is on.
    pub two_factor: bool,
    /// Recovery codes that have not been used.
    pub recovery_codes_left: u32,
}

/// The body of `POST /api/account/password`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountPasswordRequest {
    /// The account's present password.
    pub current_password: String,
    /// The account's new password: 8 to `max_password_bytes` bytes of UTF-8.
    pub new_password: String,
}

/// The body of `DELETE /api/account`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeleteAccountRequest {
    /// The account's password.
    pub password: String,
}

/// The body of the requests that turn two-factor authentication on or off, or replace the recovery codes.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TwoFactorCodeRequest {
    /// A 6-digit code of the authenticator app, or a recovery code.
    pub code: String,
}

/// What an authenticator app needs to make codes.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TwoFactorSetupResponse {
    /// The shared secret (RFC 6238), base32.
    pub secret: String,
    /// The same as an `otpauth://` URL, for a QR code.
    pub otpauth_url: String,
}

/// Fresh recovery codes, which replace all earlier ones and are shown only once.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecoveryCodesResponse {
    /// Each is good for one sign-in.
    pub recovery_codes: Vec<String>,
}

/// A live session of one of a user's apps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserSession {
    /// The session's id.
    pub id: Uuid,
    /// The app's name.
    pub app: String,
    /// Names of the devices that the session has pushed or pulled for.
    pub devices: String,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When the session ends, unless it is refreshed.
    pub expires_at: Timestamp,
}

/// A device of one of a user's apps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserDevice {
    /// The device's id.
    pub id: Uuid,
    /// The app's name.
    pub app: String,
    /// The name that the user gave the device.
    pub device_name: String,
    /// The device's operating system.
    pub platform: String,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// When it was last registered, pushed or pulled.
    pub last_seen_at: Timestamp,
}
