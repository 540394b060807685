//! OAuth authorization codes: issued to a browser after consent, exchanged by the client for a session, once.

use rusqlite::{OptionalExtension, Row};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{Store, accounts, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::sessions::Caller;

const APP: &str = "SELECT id FROM apps WHERE uuid = ?1 AND api_key_hash = ?2";
const INSERT: &str = "
    INSERT INTO authorization_codes (hash, app, user, redirect_uri, code_challenge, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const FIND: &str = "
    SELECT authorization_codes.app, user, redirect_uri, code_challenge, expires_at, session, apps.api_key_hash = ?2
    FROM authorization_codes JOIN apps ON apps.id = authorization_codes.app WHERE hash = ?1";
const SET_SESSION: &str = "UPDATE authorization_codes SET session = ?2 WHERE hash = ?1";

/// A code to be issued. No `Debug`: it is about secrets.
#[derive(Clone)]
pub struct NewAuthorizationCode {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// The app that asked for it.
    pub app: Uuid,
    /// SHA-256 of the API key with which it asked.
    pub api_key_hash: [u8; 32],
    /// Row of the user who consented.
    pub user: i64,
    /// The hash against which the user's password was checked.
    pub password_hash: String,
    /// Where the code is sent.
    pub redirect_uri: String,
    /// PKCE: SHA-256 of the code verifier.
    pub code_challenge: [u8; 32],
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// A code to be exchanged, as a client presents it. No `Debug`: it is about secrets.
#[derive(Clone)]
pub struct CodeExchange {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// SHA-256 of the API key that the client presents.
    pub api_key_hash: [u8; 32],
    /// Where the client says that the code was sent.
    pub redirect_uri: String,
    /// SHA-256 of the code verifier that the client presents.
    pub code_challenge: [u8; 32],
    /// Id of the session that it would begin.
    pub session: Uuid,
    /// Hash of that session's first refresh token.
    pub refresh_hash: [u8; 32],
    /// When that session would end, in microseconds since 1970.
    pub session_expires_at: i64,
}

struct StoredCode {
    app: i64,
    user: i64,
    redirect_uri: String,
    code_challenge: [u8; 32],
    expires_at: i64,
    session: Option<[u8; 16]>,
    is_of_client: bool,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredCode> {
    Ok(StoredCode {
        app: row.get(0)?,
        user: row.get(1)?,
        redirect_uri: row.get(2)?,
        code_challenge: row.get(3)?,
        expires_at: row.get(4)?,
        session: row.get(5)?,
        is_of_client: row.get(6)?,
    })
}

impl Store {
    /// Issues a code. `false`: the app's key or the user's password has changed since the check, or the user may not
    /// sign in.
    pub async fn issue_code(&self, new: NewAuthorizationCode) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let app: Option<i64> = tx
                .prepare_cached(APP)?
                .query_row((new.app.as_bytes(), new.api_key_hash), |row| row.get(0))
                .optional()?;
            let Some(app) = app else { return Ok(false) };
            if !accounts::has_password(tx, new.user, &new.password_hash)? {
                return Ok(false);
            }
            let row = (new.hash, app, new.user, &new.redirect_uri, new.code_challenge, new.expires_at);
            tx.prepare_cached(INSERT)?.execute(row)?;
            Ok(true)
        })
        .await
    }

    /// Exchanges a code for a session. `None`: the code is unknown, expired, used, or was issued to another client,
    /// redirect URI or code challenge. A used code also ends the session that it gave: one of its two users has
    /// stolen it.
    pub async fn exchange_code(&self, actor: Actor, exchange: CodeExchange) -> Result<Option<Caller>, Fault> {
        self.write(1, move |tx| {
            let key = (exchange.hash, exchange.api_key_hash);
            let found = tx.prepare_cached(FIND)?.query_row(key, from_row).optional()?;
            let Some(code) = found else { return Ok(None) };
            if let Some(session) = code.session {
                sessions::end(tx, actor, Uuid::from_bytes(session))?;
                return Ok(None);
            }
            let has_verifier = bool::from(code.code_challenge.ct_eq(&exchange.code_challenge));
            let is_live = tx.now_us < code.expires_at;
            if !(is_live && code.is_of_client && has_verifier && code.redirect_uri == exchange.redirect_uri) {
                return Ok(None);
            }
            let (id, expires_at) = (exchange.session, exchange.session_expires_at);
            let owner = (code.app, code.user);
            let caller = sessions::begin(tx, actor, owner, id, &exchange.refresh_hash, expires_at)?;
            if caller.is_some() {
                tx.prepare_cached(SET_SESSION)?.execute((exchange.hash, id.as_bytes()))?;
            }
            Ok(caller)
        })
        .await
    }
}
