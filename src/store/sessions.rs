//! Sessions: begun by a sign-in, kept alive by refresh tokens, ended from many sides.

mod refresh;

use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql};
use uuid::Uuid;

pub use self::refresh::{Presented, Refreshed};
use super::group::WriteTx;
use super::{Store, apps, audit};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::sessions::{Caller, Session};
use crate::notify::{EndedSession, Event};

const CREDENTIALS: &str =
    "
    SELECT id, uuid, password_hash, disabled_at IS NOT NULL,
        EXISTS (SELECT 1 FROM second_factors WHERE second_factors.user = users.id AND confirmed_at IS NOT NULL)
    FROM users WHERE email = ?1";
const APP_BY_KEY: &str = "SELECT id, uuid FROM apps WHERE api_key_hash = ?1";
const STILL: &str = "
    SELECT 1 FROM users, apps
    WHERE users.id = ?1 AND users.password_hash IS ?2 AND users.disabled_at IS NULL
        AND apps.id = ?3 AND apps.api_key_hash = ?4";
/// The oldest sessions of a log beyond a thousand: an app that signs in anew each time must not fill the disk.
const SURPLUS: &str = "id IN (SELECT id FROM sessions WHERE log = ?1 ORDER BY id DESC LIMIT -1 OFFSET 1000)";
const ENSURE_LOG: &str = "INSERT INTO logs (app, user) VALUES (?1, ?2) ON CONFLICT (app, user) DO NOTHING";
const INSERT: &str = "INSERT INTO sessions (uuid, log, created_at, expires_at)
    SELECT ?1, id, ?4, ?5 FROM logs WHERE app = ?2 AND user = ?3";
const INSERT_TOKEN: &str = "INSERT INTO refresh_tokens (hash, session, number) VALUES (?1, ?2, ?3)";
const CALLER: &str = "
    SELECT users.uuid, apps.uuid, logs.id, apps.cursor_format
    FROM sessions JOIN logs ON logs.id = sessions.log JOIN apps ON apps.id = logs.app JOIN users ON users.id = logs.user
    WHERE sessions.uuid = ?1 AND sessions.expires_at > ?2 AND users.disabled_at IS NULL";
const LIST: &str = "
    SELECT sessions.uuid, users.uuid, users.email, apps.uuid, apps.name, sessions.created_at, sessions.expires_at
    FROM sessions JOIN logs ON logs.id = sessions.log JOIN apps ON apps.id = logs.app JOIN users ON users.id = logs.user
    WHERE sessions.expires_at > ?1 ORDER BY sessions.id";
const OF_USER: &str = "log IN (SELECT id FROM logs WHERE user = ?1)";
const END_ACCOUNT: &str = "DELETE FROM account_sessions WHERE user = ?1";
const WITHDRAW_CODES: &str = "DELETE FROM authorization_codes WHERE user = ?1";
const WITHDRAW_RESETS: &str = "DELETE FROM links WHERE user = ?1";
const OTHERS: &str = "log IN (SELECT id FROM logs WHERE user = ?1) AND uuid <> ?2";

/// What a sign-in is checked against.
#[derive(Clone, Debug)]
pub struct SignInRows {
    /// The account, if the address is known.
    pub user: Option<UserCredentials>,
    /// Row and id of the app, if the API key is known.
    pub app: Option<(i64, Uuid)>,
}

/// An account's credentials.
#[derive(Clone)]
pub struct UserCredentials {
    /// Its row.
    pub row: i64,
    /// Names the user for ever.
    pub id: Uuid,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// May not sign in.
    pub disabled: bool,
    /// Signs in with a second factor only.
    pub has_second_factor: bool,
}

impl std::fmt::Debug for UserCredentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("UserCredentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A session to begin.
#[derive(Clone)]
pub struct NewSession {
    /// Names the session in tokens.
    pub id: Uuid,
    /// Row of the app.
    pub app: i64,
    /// Hash of the API key that was presented.
    pub api_key_hash: [u8; 32],
    /// Row of the user.
    pub user: i64,
    /// The hash that the password was checked against. `None`: another system signs this user in.
    pub password_hash: Option<String>,
    /// Hash of its first refresh token.
    pub refresh_hash: [u8; 32],
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// Fails if a session is over. Authorisation came before the body, and a body may take its time: what a revoked caller had
/// under way must not be carried out.
pub(super) fn require(connection: &Connection, session: Uuid) -> Result<(), Fault> {
    let live = "SELECT 1 FROM sessions WHERE uuid = ?1";
    let live = connection.prepare_cached(live)?.exists([session.as_bytes()])?;
    if live { Ok(()) } else { Err(Fault::SessionEnded) }
}

/// Ends the sessions that fulfil a condition with one parameter.
pub(super) fn end_where(tx: &mut WriteTx<'_>, condition: &str, value: impl ToSql) -> Result<(), Fault> {
    delete(tx, condition, [value]).map(drop)
}

/// Ends sessions, tells who hears of such things, and gives the logs whose they were.
pub(super) fn delete(tx: &mut WriteTx<'_>, condition: &str, params: impl Params) -> Result<Vec<i64>, Fault> {
    let ended: Vec<_> = tx
        .prepare_cached(&format!("DELETE FROM sessions WHERE {condition} RETURNING uuid, log"))?
        .query_map(params, |row| {
            Ok(EndedSession { session: Uuid::from_bytes(row.get(0)?), log: row.get(1)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let logs = ended.iter().map(|ended: &EndedSession| ended.log).collect();
    if !ended.is_empty() {
        tx.leave(Event::SessionsEnded(ended));
    }
    Ok(logs)
}

/// Begins a session of a user in an app, with this first refresh token. `None`: the user may not have one.
pub(super) fn begin(
    tx: &mut WriteTx<'_>,
    actor: Actor,
    (app, user): (i64, i64),
    id: Uuid,
    refresh_hash: &[u8; 32],
    expires_at: i64,
) -> Result<Option<Caller>, Fault> {
    tx.prepare_cached(ENSURE_LOG)?.execute((app, user))?;
    tx.prepare_cached(INSERT)?.execute((id.as_bytes(), app, user, tx.now_us, expires_at))?;
    let session = tx.last_insert_rowid();
    tx.prepare_cached(INSERT_TOKEN)?.execute((refresh_hash, session, 0))?;
    let Some(caller) = find_caller(tx, id, tx.now_us)? else { return Ok(None) };
    end_where(tx, SURPLUS, caller.log)?;
    audit::record_caller(tx, actor, Action::SignedIn, &caller)?;
    Ok(Some(caller))
}

/// Ends everything by which a user is in, or is about to be let in.
pub(super) fn end_of_user(tx: &mut WriteTx<'_>, user: i64) -> Result<(), Fault> {
    end_where(tx, OF_USER, user)?;
    end_beside_sessions(tx, user)
}

/// Ends all of it but this one session.
pub(super) fn end_others(tx: &mut WriteTx<'_>, user: i64, session: Uuid) -> Result<(), Fault> {
    delete(tx, OTHERS, (user, session.as_bytes()))?;
    end_beside_sessions(tx, user)
}

fn end_beside_sessions(tx: &WriteTx<'_>, user: i64) -> Result<(), Fault> {
    for statement in [END_ACCOUNT, WITHDRAW_CODES, WITHDRAW_RESETS] {
        tx.prepare_cached(statement)?.execute([user])?;
    }
    Ok(())
}

fn find_caller(connection: &Connection, session: Uuid, now_us: i64) -> Result<Option<Caller>, Fault> {
    let from_row = |row: &Row<'_>| {
        let format: String = row.get(3)?;
        Ok(Caller {
            session,
            user: Uuid::from_bytes(row.get(0)?),
            app: Uuid::from_bytes(row.get(1)?),
            log: row.get(2)?,
            cursor_format: apps::cursor_format(&format),
        })
    };
    Ok(connection.prepare_cached(CALLER)?.query_row((session.as_bytes(), now_us), from_row).optional()?)
}

impl Store {
    /// Looks up what a sign-in names. Both look-ups always happen, so that their time tells nothing.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn sign_in_rows(&self, email: String, api_key_hash: [u8; 32]) -> Result<SignInRows, Fault> {
        self.read(move |connection| {
            let user = |row: &Row<'_>| {
                Ok(UserCredentials {
                    row: row.get(0)?,
                    id: Uuid::from_bytes(row.get(1)?),
                    password_hash: row.get(2)?,
                    disabled: row.get(3)?,
                    has_second_factor: row.get(4)?,
                })
            };
            let app = |row: &Row<'_>| Ok((row.get(0)?, Uuid::from_bytes(row.get(1)?)));
            Ok(SignInRows {
                user: connection.prepare_cached(CREDENTIALS)?.query_row([email], user).optional()?,
                app: connection.prepare_cached(APP_BY_KEY)?.query_row([api_key_hash], app).optional()?,
            })
        })
        .await
    }

    /// Begins a session, and the user's log in that app if there is none yet. `None`: the user was disabled or deleted, or
    /// the app's key changed, since the credentials were checked.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn begin_session(&self, actor: Actor, new: NewSession) -> Result<Option<Caller>, Fault> {
        self.write(1, move |tx| {
            let checked = (new.user, &new.password_hash, new.app, new.api_key_hash);
            if !tx.prepare_cached(STILL)?.exists(checked)? {
                return Ok(None);
            }
            begin(tx, actor, (new.app, new.user), new.id, &new.refresh_hash, new.expires_at)
        })
        .await
    }

    /// Whom a session stands for, if it is live.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn find_caller(&self, session: Uuid) -> Result<Option<Caller>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| find_caller(connection, session, now_us)).await
    }

    /// Every live session, the oldest first.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn list_sessions(&self) -> Result<Vec<Session>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let from_row = |row: &Row<'_>| {
                Ok(Session {
                    id: Uuid::from_bytes(row.get(0)?),
                    user: Uuid::from_bytes(row.get(1)?),
                    email: row.get(2)?,
                    app: Uuid::from_bytes(row.get(3)?),
                    app_name: row.get(4)?,
                    created_at: row.get(5)?,
                    expires_at: row.get(6)?,
                })
            };
            let mut statement = connection.prepare_cached(LIST)?;
            Ok(statement.query_map([now_us], from_row)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Ends the caller's session, because they want to.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn sign_out(&self, actor: Actor, caller: &Caller) -> Result<(), Fault> {
        let session = caller.session;
        self.write(1, move |tx| end_as(tx, actor, session, Action::SignedOut).map(drop)).await
    }

    /// Ends a session. `false`: there is none of this id.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn end_session(&self, actor: Actor, session: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| end(tx, actor, session)).await
    }
}

pub(super) fn end(tx: &mut WriteTx<'_>, actor: Actor, session: Uuid) -> Result<bool, Fault> {
    end_as(tx, actor, session, Action::SessionEnded)
}

fn end_as(tx: &mut WriteTx<'_>, actor: Actor, session: Uuid, action: Action) -> Result<bool, Fault> {
    let logs = delete(tx, "uuid = ?1", [session.as_bytes()])?;
    logs.iter().try_for_each(|log| audit::record_log(tx, actor, action, *log, None))?;
    Ok(!logs.is_empty())
}
