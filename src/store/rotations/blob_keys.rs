//! The wrapped keys of blobs: a few bytes each, so a rotation replaces these and never touches the blobs.

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::{ChangeFault, RotationBatchResponse};

use crate::error::Fault;
use crate::model::blobs::{Blob, BlobHash, SealedKey};
use crate::model::rotations::{
    BlobKeyBatch, BlobKeyReplacement, BlobKeysOutcome, Rotation, RotationBatchOutcome,
};
use crate::model::sessions::Caller;
use crate::store::group::WriteTx;
use crate::store::keys::find_keys;
use crate::store::{Store, sessions};

const PAGE: &str = "
    SELECT hash, wrapped_key, key_version FROM blobs
    WHERE log = ?1 AND (?2 IS NULL OR hash > ?2) AND wrapped_key IS NOT NULL AND key_version <> ?3
        AND NOT EXISTS (
            SELECT 1 FROM rotation_kept_blob_keys AS kept WHERE kept.rotation = ?4 AND kept.object = blobs.object)
    ORDER BY hash LIMIT ?5";
const FIND: &str =
    "SELECT object, key_version FROM blobs WHERE log = ?1 AND hash = ?2 AND wrapped_key IS NOT NULL";
const IS_KEPT: &str = "SELECT 1 FROM rotation_kept_blob_keys WHERE rotation = ?1 AND object = ?2";
const KEEP: &str =
    "INSERT INTO rotation_kept_blob_keys (rotation, object) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const UNKEEP: &str = "DELETE FROM rotation_kept_blob_keys WHERE rotation = ?1 AND object = ?2";
const BACK_UP: &str = "
    INSERT INTO rotation_replaced_blob_keys (rotation, object, key_version, wrapped_key)
    SELECT ?1, object, key_version, wrapped_key FROM blobs WHERE object = ?2";
const REPLACE: &str = "UPDATE blobs SET wrapped_key = ?2, key_version = ?3 WHERE object = ?1";
const PROGRESS: &str = "
    UPDATE rotations SET blobs_remaining = blobs_remaining - ?2, started = max(started, ?3) WHERE id = ?1
    RETURNING blobs_remaining";

/// Counts a blob that was confirmed, if a rotation is running.
pub(in crate::store) fn note_blob_added(tx: &WriteTx<'_>, log: i64, blob: &Blob) -> Result<(), Fault> {
    note(tx, log, blob, 1)
}

/// Discounts a blob that is about to be removed, if a rotation is running.
pub(in crate::store) fn note_blob_removed(tx: &WriteTx<'_>, log: i64, blob: &Blob) -> Result<(), Fault> {
    note(tx, log, blob, -1)
}

fn note(tx: &WriteTx<'_>, log: i64, blob: &Blob, count: i64) -> Result<(), Fault> {
    let Some(key) = &blob.key else { return Ok(()) };
    let keys = find_keys(tx, log)?;
    let Some(rotation) = keys.running() else { return Ok(()) };
    let is_new = key.key_version == rotation.key_version;
    let is_left = !is_new && !tx.prepare_cached(IS_KEPT)?.exists((rotation.id, blob.object.as_bytes()))?;
    let done = if is_left { -count } else { 0 };
    tx.prepare_cached(PROGRESS)?.query_row((rotation.id, done, is_new), |_| Ok(()))?;
    Ok(())
}

impl Store {
    /// Lists wrapped keys of the caller that the running rotation has left to do, from the blob after `after`.
    pub async fn rotation_blob_keys(
        &self,
        caller: &Caller,
        after: Option<BlobHash>,
        limit: usize,
    ) -> Result<BlobKeysOutcome, Fault> {
        let (log, session) = (caller.log, caller.session);
        self.read(move |connection| {
            sessions::require_live(connection, session)?;
            page(connection, log, after, limit)
        })
        .await
    }

    /// Replaces wrapped keys of the caller's blobs by what a device has encrypted under the new master key, or notes
    /// that they are kept as they are: all of them or none. What an earlier batch did is not done again.
    pub async fn rotate_blob_keys(
        &self,
        caller: &Caller,
        batch: BlobKeyBatch,
    ) -> Result<RotationBatchOutcome, Fault> {
        let log = caller.log;
        self.write_for(caller, batch.keys.len(), move |tx| {
            let keys = find_keys(tx, log)?;
            let is_for = |rotation: &&Rotation| {
                batch.key_version.is_none_or(|version| version == rotation.key_version)
            };
            let Some(rotation) = keys.running().filter(is_for) else {
                return Ok(RotationBatchOutcome::NoRotation);
            };
            match look_up(tx, log, &batch)? {
                Ok(found) => apply(tx, rotation, &found).map(RotationBatchOutcome::Stored),
                Err(faults) => Ok(RotationBatchOutcome::Faulty(faults)),
            }
        })
        .await
    }
}

fn page(
    connection: &Connection,
    log: i64,
    after: Option<BlobHash>,
    limit: usize,
) -> Result<BlobKeysOutcome, Fault> {
    let keys = find_keys(connection, log)?;
    let Some(rotation) = keys.running() else { return Ok(BlobKeysOutcome::NoRotation) };
    let from_row = |row: &Row<'_>| {
        let key = SealedKey { wrapped_key: row.get(1)?, key_version: row.get(2)? };
        Ok((BlobHash(row.get(0)?), key))
    };
    let after = after.map(|hash| hash.0);
    let mut statement = connection.prepare_cached(PAGE)?;
    let mut keys: Vec<_> = statement
        .query_map((log, after, rotation.key_version, rotation.id, limit + 1), from_row)?
        .collect::<rusqlite::Result<_>>()?;
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    Ok(BlobKeysOutcome::Page { keys, has_more, remaining: rotation.blobs_remaining })
}

/// A blob as it is, and what replaces its key.
struct KeyToRotate<'b> {
    object: [u8; 16],
    key_version: u32,
    rotated: &'b BlobKeyReplacement,
}

/// The blobs that a batch names, or a fault for each that is not in this log or has no wrapped key.
fn look_up<'b>(
    tx: &WriteTx<'_>,
    log: i64,
    batch: &'b BlobKeyBatch,
) -> Result<Result<Vec<KeyToRotate<'b>>, Vec<ChangeFault>>, Fault> {
    let (mut found, mut faults) = (Vec::with_capacity(batch.keys.len()), Vec::new());
    let mut statement = tx.prepare_cached(FIND)?;
    for (index, (hash, rotated)) in batch.keys.iter().enumerate() {
        let from_row =
            |row: &Row<'_>| Ok(KeyToRotate { object: row.get(0)?, key_version: row.get(1)?, rotated });
        match statement.query_row((log, hash.0), from_row).optional()? {
            Some(blob) => found.push(blob),
            None => {
                let reason = "names no blob of this user that has a sealed key".into();
                faults.push(ChangeFault { index, field: "hash".into(), reason });
            }
        }
    }
    Ok(if faults.is_empty() { Ok(found) } else { Err(faults) })
}

fn apply(
    tx: &WriteTx<'_>,
    rotation: &Rotation,
    found: &[KeyToRotate<'_>],
) -> Result<RotationBatchResponse, Fault> {
    let (mut updated, mut no_longer_left, mut replaced_any) = (0, 0_u64, false);
    for blob in found.iter().filter(|blob| blob.key_version != rotation.key_version) {
        match blob.rotated {
            BlobKeyReplacement::Kept => {
                let is_new = tx.prepare_cached(KEEP)?.execute((rotation.id, blob.object))? > 0;
                updated += u64::from(is_new);
                no_longer_left += u64::from(is_new);
            }
            BlobKeyReplacement::Sealed(key) => {
                let was_kept = tx.prepare_cached(UNKEEP)?.execute((rotation.id, blob.object))? > 0;
                tx.prepare_cached(BACK_UP)?.execute((rotation.id, blob.object))?;
                tx.prepare_cached(REPLACE)?.execute((blob.object, key, rotation.key_version))?;
                updated += 1;
                no_longer_left += u64::from(!was_kept);
                replaced_any = true;
            }
        }
    }
    let progress = (rotation.id, no_longer_left, replaced_any);
    let remaining = tx.prepare_cached(PROGRESS)?.query_row(progress, |row| row.get(0))?;
    Ok(RotationBatchResponse { updated, remaining })
}
