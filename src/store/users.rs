//! Users: created, disabled, enabled, given a new password.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::group::WriteTx;
use super::{Store, audit, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::users::User;

const COLUMNS: &str = "SELECT uuid, email, admin, disabled_at, created_at, id FROM users";
const INSERT: &str =
    "INSERT INTO users (uuid, email, password_hash, admin, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
const DISABLE: &str = "UPDATE users SET disabled_at = coalesce(disabled_at, ?2) WHERE id = ?1";
const ENABLE: &str = "UPDATE users SET disabled_at = NULL WHERE id = ?1 AND deletion_started_at IS NULL";
const SET_PASSWORD: &str = "UPDATE users SET password_hash = ?2 WHERE id = ?1";

/// A user to be created. No `Debug`: it holds a hash of a password.
#[derive(Clone)]
pub struct NewUser {
    /// The user's id.
    pub id: Uuid,
    /// Normalised.
    pub email: String,
    /// Argon2id in PHC string format.
    pub password_hash: String,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<(i64, User)> {
    let user = User {
        id: Uuid::from_bytes(row.get(0)?),
        email: row.get(1)?,
        admin: row.get(2)?,
        disabled_at: row.get(3)?,
        created_at: row.get(4)?,
    };
    Ok((row.get(5)?, user))
}

/// The user of this email or id, with the row's id.
pub(super) fn find(connection: &Connection, selector: &str) -> Result<Option<(i64, User)>, Fault> {
    let id = Uuid::parse_str(selector).ok();
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE email = ?1 OR uuid = ?2"))?;
    Ok(statement.query_row((selector, id.as_ref().map(Uuid::as_bytes)), from_row).optional()?)
}

/// Creates a user, who may be an administrator of this server. `None`: the email is taken.
pub(super) fn create(
    tx: &WriteTx<'_>,
    actor: Actor,
    new: &NewUser,
    admin: bool,
) -> Result<Option<User>, Fault> {
    let NewUser { id, email, password_hash } = new;
    if find(tx, email)?.is_some() {
        return Ok(None);
    }
    tx.prepare_cached(INSERT)?.execute((id.as_bytes(), email, password_hash, admin, tx.now_us))?;
    audit::record(tx, actor, Action::UserCreated, (Some(*id), None), admin.then_some("administrator"))?;
    Ok(Some(User { id: *id, email: Some(email.clone()), admin, disabled_at: None, created_at: tx.now_us }))
}

/// Keeps a user from signing in, and ends their sessions.
pub(super) fn disable(tx: &mut WriteTx<'_>, user: i64) -> Result<(), Fault> {
    tx.prepare_cached(DISABLE)?.execute((user, tx.now_us))?;
    sessions::end_all_of_user(tx, user)
}

impl Store {
    /// Creates a user, who may be an administrator of this server. `None`: the email is taken.
    pub async fn create_user(&self, actor: Actor, new: NewUser, admin: bool) -> Result<Option<User>, Fault> {
        self.write(1, move |tx| create(tx, actor, &new, admin)).await
    }

    /// Every user, the oldest first.
    pub async fn list_users(&self) -> Result<Vec<User>, Fault> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY id"))?;
            let users = statement.query_map([], from_row)?.map(|row| row.map(|(_, user)| user));
            Ok(users.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Keeps a user from signing in, and ends their sessions. `false`: there is no such user.
    pub async fn disable_user(&self, actor: Actor, selector: String) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let Some((user, _)) = find(tx, &selector)? else { return Ok(false) };
            disable(tx, user)?;
            audit::record_user(tx, actor, Action::UserDisabled, user, None)?;
            Ok(true)
        })
        .await
    }

    /// Lets a user sign in again. `false`: there is no such user.
    pub async fn enable_user(&self, actor: Actor, selector: String) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let Some((user, _)) = find(tx, &selector)? else { return Ok(false) };
            tx.prepare_cached(ENABLE)?.execute([user])?;
            audit::record_user(tx, actor, Action::UserEnabled, user, None)?;
            Ok(true)
        })
        .await
    }

    /// Replaces a user's password hash, and ends their sessions. `false`: there is no such user.
    pub async fn set_password(
        &self,
        actor: Actor,
        selector: String,
        password_hash: String,
    ) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let Some((user, _)) = find(tx, &selector)? else { return Ok(false) };
            tx.prepare_cached(SET_PASSWORD)?.execute((user, &password_hash))?;
            audit::record_user(tx, actor, Action::PasswordChanged, user, Some("by an operator"))?;
            sessions::end_all_of_user(tx, user)?;
            Ok(true)
        })
        .await
    }
}
