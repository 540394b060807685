//! Authorization codes: given to a browser after consent, exchanged by the program for a session, once.

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
const USE: &str = "UPDATE authorization_codes SET session = ?2 WHERE hash = ?1";

/// A code to be given out. No `Debug`: it is about secrets.
#[derive(Clone)]
pub struct NewCode {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// The app that asked.
    pub app: Uuid,
    /// SHA-256 of the API key by which it asked.
    pub api_key_hash: [u8; 32],
    /// Row of the user who consented.
    pub user: i64,
    /// The hash that the user's password was checked against.
    pub password_hash: String,
    /// Where the code is sent.
    pub redirect_uri: String,
    /// PKCE: SHA-256 of what the client must show.
    pub code_challenge: [u8; 32],
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// A code that a client presents. No `Debug`: it is about secrets.
#[derive(Clone)]
pub struct PresentedCode {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// SHA-256 of the API key that the client names.
    pub api_key_hash: [u8; 32],
    /// Where the client says that the code was sent.
    pub redirect_uri: String,
    /// SHA-256 of the verifier that the client shows.
    pub code_challenge: [u8; 32],
    /// Names the session that it would begin.
    pub session: Uuid,
    /// Hash of that session's first refresh token.
    pub refresh_hash: [u8; 32],
    /// When that session would end, microseconds since 1970.
    pub session_expires_at: i64,
}

/// What came of presenting a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// A session has begun.
    Begun(Caller),
    /// Unknown, expired, another client's, sent elsewhere, or asked for by somebody who holds another verifier.
    Refused,
    /// It was exchanged before; what it gave then has ended.
    Replayed,
}

struct Code {
    app: i64,
    user: i64,
    redirect_uri: String,
    code_challenge: [u8; 32],
    expires_at: i64,
    session: Option<[u8; 16]>,
    is_of_client: bool,
}

fn code_of(row: &Row<'_>) -> rusqlite::Result<Code> {
    Ok(Code {
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
    /// Gives out a code. `false`: the app's key or the user's password changed meanwhile, or the user may not sign in.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn give_code(&self, new: NewCode) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let app: Option<i64> = tx
                .prepare_cached(APP)?
                .query_row((new.app.as_bytes(), new.api_key_hash), |row| row.get(0))
                .optional()?;
            let Some(app) = app else { return Ok(false) };
            if !accounts::is_still(tx, new.user, &new.password_hash)? {
                return Ok(false);
            }
            let row = (new.hash, app, new.user, &new.redirect_uri, new.code_challenge, new.expires_at);
            tx.prepare_cached(INSERT)?.execute(row)?;
            Ok(true)
        })
        .await
    }

    /// Exchanges a code for a session. One that was exchanged before ends the session that it gave: either whoever comes now or
    /// whoever came first has stolen it.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn exchange_code(&self, actor: Actor, presented: PresentedCode) -> Result<Exchange, Fault> {
        self.write(1, move |tx| {
            let found = (presented.hash, presented.api_key_hash);
            let found = tx.prepare_cached(FIND)?.query_row(found, code_of).optional()?;
            let Some(code) = found else { return Ok(Exchange::Refused) };
            if let Some(session) = code.session {
                sessions::end(tx, actor, Uuid::from_bytes(session))?;
                return Ok(Exchange::Replayed);
            }
            let has_verifier = bool::from(code.code_challenge.ct_eq(&presented.code_challenge));
            let is_alive = tx.now_us < code.expires_at;
            if !(is_alive && code.is_of_client && has_verifier && code.redirect_uri == presented.redirect_uri)
            {
                return Ok(Exchange::Refused);
            }
            let (session, until) = (presented.session, presented.session_expires_at);
            let whose = (code.app, code.user);
            match sessions::begin(tx, actor, whose, session, &presented.refresh_hash, until)? {
                Some(caller) => {
                    tx.prepare_cached(USE)?.execute((presented.hash, session.as_bytes()))?;
                    Ok(Exchange::Begun(caller))
                }
                None => Ok(Exchange::Refused),
            }
        })
        .await
    }
}
