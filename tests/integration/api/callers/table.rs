//! Every route, and who may call it.

use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};
use tidelog_test_kit::{PASSWORD, fresh_id, hash_of};

use super::Fixture;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone. Tokens are ignored.
    Public,
    /// Any live session, within its own log.
    Session,
    /// Like `Session`, but the request names a resource of the owner, which does not exist for anyone else.
    SessionOwner,
    /// Holders of a presigned URL issued to the owner. Tokens are ignored.
    PresignedUrl,
    /// Holders of an account token, within that account.
    AccountToken,
    /// Submitted forms. Tokens are ignored. The rules send JSON, so every caller gets 415.
    Page,
    /// Holders of an administrator's personal access token. For a token limited to another app, this app does not
    /// exist.
    AdminToken,
}

/// A route, who may call it, a request body, and the status that an authorised caller gets.
pub(super) struct AccessRule {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) body: fn(&Fixture) -> Option<Value>,
    pub(super) response: u16,
}

fn row(
    method: Method,
    path: &'static str,
    access: Access,
    body: fn(&Fixture) -> Option<Value>,
    response: u16,
) -> AccessRule {
    AccessRule { method, path, access, body, response }
}

pub(super) fn table() -> Vec<AccessRule> {
    use Access::{AccountToken, AdminToken, Page, PresignedUrl, Public, Session, SessionOwner};
    let nothing: fn(&Fixture) -> Option<Value> = |_| None;
    let empty: fn(&Fixture) -> Option<Value> = |_| Some(json!({}));
    let code: fn(&Fixture) -> Option<Value> = |_| Some(json!({"code": "000000"}));
    vec![
        row(Method::GET, "/health", Public, |_| None, 200),
        row(Method::GET, "/ready", Public, |_| None, 200),
        row(Method::GET, "/api/openapi.json", Public, |_| None, 200),
        row(Method::GET, "/api/sync/limits", Public, |_| None, 200),
        row(Method::GET, "/.well-known/oauth-authorization-server", Public, nothing, 200),
        row(Method::GET, "/oauth/authorize", Public, nothing, 400),
        row(Method::GET, "/oauth/consent", Public, nothing, 400),
        row(Method::POST, "/oauth/consent", Page, empty, 415),
        row(Method::POST, "/oauth/token", Public, empty, 400),
        row(Method::GET, "/oauth/userinfo", Session, nothing, 200),
        row(Method::POST, "/oauth/revoke", Public, empty, 400),
        row(Method::GET, "/oauth/icons/{app}", Public, nothing, 404),
        row(Method::POST, "/sign-in", Page, empty, 415),
        row(Method::GET, "/two-factor", Public, nothing, 400),
        row(Method::POST, "/two-factor", Page, empty, 415),
        row(Method::GET, "/forgot-password", Public, nothing, 404),
        row(Method::POST, "/forgot-password", Page, empty, 415),
        row(Method::GET, "/sign-up", Public, nothing, 404),
        row(Method::POST, "/sign-up", Page, empty, 415),
        row(Method::GET, "/setup/{secret}", Public, nothing, 404),
        row(Method::POST, "/setup/{secret}", Page, empty, 415),
        row(Method::GET, "/invite/{secret}", Public, nothing, 404),
        row(Method::POST, "/invite/{secret}", Page, empty, 415),
        row(Method::GET, "/reset/{secret}", Public, nothing, 404),
        row(Method::POST, "/reset/{secret}", Page, empty, 415),
        row(Method::GET, "/account", Public, nothing, 200),
        row(Method::GET, "/account/delete", Public, nothing, 303),
        row(Method::GET, "/account/export", Public, nothing, 303),
        row(Method::POST, "/account/delete", Page, empty, 415),
        row(Method::POST, "/account/sign-out", Page, empty, 415),
        row(Method::POST, "/account/password", Page, empty, 415),
        row(Method::POST, "/account/two-factor", Page, empty, 415),
        row(Method::POST, "/account/sessions/{id}", Page, empty, 415),
        row(Method::POST, "/account/devices/{id}", Page, empty, 415),
        row(
            Method::POST,
            "/api/account/token",
            Public,
            |_| Some(json!({"email": "nobody@example.org", "password": "wrong"})),
            401,
        ),
        row(Method::GET, "/api/account", AccountToken, nothing, 200),
        row(Method::GET, "/api/account/export", AccountToken, nothing, 200),
        row(Method::GET, "/api/account/sessions", AccountToken, nothing, 200),
        row(Method::GET, "/api/account/devices", AccountToken, nothing, 200),
        row(Method::POST, "/api/account/two-factor", AccountToken, nothing, 200),
        // With a wrong password or code: correct ones would end sessions that the next rules need.
        row(Method::POST, "/api/account/two-factor/confirm", AccountToken, code, 401),
        row(Method::POST, "/api/account/recovery-codes", AccountToken, code, 401),
        row(Method::DELETE, "/api/account/two-factor", AccountToken, code, 401),
        row(
            Method::POST,
            "/api/account/password",
            AccountToken,
            |_| Some(json!({"current_password": PASSWORD, "new_password": ""})),
            422,
        ),
        row(Method::DELETE, "/api/account", AccountToken, |_| Some(json!({"password": "wrong"})), 401),
        row(Method::DELETE, "/api/account/sessions/{id}", AccountToken, nothing, 404),
        row(Method::DELETE, "/api/account/devices/{id}", AccountToken, nothing, 404),
        row(Method::POST, "/api/account/logout", AccountToken, nothing, 204),
        row(
            Method::POST,
            "/api/sync/auth",
            Public,
            |_| Some(json!({"email": "a", "password": "b", "api_key": "c"})),
            401,
        ),
        row(Method::POST, "/api/sync/auth/refresh", Public, |_| Some(json!({"refresh_token": "none"})), 401),
        // A real change would end the sessions that the next rules need; an invalid new password ends none.
        row(
            Method::POST,
            "/api/sync/auth/password",
            Session,
            |_| Some(json!({"current_password": PASSWORD, "new_password": ""})),
            422,
        ),
        row(Method::GET, "/api/sync/devices", Session, |_| None, 200),
        row(
            Method::POST,
            "/api/sync/devices",
            Session,
            |_| Some(json!({"device_name": "New", "platform": "web"})),
            200,
        ),
        row(Method::GET, "/api/sync/status", Session, |_| None, 200),
        row(Method::PUT, "/api/sync/keys", Session, |_| Some(json!({"encrypted_key": "c2VhbGVk"})), 200),
        row(Method::GET, "/api/sync/keys", Session, |_| None, 200),
        row(
            Method::POST,
            "/api/sync/keys/rotate/begin",
            Session,
            |_| Some(json!({"new_encrypted_key": BASE64.encode(fresh_id().as_bytes())})),
            200,
        ),
        row(Method::GET, "/api/sync/keys/rotate", Session, |_| None, 200),
        row(Method::POST, "/api/sync/keys/rotate/entries", Session, |_| None, 200),
        row(
            Method::POST,
            "/api/sync/keys/rotate/batch",
            Session,
            |_| Some(json!({"entries": [{"seq": 1, "keep": true}]})),
            422,
        ),
        row(
            Method::POST,
            "/api/sync/keys/rotate/complete",
            Session,
            |_| Some(json!({"key_version": 1_000})),
            409,
        ),
        row(Method::POST, "/api/sync/keys/rotate/cancel", Session, |_| None, 204),
        row(Method::POST, "/api/sync/keys/rotate/blobs", Session, |_| None, 409),
        row(
            Method::POST,
            "/api/sync/keys/rotate/blobs/batch",
            Session,
            |fixture| Some(json!({"blobs": [{"hash": fixture.blob, "keep": true}]})),
            409,
        ),
        row(
            Method::POST,
            "/api/sync/blobs/upload",
            Session,
            |_| Some(json!({"hash": hash_of(b"another"), "size_bytes": 7})),
            200,
        ),
        row(
            Method::POST,
            "/api/sync/blobs/confirm",
            Session,
            |_| Some(json!({"hash": hash_of(b"another"), "size_bytes": 7})),
            409,
        ),
        row(
            Method::POST,
            "/api/sync/blobs/download",
            SessionOwner,
            |fixture| Some(json!({"hash": fixture.blob})),
            200,
        ),
        row(Method::GET, "/api/sync/blobs", Session, |_| None, 200),
        row(Method::PUT, "/api/sync/blobs/up/{token}", PresignedUrl, |_| Some(json!("BLOB")), 200),
        row(Method::GET, "/api/sync/blobs/down/{token}", PresignedUrl, |_| None, 200),
        row(Method::POST, "/api/sync/push", SessionOwner, |fixture| Some(fixture.batch()), 200),
        row(
            Method::POST,
            "/api/sync/pull",
            SessionOwner,
            |fixture| Some(json!({"device_id": fixture.device})),
            200,
        ),
        row(Method::GET, "/api/sync/subscribe", SessionOwner, |_| None, 200),
        row(Method::GET, "/api/sync/export", Session, |_| None, 200),
        row(Method::DELETE, "/api/sync/data", Session, |_| None, 204),
        row(Method::DELETE, "/api/sync/devices/{id}", SessionOwner, |_| None, 204),
        row(Method::DELETE, "/api/sync/blobs/{hash}", SessionOwner, |_| None, 204),
        row(Method::POST, "/api/sync/auth/logout", Session, |_| None, 204),
        row(
            Method::POST,
            "/api/admin/apps/{id}/sessions",
            AdminToken,
            |_| Some(json!({"external_id": "somebody"})),
            200,
        ),
    ]
}
