//! The OAuth 2.0 endpoints that apps call: token, user info and revocation.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Grant type of an authorization code.
pub const GRANT_AUTHORIZATION_CODE: &str = "authorization_code";
/// Grant type of a refresh token.
pub const GRANT_REFRESH_TOKEN: &str = "refresh_token";
/// Grant type of another issuer's JWT (RFC 7523).
pub const GRANT_JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[cfg(feature = "schema")]
const GRANTS: [&str; 3] = [GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN, GRANT_JWT_BEARER];

/// The body of `POST /oauth/token`, as JSON or as a form.
///
/// One type for all grants; `grant_type` says which of the other fields are needed.
// No `Debug` here and below where a type holds codes or tokens.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRequest {
    /// What is exchanged: an authorization code, a refresh token or a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("enum" = GRANTS)))]
    pub grant_type: Option<String>,
    /// The app's API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// With an authorization code: the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// With an authorization code: the `redirect_uri` that was sent to `/oauth/authorize`, unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// With an authorization code: the preimage of `code_challenge` (PKCE), 43 to 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_verifier: Option<String>,
    /// With a refresh token: the newest one that the client has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// With a JWT: the JWT of an issuer that the app trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<String>,
}

/// The answer to every grant.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenResponse {
    /// Access token: a bearer token for the sync routes of one app, opaque to clients.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until `access_token` expires.
    pub expires_in: u64,
    /// Good for one refresh, at `/oauth/token` or at `/auth/refresh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The user who signed in.
    pub user_id: Uuid,
    /// The app that the user signed in to.
    pub app_id: Uuid,
}

/// An error of `/oauth/token` and `/oauth/revoke`, in the form of RFC 6749, section 5.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OAuthError {
    /// For programs: `invalid_grant`, `access_denied` and so on.
    pub error: String,
    /// A sentence for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

/// The answer to `GET /oauth/userinfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserInfoResponse {
    /// The user who is signed in.
    pub sub: Uuid,
    /// The account's email. Absent for users whom another system signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The app that the user is signed in to.
    pub app_id: Uuid,
}

/// The body of `POST /oauth/revoke` (RFC 7009), as JSON or as a form.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RevokeRequest {
    /// An access token or a refresh token. Its session ends.
    #[cfg_attr(feature = "schema", schemars(required))]
    pub token: Option<String>,
    /// Accepted and ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type_hint: Option<String>,
}
