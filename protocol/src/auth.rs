//! Signing in, and staying signed in.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// `POST /auth`. No `Debug`: it holds a password.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignInRequest {
    /// The account's e-mail address; letter case does not count.
    pub email: String,
    /// The account's password.
    pub password: String,
    /// The app to sign in to.
    pub api_key: String,
}

/// `POST /auth/refresh`. No `Debug`: it holds a token.
#[derive(Clone, Serialize, Deserialize)]
pub struct RefreshRequest {
    /// The newest refresh token that the client holds.
    pub refresh_token: String,
}

/// `POST /auth/password`: the account's password, and the key envelope with it. No `Debug`: it holds passwords.
#[derive(Clone, Serialize, Deserialize)]
pub struct ChangePasswordRequest {
    /// The password until now.
    pub current_password: String,
    /// The password from now on.
    pub new_password: String,
    /// The same master key wrapped anew, base64. Both change or neither does; absent, the envelope stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_key: Option<String>,
    /// With `encrypted_key`: replace only this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
    /// Of an account with a second factor: a code by time, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The answer to signing in and to refreshing. No `Debug`: it holds tokens.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenPair {
    /// Access token for the sync routes of one app.
    pub token: String,
    /// The user who signed in.
    pub user_id: Uuid,
    /// The app signed in to.
    pub app_id: Uuid,
    /// When `token` ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Good for one `POST /auth/refresh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}
