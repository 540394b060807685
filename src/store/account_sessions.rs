//! Sign-ins to an account itself: begun, found by cookie or token, ended.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{Store, accounts, audit};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;

const INSERT: &str = "
    INSERT INTO account_sessions (uuid, user, cookie_hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
/// A user's oldest beyond a hundred.
const DELETE_SURPLUS: &str = "
    DELETE FROM account_sessions WHERE id IN
        (SELECT id FROM account_sessions WHERE user = ?1 ORDER BY id DESC LIMIT -1 OFFSET 100)";
const LIVE: &str = "
    SELECT account_sessions.uuid, users.id, users.uuid, users.email, account_sessions.expires_at
    FROM account_sessions JOIN users ON users.id = account_sessions.user
    WHERE account_sessions.expires_at > ?1 AND users.disabled_at IS NULL AND users.email IS NOT NULL";
const DELETE: &str = "DELETE FROM account_sessions WHERE uuid = ?1";

/// An account session to begin. No `Debug`: it holds hashes of secrets.
#[derive(Clone)]
pub struct NewAccountSession {
    /// The session's id.
    pub id: Uuid,
    /// Row of the user.
    pub user: i64,
    /// The hash against which the password was checked.
    pub password_hash: String,
    /// SHA-256 of the cookie; `None`: it is begun through the API.
    pub cookie_hash: Option<[u8; 32]>,
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// A sign-in to an account itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSession {
    /// The session's id, as in tokens.
    pub id: Uuid,
    /// Row of the user.
    pub user_row: i64,
    /// The user.
    pub user: Uuid,
    /// The user's email.
    pub email: String,
    /// Microseconds since 1970.
    pub expires_at: i64,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<AccountSession> {
    Ok(AccountSession {
        id: Uuid::from_bytes(row.get(0)?),
        user_row: row.get(1)?,
        user: Uuid::from_bytes(row.get(2)?),
        email: row.get(3)?,
        expires_at: row.get(4)?,
    })
}

impl Store {
    /// Begins an account session. `None`: the password was changed, or the user disabled, since the check.
    pub async fn begin_account_session(
        &self,
        actor: Actor,
        new: NewAccountSession,
    ) -> Result<Option<AccountSession>, Fault> {
        self.write(1, move |tx| {
            if !accounts::has_password(tx, new.user, &new.password_hash)? {
                return Ok(None);
            }
            let row = (new.id.as_bytes(), new.user, new.cookie_hash, tx.now_us, new.expires_at);
            tx.prepare_cached(INSERT)?.execute(row)?;
            tx.prepare_cached(DELETE_SURPLUS)?.execute([new.user])?;
            audit::record_user(tx, actor, Action::SignedIn, new.user, Some("to the account"))?;
            let mut statement = tx.prepare_cached(&format!("{LIVE} AND account_sessions.uuid = ?2"))?;
            Ok(statement.query_row((tx.now_us, new.id.as_bytes()), from_row).optional()?)
        })
        .await
    }

    /// The live account session whose cookie has this hash.
    pub async fn account_session_by_cookie(
        &self,
        cookie_hash: [u8; 32],
    ) -> Result<Option<AccountSession>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let by_cookie = format!("{LIVE} AND account_sessions.cookie_hash = ?2");
            let mut statement = connection.prepare_cached(&by_cookie)?;
            Ok(statement.query_row((now_us, cookie_hash), from_row).optional()?)
        })
        .await
    }

    /// The live account session of this id, if it was begun through the API.
    pub async fn account_session_by_id(&self, session: Uuid) -> Result<Option<AccountSession>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let by_id =
                format!("{LIVE} AND account_sessions.uuid = ?2 AND account_sessions.cookie_hash IS NULL");
            let mut statement = connection.prepare_cached(&by_id)?;
            Ok(statement.query_row((now_us, session.as_bytes()), from_row).optional()?)
        })
        .await
    }

    /// Ends an account session.
    pub async fn end_account_session(&self, session: Uuid) -> Result<(), Fault> {
        self.write(1, move |tx| {
            tx.prepare_cached(DELETE)?.execute([session.as_bytes()])?;
            Ok(())
        })
        .await
    }
}
