//! Sessions: begun by a sign-in, kept alive by refresh tokens, ended for many reasons.

use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql};
use uuid::Uuid;

use super::group::WriteTx;
use super::{Store, audit};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::apps::cursor_format_from_name;
use crate::model::audit::Action;
use crate::model::sessions::{Caller, Session};
use crate::notify::{EndedSession, Event};

const USER_CREDENTIALS: &str =
    "
    SELECT id, uuid, password_hash, disabled_at IS NOT NULL,
        EXISTS (SELECT 1 FROM second_factors WHERE second_factors.user = users.id AND confirmed_at IS NOT NULL)
    FROM users WHERE email = ?1";
const APP_BY_KEY: &str = "SELECT id FROM apps WHERE api_key_hash = ?1";
const HAS_CREDENTIALS: &str = "
    SELECT 1 FROM users, apps
    WHERE users.id = ?1 AND users.password_hash IS ?2 AND users.disabled_at IS NULL
        AND apps.id = ?3 AND apps.api_key_hash = ?4";
/// The oldest sessions of a log beyond a thousand: an app that signs in again each time must not fill the disk.
const SURPLUS: &str = "id IN (SELECT id FROM sessions WHERE log = ?1 ORDER BY id DESC LIMIT -1 OFFSET 1000)";
const ENSURE_LOG: &str = "INSERT INTO logs (app, user) VALUES (?1, ?2) ON CONFLICT (app, user) DO NOTHING";
const INSERT: &str = "INSERT INTO sessions (uuid, log, created_at, expires_at)
    SELECT ?1, id, ?4, ?5 FROM logs WHERE app = ?2 AND user = ?3";
const INSERT_TOKEN: &str = "INSERT INTO refresh_tokens (hash, session, number) VALUES (?1, ?2, 0)";
const IS_LIVE: &str = "SELECT 1 FROM sessions WHERE uuid = ?1";
const CALLER: &str = "
    SELECT users.uuid, apps.uuid, logs.id, apps.cursor_format
    FROM sessions JOIN logs ON logs.id = sessions.log JOIN apps ON apps.id = logs.app JOIN users ON users.id = logs.user
    WHERE sessions.uuid = ?1 AND sessions.expires_at > ?2 AND users.disabled_at IS NULL";
const LIST: &str = "
    SELECT sessions.uuid, users.uuid, users.email, apps.uuid, apps.name, sessions.created_at, sessions.expires_at
    FROM sessions JOIN logs ON logs.id = sessions.log JOIN apps ON apps.id = logs.app JOIN users ON users.id = logs.user
    WHERE sessions.expires_at > ?1 ORDER BY sessions.id";
const OF_USER: &str = "log IN (SELECT id FROM logs WHERE user = ?1)";
const OTHERS_OF_USER: &str = "log IN (SELECT id FROM logs WHERE user = ?1) AND uuid <> ?2";
const END_ACCOUNT_SESSIONS: &str = "DELETE FROM account_sessions WHERE user = ?1";
const REVOKE_CODES: &str = "DELETE FROM authorization_codes WHERE user = ?1";
const REVOKE_RESET_LINKS: &str = "DELETE FROM links WHERE user = ?1";

/// What a sign-in is checked against.
#[derive(Clone, Debug)]
pub struct StoredCredentials {
    /// The user's. `None`: the email is unknown.
    pub user: Option<UserCredentials>,
    /// Row of the app. `None`: the API key is unknown.
    pub app_row: Option<i64>,
}

/// A user's credentials.
#[derive(Clone)]
pub struct UserCredentials {
    /// Row of the user.
    pub row: i64,
    /// The user's id.
    pub id: Uuid,
    /// Argon2id in PHC string format.
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
    /// The session's id, as in tokens.
    pub id: Uuid,
    /// Row of the app.
    pub app: i64,
    /// Hash of the API key that was presented.
    pub api_key_hash: [u8; 32],
    /// Row of the user.
    pub user: i64,
    /// The hash against which the password was checked. `None`: an issuer signs this user in.
    pub password_hash: Option<String>,
    /// Hash of its first refresh token.
    pub refresh_hash: [u8; 32],
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// Fails with [`Fault::SessionEnded`] if a session has ended. A caller is authorised before the body of a request is
/// read, which can take long: a request must not be carried out if the session was revoked meanwhile.
pub(super) fn require_live(connection: &Connection, session: Uuid) -> Result<(), Fault> {
    let is_live = connection.prepare_cached(IS_LIVE)?.exists([session.as_bytes()])?;
    if is_live { Ok(()) } else { Err(Fault::SessionEnded) }
}

/// Ends the sessions that meet a condition with one parameter.
pub(super) fn end_where(tx: &mut WriteTx<'_>, condition: &str, value: impl ToSql) -> Result<(), Fault> {
    delete(tx, condition, [value]).map(drop)
}

/// Ends the sessions that meet a condition, and publishes that. Returns their logs.
pub(super) fn delete(tx: &mut WriteTx<'_>, condition: &str, params: impl Params) -> Result<Vec<i64>, Fault> {
    let ended: Vec<_> = tx
        .prepare_cached(&format!("DELETE FROM sessions WHERE {condition} RETURNING uuid, log"))?
        .query_map(params, |row| {
            Ok(EndedSession { session: Uuid::from_bytes(row.get(0)?), log: row.get(1)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let logs = ended.iter().map(|ended: &EndedSession| ended.log).collect();
    if !ended.is_empty() {
        tx.publish(Event::SessionsEnded(ended));
    }
    Ok(logs)
}

/// Begins a session of a user in an app, with this first refresh token. `None`: the user may not sign in.
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
    tx.prepare_cached(INSERT_TOKEN)?.execute((refresh_hash, session))?;
    let Some(caller) = find_caller(tx, id, tx.now_us)? else { return Ok(None) };
    end_where(tx, SURPLUS, caller.log)?;
    audit::record_caller(tx, actor, Action::SignedIn, &caller)?;
    Ok(Some(caller))
}

/// Ends one session, for this reason. `false`: there is none of this id.
pub(super) fn end_as(
    tx: &mut WriteTx<'_>,
    actor: Actor,
    session: Uuid,
    action: Action,
) -> Result<bool, Fault> {
    let logs = delete(tx, "uuid = ?1", [session.as_bytes()])?;
    logs.iter().try_for_each(|log| audit::record_log(tx, actor, action, *log, None))?;
    Ok(!logs.is_empty())
}

/// Ends one session. `false`: there is none of this id.
pub(super) fn end(tx: &mut WriteTx<'_>, actor: Actor, session: Uuid) -> Result<bool, Fault> {
    end_as(tx, actor, session, Action::SessionEnded)
}

/// Ends all sessions of a user, those of the account included, and revokes pending authorization codes and reset links.
pub(super) fn end_all_of_user(tx: &mut WriteTx<'_>, user: i64) -> Result<(), Fault> {
    end_where(tx, OF_USER, user)?;
    revoke_all_but_sessions(tx, user)
}

/// As [`end_all_of_user`], but keeps this session.
pub(super) fn end_others_of_user(tx: &mut WriteTx<'_>, user: i64, session: Uuid) -> Result<(), Fault> {
    delete(tx, OTHERS_OF_USER, (user, session.as_bytes()))?;
    revoke_all_but_sessions(tx, user)
}

fn revoke_all_but_sessions(tx: &WriteTx<'_>, user: i64) -> Result<(), Fault> {
    for statement in [END_ACCOUNT_SESSIONS, REVOKE_CODES, REVOKE_RESET_LINKS] {
        tx.prepare_cached(statement)?.execute([user])?;
    }
    Ok(())
}

/// The caller on whose behalf requests of a live session run.
pub(super) fn find_caller(
    connection: &Connection,
    session: Uuid,
    now_us: i64,
) -> Result<Option<Caller>, Fault> {
    let from_row = |row: &Row<'_>| {
        let format: String = row.get(3)?;
        Ok(Caller {
            session,
            user: Uuid::from_bytes(row.get(0)?),
            app: Uuid::from_bytes(row.get(1)?),
            log: row.get(2)?,
            cursor_format: cursor_format_from_name(&format),
        })
    };
    Ok(connection.prepare_cached(CALLER)?.query_row((session.as_bytes(), now_us), from_row).optional()?)
}

impl Store {
    /// As [`Store::write`], for a caller: fails with [`Fault::SessionEnded`] if the session has ended meanwhile.
    pub(super) async fn write_for<T, F>(&self, caller: &Caller, kib: usize, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Fn(&mut WriteTx<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let session = caller.session;
        self.write(kib, move |tx| {
            require_live(tx, session)?;
            work(tx)
        })
        .await
    }

    /// Looks up the email and the API key of a sign-in. Both are always looked up, so that the time taken reveals
    /// nothing.
    pub async fn find_credentials(
        &self,
        email: String,
        api_key_hash: [u8; 32],
    ) -> Result<StoredCredentials, Fault> {
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
            let mut app = connection.prepare_cached(APP_BY_KEY)?;
            Ok(StoredCredentials {
                user: connection.prepare_cached(USER_CREDENTIALS)?.query_row([email], user).optional()?,
                app_row: app.query_row([api_key_hash], |row| row.get(0)).optional()?,
            })
        })
        .await
    }

    /// Begins a session, and the user's log in that app if there is none yet. `None`: the user was disabled or
    /// deleted, or the password or the app's key changed, since the credentials were checked.
    pub async fn begin_session(&self, actor: Actor, new: NewSession) -> Result<Option<Caller>, Fault> {
        self.write(1, move |tx| {
            let checked = (new.user, &new.password_hash, new.app, new.api_key_hash);
            if !tx.prepare_cached(HAS_CREDENTIALS)?.exists(checked)? {
                return Ok(None);
            }
            begin(tx, actor, (new.app, new.user), new.id, &new.refresh_hash, new.expires_at)
        })
        .await
    }

    /// The caller on whose behalf requests of a session run, if it is live.
    pub async fn find_caller(&self, session: Uuid) -> Result<Option<Caller>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| find_caller(connection, session, now_us)).await
    }

    /// Every live session, the oldest first.
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

    /// Ends the caller's session at their own request.
    pub async fn sign_out(&self, actor: Actor, caller: &Caller) -> Result<(), Fault> {
        let session = caller.session;
        self.write(1, move |tx| end_as(tx, actor, session, Action::SignedOut).map(drop)).await
    }

    /// Ends a session. `false`: there is none of this id.
    pub async fn end_session(&self, actor: Actor, session: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| end(tx, actor, session)).await
    }
}
