//! OAuth 2.0 with PKCE (RFC 6749, 7636, 8252, 9207, 9700): one file per endpoint.

pub(super) mod authorize;
pub(super) mod consent;
mod error;
pub(super) mod icons;
pub(super) mod metadata;
pub(super) mod revoke;
pub(super) mod token;
pub(super) mod userinfo;
