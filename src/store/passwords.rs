//! Passwords changed from within an app, together with the key envelope of that app.

use rusqlite::{Connection, OptionalExtension};

use super::group::WriteTx;
use super::{Store, audit, keys, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::keys::{KeyState, PutKeyOutcome, Rewrap, rewrap};
use crate::model::rotations::Keys;
use crate::model::sessions::Caller;

const FIND: &str = "
    SELECT users.id, users.password_hash FROM logs JOIN users ON users.id = logs.user WHERE logs.id = ?1";
const SET: &str = "UPDATE users SET password_hash = ?2 WHERE id = ?1";

/// A password to be set. No `Debug`: it holds hashes of passwords.
#[derive(Clone)]
pub struct PasswordUpdate {
    /// The stored hash against which the current password was checked.
    pub checked_hash: String,
    /// Argon2id in PHC string format.
    pub password_hash: String,
    /// The new envelope of the caller's log, if it is to be replaced.
    pub rewrap: Option<Rewrap>,
}

/// The outcome of a [`PasswordUpdate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordUpdateOutcome {
    /// Password and envelope were replaced, and all other sessions of the user ended.
    Updated(KeyState),
    /// The envelope is not the expected one; nothing was changed.
    KeyConflict(KeyState),
    /// The key is being rotated, so no envelope can be replaced; nothing was changed.
    RotationInProgress,
    /// The password is no longer the one that was checked; nothing was changed.
    Outdated,
}

/// Row and password hash of the user who owns a log; no hash if an issuer signs the user in.
fn find(connection: &Connection, log: i64) -> Result<(i64, Option<String>), Fault> {
    let found = connection.prepare_cached(FIND)?.query_row([log], |row| Ok((row.get(0)?, row.get(1)?)));
    found.optional()?.ok_or(Fault::SessionEnded)
}

impl Store {
    /// The stored hash of the caller's password. `None`: an issuer signs the caller in.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn password_hash(&self, caller: &Caller) -> Result<Option<String>, Fault> {
        let log = caller.log;
        self.read(move |connection| Ok(find(connection, log)?.1)).await
    }

    /// The state of the caller's key, provided that this is the stored hash of their password and, if an envelope is
    /// given, that it is the stored one.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn key_state_if(
        &self,
        caller: &Caller,
        password_hash: String,
        encrypted_key: Option<Vec<u8>>,
    ) -> Result<Option<KeyState>, Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| {
            let envelope = keys::find(tx, log)?;
            let same_key = encrypted_key.as_ref().is_none_or(|expected| {
                envelope.as_ref().is_some_and(|envelope| envelope.encrypted_key == *expected)
            });
            let same_password = find(tx, log)?.1.as_ref() == Some(&password_hash);
            let state = keys::find_state(tx, log)?;
            Ok((same_password && same_key).then_some(state))
        })
        .await
    }

    /// Replaces password and envelope, or neither, and ends all sessions of the user but the caller's.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn change_password(
        &self,
        actor: Actor,
        caller: &Caller,
        update: PasswordUpdate,
    ) -> Result<PasswordUpdateOutcome, Fault> {
        let owner = caller.clone();
        self.write_for(caller, 1, move |tx| change(tx, actor, &owner, &update)).await
    }
}

fn change(
    tx: &mut WriteTx<'_>,
    actor: Actor,
    caller: &Caller,
    update: &PasswordUpdate,
) -> Result<PasswordUpdateOutcome, Fault> {
    let (user, stored) = find(tx, caller.log)?;
    if stored.as_ref() != Some(&update.checked_hash) {
        return Ok(PasswordUpdateOutcome::Outdated);
    }
    let Keys { current, rotation } = keys::find_keys(tx, caller.log)?;
    let mut key = current;
    if let Some(Rewrap { encrypted_key, expected_revision }) = &update.rewrap {
        if rotation.is_some() {
            return Ok(PasswordUpdateOutcome::RotationInProgress);
        }
        match rewrap(current, *expected_revision) {
            PutKeyOutcome::Stored(stored) => key = stored,
            PutKeyOutcome::Conflict(current) => return Ok(PasswordUpdateOutcome::KeyConflict(current)),
            PutKeyOutcome::RotationInProgress => return Ok(PasswordUpdateOutcome::RotationInProgress),
        }
        keys::store(tx, caller.log, encrypted_key, key)?;
    }
    tx.prepare_cached(SET)?.execute((user, &update.password_hash))?;
    sessions::end_others_of_user(tx, user, caller.session)?;
    audit::record_caller(tx, actor, Action::PasswordChanged, caller)?;
    Ok(PasswordUpdateOutcome::Updated(key))
}
