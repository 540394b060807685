//! OAuth 2.0 at the root of the server: what `POST /oauth/token` and its neighbours take and give.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The grant of a code from the browser.
pub const GRANT_AUTHORIZATION_CODE: &str = "authorization_code";
/// The grant of a refresh token.
pub const GRANT_REFRESH_TOKEN: &str = "refresh_token";
/// The grant of another issuer's JWT (RFC 7523).
pub const GRANT_JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// `POST /oauth/token`, as JSON or as a form. One type for all grants, as their fields come side by side: which of them are
/// needed, the grant says. No `Debug`: it holds codes and tokens.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct TokenRequest {
    /// [`GRANT_AUTHORIZATION_CODE`], [`GRANT_REFRESH_TOKEN`] or [`GRANT_JWT_BEARER`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    /// The app's API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// With a code: what the browser brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// With a code: the redirect address of the authorisation request, letter for letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// With a code: what the authorisation request's `code_challenge` is the hash of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_verifier: Option<String>,
    /// With a refresh token: the newest that the client holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// With a JWT: the JWT of a trusted issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<String>,
}

/// The answer to every grant. No `Debug`: it holds tokens.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenResponse {
    /// Access token for the sync routes of one app.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds until `access_token` ends.
    pub expires_in: u64,
    /// Good for one refresh, at `/oauth/token` or at `/auth/refresh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The user who signed in.
    pub user_id: Uuid,
    /// The app signed in to.
    pub app_id: Uuid,
}

/// Errors of `/oauth/token` and of redirects, in the form of RFC 6749.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthError {
    /// What programs go by: `invalid_grant`, `access_denied`, …
    pub error: String,
    /// A sentence for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}
