//! Accounts as a sign-in checks them and as their owners manage them: password, sessions, devices.

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::{UserDevice, UserSession};
use uuid::Uuid;

use super::timestamps::timestamp;
use super::{Store, audit, devices, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::second_factors::SECRET_BYTES;

const FIND: &str = "
    SELECT users.id, users.uuid, users.email, users.password_hash, users.disabled_at IS NOT NULL, second_factors.secret
    FROM users LEFT JOIN second_factors ON second_factors.user = users.id AND second_factors.confirmed_at IS NOT NULL
    WHERE users.password_hash IS NOT NULL";
const HAS_PASSWORD: &str = "SELECT 1 FROM users WHERE id = ?1 AND password_hash = ?2 AND disabled_at IS NULL";
const SET_PASSWORD: &str = "UPDATE users SET password_hash = ?2 WHERE id = ?1";
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

/// An account, as a sign-in checks it. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Account {
    /// Row of the user.
    pub row: i64,
    /// The user's id.
    pub id: Uuid,
    /// Normalised.
    pub email: String,
    /// Argon2id in PHC string format.
    pub password_hash: String,
    /// May not sign in.
    pub disabled: bool,
    /// The secret against which codes are checked. `None`: the account has no second factor.
    pub second_factor: Option<[u8; SECRET_BYTES]>,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        row: row.get(0)?,
        id: Uuid::from_bytes(row.get(1)?),
        email: row.get(2)?,
        password_hash: row.get(3)?,
        disabled: row.get(4)?,
        second_factor: row.get(5)?,
    })
}

/// Whether a user still has this password and may sign in.
pub(super) fn has_password(connection: &Connection, user: i64, password_hash: &str) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(HAS_PASSWORD)?.exists((user, password_hash))?)
}

impl Store {
    /// The account with this normalised email.
    pub async fn find_account(&self, email: String) -> Result<Option<Account>, Fault> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!("{FIND} AND users.email = ?1"))?;
            Ok(statement.query_row([email], from_row).optional()?)
        })
        .await
    }

    /// The account of this user.
    pub async fn account_of_user(&self, user: Uuid) -> Result<Option<Account>, Fault> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!("{FIND} AND users.uuid = ?1"))?;
            Ok(statement.query_row([user.as_bytes()], from_row).optional()?)
        })
        .await
    }

    /// Replaces the password of an account, and ends every session of its user, those of the account included.
    /// `false`: the password is no longer the one that was checked.
    pub async fn replace_password(
        &self,
        actor: Actor,
        user: i64,
        checked_hash: String,
        password_hash: String,
    ) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            if !has_password(tx, user, &checked_hash)? {
                return Ok(false);
            }
            tx.prepare_cached(SET_PASSWORD)?.execute((user, &password_hash))?;
            sessions::end_all_of_user(tx, user)?;
            audit::record_user(tx, actor, Action::PasswordChanged, user, Some("in the account"))?;
            Ok(true)
        })
        .await
    }

    /// A user's live sessions in all apps, the newest first.
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

    /// A user's live devices in all apps, the most recently seen first.
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
    pub async fn end_session_of_user(&self, actor: Actor, user: i64, session: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let owns = tx.prepare_cached(OWNS_SESSION)?.exists((session.as_bytes(), user))?;
            if owns { sessions::end(tx, actor, session) } else { Ok(false) }
        })
        .await
    }

    /// Removes a device of a user, and ends its sessions. `false`: the user has none of this id.
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
