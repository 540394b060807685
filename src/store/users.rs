//! Users: made, disabled, given a new password, deleted with all they have.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::group::WriteTx;
use super::links::NewPerson;
use super::{Store, audit, blobs, changes, epochs, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::sessions::Caller;
use crate::model::users::User;
use crate::notify::Event;

const COLUMNS: &str = "SELECT uuid, email, admin, disabled_at, created_at, id FROM users";
const INSERT: &str =
    "INSERT INTO users (uuid, email, password_hash, admin, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";

const MARK: &str = "UPDATE users SET deletion_started_at = coalesce(deletion_started_at, ?2) WHERE id = ?1";
const INSERT_NOBODY: &str = "
    INSERT INTO users (uuid, created_at, disabled_at, deletion_started_at) VALUES (?1, ?2, ?2, ?2)";
const GIVE_LOG: &str = "UPDATE logs SET user = ?2 WHERE id = ?1";
const MARKED: &str = "SELECT id FROM users WHERE deletion_started_at IS NOT NULL";

/// Rows deleted in one transaction: a deletion of millions must not hold up everybody's pushes.
const DELETE_STEP: usize = 5_000;

/// What rotations may have left much of, deleted step by step.
const DELETE_SOME: [&str; 4] = [
    "DELETE FROM rotation_replaced_entries WHERE (rotation, seq) IN (
        SELECT rotation, seq FROM rotation_replaced_entries WHERE rotation IN (
            SELECT rotations.id FROM rotations JOIN logs ON logs.id = rotations.log WHERE logs.user = ?1) LIMIT ?2)",
    "DELETE FROM rotation_kept_entries WHERE (rotation, seq) IN (
        SELECT rotation, seq FROM rotation_kept_entries WHERE rotation IN (
            SELECT rotations.id FROM rotations JOIN logs ON logs.id = rotations.log WHERE logs.user = ?1) LIMIT ?2)",
    "DELETE FROM rotation_replaced_blob_keys WHERE (rotation, object) IN (
        SELECT rotation, object FROM rotation_replaced_blob_keys WHERE rotation IN (
            SELECT rotations.id FROM rotations JOIN logs ON logs.id = rotations.log WHERE logs.user = ?1) LIMIT ?2)",
    "DELETE FROM rotation_kept_blob_keys WHERE (rotation, object) IN (
        SELECT rotation, object FROM rotation_kept_blob_keys WHERE rotation IN (
            SELECT rotations.id FROM rotations JOIN logs ON logs.id = rotations.log WHERE logs.user = ?1) LIMIT ?2)",
];

/// The rest, in the order in which it can go.
const DELETE_REST: [&str; 15] = [
    "DELETE FROM audit_log WHERE user = (SELECT uuid FROM users WHERE id = ?1)",
    "DELETE FROM second_factors WHERE user = ?1",
    "DELETE FROM recovery_codes WHERE user = ?1",
    "DELETE FROM account_sessions WHERE user = ?1",
    "DELETE FROM links WHERE user = ?1",
    "DELETE FROM federated_identities WHERE user = ?1",
    "DELETE FROM authorization_codes WHERE user = ?1",
    "DELETE FROM uploads WHERE log IN (SELECT id FROM logs WHERE user = ?1)",
    "DELETE FROM blob_totals WHERE log IN (SELECT id FROM logs WHERE user = ?1)",
    "DELETE FROM rotations WHERE log IN (SELECT id FROM logs WHERE user = ?1)",
    "DELETE FROM sessions WHERE log IN (SELECT id FROM logs WHERE user = ?1)",
    "DELETE FROM devices WHERE log IN (SELECT id FROM logs WHERE user = ?1)",
    "DELETE FROM key_envelopes WHERE log IN (SELECT id FROM logs WHERE user = ?1)",
    "DELETE FROM logs WHERE user = ?1",
    "DELETE FROM users WHERE id = ?1",
];

/// What came of making a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewUser {
    /// It is there.
    Created(User),
    /// Another account has that address.
    EmailTaken,
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<(i64, User)> {
    let user = User {
        id: Uuid::from_bytes(row.get(0)?),
        email: row.get(1)?,
        admin: row.get(2)?,
        disabled_at: row.get(3)?,
        created_at: row.get(4)?,
    };
    Ok((row.get(5)?, user))
}

/// An operator names a user by the address or the id; so does a person who signs in, by the address.
pub(super) fn find(connection: &Connection, selector: &str) -> Result<Option<(i64, User)>, Fault> {
    let id = Uuid::parse_str(selector).ok();
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE email = ?1 OR uuid = ?2"))?;
    Ok(statement.query_row((selector, id.as_ref().map(Uuid::as_bytes)), row_of).optional()?)
}

/// Makes an account. `None`: another one has that address.
pub(super) fn create(
    tx: &WriteTx<'_>,
    actor: Actor,
    person: &NewPerson,
    admin: bool,
) -> Result<Option<User>, Fault> {
    let NewPerson { id, email, password_hash } = person;
    if find(tx, email)?.is_some() {
        return Ok(None);
    }
    tx.prepare_cached(INSERT)?.execute((id.as_bytes(), email, password_hash, admin, tx.now_us))?;
    audit::record(tx, actor, Action::UserCreated, (Some(*id), None), admin.then_some("administrator"))?;
    Ok(Some(User { id: *id, email: Some(email.clone()), admin, disabled_at: None, created_at: tx.now_us }))
}

fn disable(tx: &mut WriteTx<'_>, user: i64) -> Result<(), Fault> {
    tx.execute("UPDATE users SET disabled_at = coalesce(disabled_at, ?2) WHERE id = ?1", (user, tx.now_us))?;
    sessions::end_of_user(tx, user)
}

impl Store {
    /// Makes an account with this id, normalised address and password hash.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn create_user(
        &self,
        actor: Actor,
        id: Uuid,
        email: String,
        password_hash: String,
        admin: bool,
    ) -> Result<NewUser, Fault> {
        let person = NewPerson { id, email, password_hash };
        self.write(1, move |tx| {
            let made = create(tx, actor, &person, admin)?;
            Ok(made.map_or(NewUser::EmailTaken, NewUser::Created))
        })
        .await
    }

    /// Every account, the oldest first.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn list_users(&self) -> Result<Vec<User>, Fault> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY id"))?;
            let users = statement.query_map([], row_of)?.map(|row| row.map(|(_, user)| user));
            Ok(users.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Keeps an account from signing in, and ends its sessions. `false`: there is no such account.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn disable_user(&self, actor: Actor, selector: String) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let Some((user, _)) = find(tx, &selector)? else { return Ok(false) };
            disable(tx, user)?;
            audit::record_user(tx, actor, Action::UserDisabled, user, None)?;
            Ok(true)
        })
        .await
    }

    /// Lets an account sign in again. `false`: there is no such account.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn enable_user(&self, actor: Actor, selector: String) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let Some((user, _)) = find(tx, &selector)? else { return Ok(false) };
            tx.execute(
                "UPDATE users SET disabled_at = NULL WHERE id = ?1 AND deletion_started_at IS NULL",
                [user],
            )?;
            audit::record_user(tx, actor, Action::UserEnabled, user, None)?;
            Ok(true)
        })
        .await
    }

    /// Replaces an account's password hash, and ends its sessions. `false`: there is no such account.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn set_password(
        &self,
        actor: Actor,
        selector: String,
        password_hash: String,
    ) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let Some((user, _)) = find(tx, &selector)? else { return Ok(false) };
            tx.execute("UPDATE users SET password_hash = ?2 WHERE id = ?1", (user, &password_hash))?;
            audit::record_user(tx, actor, Action::PasswordChanged, user, Some("by an operator"))?;
            sessions::end_of_user(tx, user)?;
            Ok(true)
        })
        .await
    }

    /// Deletes an account and everything that belongs to it. It is marked first and goes in steps, so that others keep writing;
    /// should the program stop in between, maintenance continues. `false`: there is no such account.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn delete_user(&self, actor: Actor, selector: String) -> Result<bool, Fault> {
        let marked = self.write(1, move |tx| {
            let Some((user, User { id, .. })) = find(tx, &selector)? else { return Ok(None) };
            disable(tx, user)?;
            tx.prepare_cached(MARK)?.execute((user, tx.now_us))?;
            // Of the user it names nothing but an id that nobody will bear any more.
            audit::record(tx, actor, Action::UserDeleted, (None, None), Some(&id.to_string()))?;
            Ok(Some(user))
        });
        let Some(user) = marked.await? else { return Ok(false) };
        self.delete_marked(user).await.map(|()| true)
    }

    /// Deletes everything that the caller has in their app, and ends their sessions there. The log is given to a user who is nobody
    /// and marked for deletion: it is out of reach at once, and goes as an account goes.
    ///
    /// # Errors
    /// A fault of the database, or [`Fault::SessionEnded`].
    pub async fn delete_data(&self, actor: Actor, caller: &Caller) -> Result<(), Fault> {
        let (whose, nobody) = (caller.clone(), Uuid::new_v4());
        let given = self.write_for(caller, 1, move |tx| {
            tx.prepare_cached(INSERT_NOBODY)?.execute((nobody.as_bytes(), tx.now_us))?;
            let nobody = tx.last_insert_rowid();
            tx.prepare_cached(GIVE_LOG)?.execute((whose.log, nobody))?;
            sessions::end_where(tx, "log = ?1", whose.log)?;
            audit::record_caller(tx, actor, Action::DataDeleted, &whose)?;
            Ok(nobody)
        });
        self.delete_marked(given.await?).await
    }

    /// Goes on with deletions that were begun and never ended.
    ///
    /// # Errors
    /// A fault of the database.
    pub(super) async fn go_on_deleting(&self) -> Result<(), Fault> {
        let marked: Vec<i64> = self
            .read(|connection| {
                let mut statement = connection.prepare_cached(MARKED)?;
                Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
            })
            .await?;
        for user in marked {
            self.delete_marked(user).await?;
        }
        Ok(())
    }

    async fn delete_marked(&self, user: i64) -> Result<(), Fault> {
        while !self.write(1, move |tx| delete_step(tx, user)).await? {}
        Ok(())
    }
}

/// Deletes some of what a user has; the user too once nothing else is left. `true`: all of it is gone.
fn delete_step(tx: &mut WriteTx<'_>, user: i64) -> Result<bool, Fault> {
    if !blobs::remove_some_of_user(tx, user)? {
        return Ok(false);
    }
    epochs::note_max_seq(tx)?;
    tx.execute("INSERT INTO append_only_exceptions (reason) VALUES ('deletion')", [])?;
    let mut room = DELETE_STEP;
    for statement in DELETE_SOME.into_iter().chain(changes::DELETE_SOME) {
        room -= tx.execute(statement, (user, room))?;
    }
    tx.execute("DELETE FROM append_only_exceptions", [])?;
    if room == 0 {
        return Ok(false);
    }
    for statement in DELETE_REST {
        tx.execute(statement, [user])?;
    }
    tx.leave(Event::SessionsChanged);
    Ok(true)
}
