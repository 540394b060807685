//! Deletion of a user, or of a user's data in one app, in steps of limited size.

use uuid::Uuid;

use super::group::WriteTx;
use super::{Store, audit, blobs, changes, epochs, sessions, users};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::sessions::Caller;
use crate::model::users::User;
use crate::notify::Event;

const START_DELETION: &str =
    "UPDATE users SET deletion_started_at = coalesce(deletion_started_at, ?2) WHERE id = ?1";
const INSERT_DELETED_USER: &str = "
    INSERT INTO users (uuid, created_at, disabled_at, deletion_started_at) VALUES (?1, ?2, ?2, ?2)";
const REASSIGN_LOG: &str = "UPDATE logs SET user = ?2 WHERE id = ?1";
const BEING_DELETED: &str = "SELECT id FROM users WHERE deletion_started_at IS NOT NULL";

/// Rows deleted in one transaction: deleting millions must not hold up the pushes of others.
const MAX_ROWS_PER_STEP: usize = 5_000;

/// What rotations may have left many rows of, deleted in steps.
const DELETE_LIMITED: [&str; 4] = [
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

/// The rest, in an order that the foreign keys allow.
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

impl Store {
    /// Deletes an account and everything that belongs to it, in steps, so that others can write in between. If the
    /// program stops before the end, maintenance resumes the deletion. `false`: there is no such account.
    pub async fn delete_user(&self, actor: Actor, selector: String) -> Result<bool, Fault> {
        let started = self.write(1, move |tx| {
            let Some((user, User { id, .. })) = users::find(tx, &selector)? else { return Ok(None) };
            users::disable(tx, user)?;
            tx.prepare_cached(START_DELETION)?.execute((user, tx.now_us))?;
            // Nothing but the id, which no other user will ever have.
            audit::record(tx, actor, Action::UserDeleted, (None, None), Some(&id.to_string()))?;
            Ok(Some(user))
        });
        let Some(user) = started.await? else { return Ok(false) };
        self.finish_deletion(user).await.map(|()| true)
    }

    /// Deletes everything that the caller has in their app, and ends their sessions there. The log is reassigned to a
    /// new user who is being deleted: it is out of reach at once, and its rows go as those of a deleted account do.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn delete_data(&self, actor: Actor, caller: &Caller) -> Result<(), Fault> {
        let (owner, deleted_id) = (caller.clone(), Uuid::new_v4());
        let started = self.write_for(caller, 1, move |tx| {
            tx.prepare_cached(INSERT_DELETED_USER)?.execute((deleted_id.as_bytes(), tx.now_us))?;
            let deleted = tx.last_insert_rowid();
            tx.prepare_cached(REASSIGN_LOG)?.execute((owner.log, deleted))?;
            sessions::end_where(tx, "log = ?1", owner.log)?;
            audit::record_caller(tx, actor, Action::DataDeleted, &owner)?;
            Ok(deleted)
        });
        self.finish_deletion(started.await?).await
    }

    /// Resumes deletions that were started and did not finish.
    pub(super) async fn resume_deletions(&self) -> Result<(), Fault> {
        let users: Vec<i64> = self
            .read(|connection| {
                let mut statement = connection.prepare_cached(BEING_DELETED)?;
                Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
            })
            .await?;
        for user in users {
            self.finish_deletion(user).await?;
        }
        Ok(())
    }

    async fn finish_deletion(&self, user: i64) -> Result<(), Fault> {
        while !self.write(1, move |tx| delete_step(tx, user)).await? {}
        Ok(())
    }
}

/// Deletes some of a user's rows, and the user once no others are left. `true`: everything is deleted.
fn delete_step(tx: &mut WriteTx<'_>, user: i64) -> Result<bool, Fault> {
    if !blobs::remove_some_of_user(tx, user)? {
        return Ok(false);
    }
    epochs::note_max_seq(tx)?;
    tx.execute("INSERT INTO append_only_exceptions (reason) VALUES ('deletion')", [])?;
    let mut rows_left = MAX_ROWS_PER_STEP;
    for statement in DELETE_LIMITED.into_iter().chain(changes::DELETE_SOME) {
        rows_left -= tx.execute(statement, (user, rows_left))?;
    }
    tx.execute("DELETE FROM append_only_exceptions", [])?;
    if rows_left == 0 {
        return Ok(false);
    }
    for statement in DELETE_REST {
        tx.execute(statement, [user])?;
    }
    tx.publish(Event::SessionsChanged);
    Ok(true)
}
