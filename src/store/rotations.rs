//! Rotations: replacing a log's master key, and re-encrypting everything under it.
//!
//! A log may hold millions of entries, and the writer serves everybody. So nothing here that runs in the writer takes
//! time that depends on the length of the log: readers count the entries that are left to do when a rotation begins,
//! and from then on everything that writes to the log keeps the count. What is replaced is kept for a while, so that
//! the operator can undo it.

mod batch;
mod blob_keys;
mod count;
mod entries;
mod expiry;
mod undo;

use rusqlite::Connection;

pub(super) use blob_keys::{note_blob_added, note_blob_removed};
pub use undo::{UndoOutcome, UndoReport};

use super::blob_totals::BlobTotals;
use super::{Store, keys, sessions};
use crate::error::Fault;
use crate::model::rotations::{
    BeginOutcome, BeginRequest, CancelOutcome, CompleteOutcome, begin, cancel, complete,
};
use crate::model::sessions::Caller;
use crate::notify::Event;

/// Whether an envelope is the current one, or that of an earlier rotation.
const IS_USED: &str = "
    SELECT EXISTS (SELECT 1 FROM key_envelopes WHERE log = ?1 AND encrypted_key = ?2)
        OR EXISTS (SELECT 1 FROM rotations WHERE log = ?1 AND encrypted_key = ?2)";
const BEGIN: &str = "
    INSERT INTO rotations (log, state, encrypted_key, key_version, remaining, began_at, blobs_remaining)
    VALUES (?1, 'running', ?2, ?3, ?4, ?5, ?6)";
const NOTE_VERSION: &str = "UPDATE key_envelopes SET max_version_used = ?2 WHERE log = ?1";
const COMPLETE: &str = "
    UPDATE rotations SET state = 'completed', ended_at = ?2,
        (replaced_key, replaced_version) =
            (SELECT encrypted_key, key_version FROM key_envelopes WHERE log = rotations.log)
    WHERE id = ?1";
const REPLACE_KEY: &str = "
    UPDATE key_envelopes SET (encrypted_key, key_version) =
            (SELECT encrypted_key, key_version FROM rotations WHERE id = ?2),
        revision = revision + 1, updated_at = ?3
    WHERE log = ?1";
const CANCEL: &str = "UPDATE rotations SET state = 'cancelled', ended_at = ?2 WHERE id = ?1";
/// Decides whether a device may begin a rotation; see [`begin`].
fn decide(
    connection: &Connection,
    log: i64,
    encrypted_key: &[u8],
    key_version: Option<u32>,
) -> Result<Result<u32, BeginOutcome>, Fault> {
    let is_used = connection.prepare_cached(IS_USED)?.query_row((log, encrypted_key), |row| row.get(0))?;
    let request = BeginRequest { encrypted_key, key_version, is_used };
    Ok(begin(&keys::find_keys(connection, log)?, &request))
}

impl Store {
    /// Begins a rotation of the caller's key; see [`begin`].
    pub async fn begin_rotation(
        &self,
        caller: &Caller,
        encrypted_key: Vec<u8>,
        key_version: Option<u32>,
    ) -> Result<BeginOutcome, Fault> {
        let (log, session, envelope) = (caller.log, caller.session, encrypted_key.clone());
        let looked = self.read(move |connection| {
            sessions::require_live(connection, session)?;
            decide(connection, log, &envelope, key_version)
        });
        if let Err(answer) = looked.await? {
            return Ok(answer);
        }
        let counted = self.count_sealed(log).await?;
        self.write_for(caller, 1, move |tx| {
            let version = match decide(tx, log, &encrypted_key, key_version)? {
                Ok(version) => version,
                Err(answer) => return Ok(answer),
            };
            let remaining = counted.completed(tx, log)?;
            let blobs = BlobTotals::find(tx, log)?.sealed_keys;
            let row = (log, &encrypted_key, version, remaining, tx.now_us, blobs);
            tx.prepare_cached(BEGIN)?.execute(row)?;
            tx.prepare_cached(NOTE_VERSION)?.execute((log, version))?;
            tx.publish(Event::KeysChanged { log });
            Ok(BeginOutcome::Runs(version))
        })
        .await
    }

    /// Makes the new key the current one; see [`complete`].
    pub async fn complete_rotation(
        &self,
        caller: &Caller,
        wanted: Option<u32>,
    ) -> Result<CompleteOutcome, Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| {
            let keys = keys::find_keys(tx, log)?;
            let rotation = match complete(&keys, wanted) {
                Ok(rotation) => rotation,
                Err(answer) => return Ok(answer),
            };
            tx.prepare_cached(COMPLETE)?.execute((rotation.id, tx.now_us))?;
            tx.prepare_cached(REPLACE_KEY)?.execute((log, rotation.id, tx.now_us))?;
            tx.publish(Event::KeysChanged { log });
            Ok(CompleteOutcome::Completed(rotation.key_version))
        })
        .await
    }

    /// Gives up a rotation that has not started; see [`cancel`].
    pub async fn cancel_rotation(&self, caller: &Caller) -> Result<CancelOutcome, Fault> {
        let log = caller.log;
        self.write_for(caller, 1, move |tx| {
            let keys = keys::find_keys(tx, log)?;
            let rotation = match cancel(&keys) {
                Ok(rotation) => rotation,
                Err(answer) => return Ok(answer),
            };
            tx.prepare_cached(CANCEL)?.execute((rotation.id, tx.now_us))?;
            tx.publish(Event::KeysChanged { log });
            Ok(CancelOutcome::Cancelled)
        })
        .await
    }
}
