//! Accounts as their owners meet them: how they are let in, their sessions and devices.

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::{UserDevice, UserSession};
use uuid::Uuid;

use super::{Store, audit, devices, sessions, timestamp};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::second_factors::SECRET_BYTES;

const FIND: &str = "
    SELECT users.id, users.uuid, users.email, users.password_hash, users.disabled_at IS NOT NULL, second_factors.secret
    FROM users LEFT JOIN second_factors ON second_factors.user = users.id AND second_factors.confirmed_at IS NOT NULL
    WHERE users.password_hash IS NOT NULL";
const STILL: &str = "SELECT 1 FROM users WHERE id = ?1 AND password_hash = ?2 AND disabled_at IS NULL";
const BEGIN: &str = "
    INSERT INTO account_sessions (uuid, user, cookie_hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
const SURPLUS: &str = "
    DELETE FROM account_sessions WHERE id IN
        (SELECT id FROM account_sessions WHERE user = ?1 ORDER BY id DESC LIMIT -1 OFFSET 100)";
const ACCOUNT_SESSION: &str = "
    SELECT account_sessions.uuid, users.id, users.uuid, users.email, account_sessions.expires_at
    FROM account_sessions JOIN users ON users.id = account_sessions.user
    WHERE account_sessions.expires_at > ?1 AND users.disabled_at IS NULL AND users.email IS NOT NULL";
const SET_PASSWORD: &str = "UPDATE users SET password_hash = ?2 WHERE id = ?1";
const END: &str = "DELETE FROM account_sessions WHERE uuid = ?1";
const SESSIONS: &str = "
    SELECT sessions.uuid, apps.name, sessions.created_at, sessions.expires_at,
        (SELECT group_concat(devices.name, ', ') FROM session_devices JOIN devices ON devices.id = session_devices.device
         WHERE session_devices.session = sessions.id AND devices.removed_at IS NULL)
    FROM sessions JOIN logs ON logs.id = sessions.log JOIN apps ON apps.id = logs.app
    WHERE logs.user = ?1 AND sessions.expires_at > ?2 ORDER BY sessions.id DESC";
const DEVICES: &str = "
    SELECT devices.uuid, apps.name, devices.name, devices.platform, devices.created_at, devices.last_seen_at
    FROM devices JOIN logs ON logs.id = devices.log JOIN apps ON apps.id = logs.app
    WHERE logs.user = ?1 AND devices.removed_at IS NULL ORDER BY devices.last_seen_at DESC, devices.id DESC";
const OWNS_SESSION: &str =
    "SELECT 1 FROM sessions JOIN logs ON logs.id = sessions.log WHERE sessions.uuid = ?1 AND logs.user = ?2";
const DEVICE_LOG: &str = "
    SELECT devices.log FROM devices JOIN logs ON logs.id = devices.log
    WHERE devices.uuid = ?1 AND logs.user = ?2 AND devices.removed_at IS NULL";

/// An account, as a sign-in is checked against it. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Account {
    /// Its row.
    pub row: i64,
    /// Names the user for ever.
    pub id: Uuid,
    /// In the form of `normalize_email`.
    pub email: String,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// May not sign in.
    pub disabled: bool,
    /// What its second factor is checked against, if one is asked for.
    pub second_factor: Option<[u8; SECRET_BYTES]>,
}

/// An account session to begin. No `Debug`: it holds hashes of secrets.
#[derive(Clone)]
pub struct NewAccountSession {
    /// Names it.
    pub id: Uuid,
    /// Row of the user.
    pub user: i64,
    /// The hash that the password was checked against.
    pub password_hash: String,
    /// SHA-256 of the cookie; `None`: it was begun through the API.
    pub cookie_hash: Option<[u8; 32]>,
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// A sign-in to an account itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSession {
    /// Names it in tokens.
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

fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        row: row.get(0)?,
        id: Uuid::from_bytes(row.get(1)?),
        email: row.get(2)?,
        password_hash: row.get(3)?,
        disabled: row.get(4)?,
        second_factor: row.get(5)?,
    })
}

fn session_of(row: &Row<'_>) -> rusqlite::Result<AccountSession> {
    Ok(AccountSession {
        id: Uuid::from_bytes(row.get(0)?),
        user_row: row.get(1)?,
        user: Uuid::from_bytes(row.get(2)?),
        email: row.get(3)?,
        expires_at: row.get(4)?,
    })
}

/// Whether an account still has this password and may sign in.
pub(super) fn is_still(connection: &Connection, user: i64, password_hash: &str) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(STILL)?.exists((user, password_hash))?)
}

impl Store {
    /// The account of this normalised address.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn find_account(&self, email: String) -> Result<Option<Account>, Fault> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!("{FIND} AND users.email = ?1"))?;
            Ok(statement.query_row([email], account_of).optional()?)
        })
        .await
    }

    /// The account of this user.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn account_of_user(&self, user: Uuid) -> Result<Option<Account>, Fault> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!("{FIND} AND users.uuid = ?1"))?;
            Ok(statement.query_row([user.as_bytes()], account_of).optional()?)
        })
        .await
    }

    /// Begins an account session. `None`: the password changed, or the user was disabled, since it was checked.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn begin_account_session(
        &self,
        actor: Actor,
        new: NewAccountSession,
    ) -> Result<Option<AccountSession>, Fault> {
        self.write(1, move |tx| {
            if !is_still(tx, new.user, &new.password_hash)? {
                return Ok(None);
            }
            let row = (new.id.as_bytes(), new.user, new.cookie_hash, tx.now_us, new.expires_at);
            tx.prepare_cached(BEGIN)?.execute(row)?;
            tx.prepare_cached(SURPLUS)?.execute([new.user])?;
            audit::record_user(tx, actor, Action::SignedIn, new.user, Some("to the account"))?;
            let mut statement =
                tx.prepare_cached(&format!("{ACCOUNT_SESSION} AND account_sessions.uuid = ?2"))?;
            Ok(statement.query_row((tx.now_us, new.id.as_bytes()), session_of).optional()?)
        })
        .await
    }

    /// Who has the cookie of this hash.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn account_session_by_cookie(
        &self,
        cookie_hash: [u8; 32],
    ) -> Result<Option<AccountSession>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached(&format!("{ACCOUNT_SESSION} AND account_sessions.cookie_hash = ?2"))?;
            Ok(statement.query_row((now_us, cookie_hash), session_of).optional()?)
        })
        .await
    }

    /// Whose account session, begun through the API, this is.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn account_session_by_id(&self, session: Uuid) -> Result<Option<AccountSession>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{ACCOUNT_SESSION} AND account_sessions.uuid = ?2 AND account_sessions.cookie_hash IS NULL"
            ))?;
            Ok(statement.query_row((now_us, session.as_bytes()), session_of).optional()?)
        })
        .await
    }

    /// Gives an account another password, and ends everything by which its user is in. `false`: the password is no longer the one
    /// that was checked.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn replace_password(
        &self,
        actor: Actor,
        user: i64,
        checked: String,
        password_hash: String,
    ) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            if !is_still(tx, user, &checked)? {
                return Ok(false);
            }
            tx.prepare_cached(SET_PASSWORD)?.execute((user, &password_hash))?;
            sessions::end_of_user(tx, user)?;
            audit::record_user(tx, actor, Action::PasswordChanged, user, Some("in the account"))?;
            Ok(true)
        })
        .await
    }

    /// Ends an account session.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn end_account_session(&self, session: Uuid) -> Result<(), Fault> {
        self.write(1, move |tx| {
            tx.prepare_cached(END)?.execute([session.as_bytes()])?;
            Ok(())
        })
        .await
    }

    /// A user's live sessions in all apps, the newest first.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn sessions_of_user(&self, user: i64) -> Result<Vec<UserSession>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let from_row = |row: &Row<'_>| {
                Ok(UserSession {
                    id: Uuid::from_bytes(row.get(0)?),
                    app: row.get(1)?,
                    created_at: timestamp(row.get(2)?),
                    expires_at: timestamp(row.get(3)?),
                    devices: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
                })
            };
            let mut statement = connection.prepare_cached(SESSIONS)?;
            Ok(statement.query_map((user, now_us), from_row)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// A user's live devices in all apps, the one that was seen last first.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn devices_of_user(&self, user: i64) -> Result<Vec<UserDevice>, Fault> {
        self.read(move |connection| {
            let from_row = |row: &Row<'_>| {
                Ok(UserDevice {
                    id: Uuid::from_bytes(row.get(0)?),
                    app: row.get(1)?,
                    device_name: row.get(2)?,
                    platform: row.get(3)?,
                    created_at: timestamp(row.get(4)?),
                    last_seen_at: timestamp(row.get(5)?),
                })
            };
            let mut statement = connection.prepare_cached(DEVICES)?;
            Ok(statement.query_map([user], from_row)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Ends a session of a user. `false`: the user has none of this id.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn end_session_of_user(&self, actor: Actor, user: i64, session: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let owns = tx.prepare_cached(OWNS_SESSION)?.exists((session.as_bytes(), user))?;
            if owns { sessions::end(tx, actor, session) } else { Ok(false) }
        })
        .await
    }

    /// Removes a device of a user, and ends its sessions. `false`: the user has none of this id.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn remove_device_of_user(&self, actor: Actor, user: i64, device: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let params = (device.as_bytes(), user);
            let log: Option<i64> =
                tx.prepare_cached(DEVICE_LOG)?.query_row(params, |row| row.get(0)).optional()?;
            match log {
                Some(log) => devices::remove(tx, actor, Some(log), device),
                None => Ok(false),
            }
        })
        .await
    }
}
