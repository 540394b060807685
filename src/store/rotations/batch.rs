//! Replacing the data of entries by the same data under the new key.

use rusqlite::{OptionalExtension, Row};
use tidelog_protocol::{ChangeFault, RotationBatchResponse};

use crate::error::Fault;
use crate::model::changes::{Data, base64_len};
use crate::model::rotations::{EntryBatch, EntryReplacement, Rotation, RotationBatchOutcome};
use crate::model::sessions::Caller;
use crate::store::Store;
use crate::store::changes::{adjust_bytes, data_value};
use crate::store::group::WriteTx;
use crate::store::keys::find_keys;

/// The key that an entry is encrypted under, and bytes of its data as sent.
const ENTRY: &str = "
    SELECT key_version, CASE typeof(data) WHEN 'blob' THEN (octet_length(data) + 2) / 3 * 4 ELSE octet_length(data) END
    FROM changes WHERE seq = ?1 AND log = ?2 AND typeof(data) <> 'null'";
const KEEP: &str = "INSERT INTO rotation_kept_entries (rotation, seq) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const UNKEEP: &str = "DELETE FROM rotation_kept_entries WHERE rotation = ?1 AND seq = ?2";
const BACK_UP: &str = "
    INSERT INTO rotation_replaced_entries (rotation, seq, key_version, data)
    SELECT ?1, seq, key_version, data FROM changes WHERE seq = ?2";
const REPLACE: &str = "UPDATE changes SET data = ?2, key_version = ?3 WHERE seq = ?1";
const PROGRESS: &str = "
    UPDATE rotations SET remaining = remaining - ?2, started = max(started, ?3) WHERE id = ?1 RETURNING remaining";
/// The log may be rewritten until [`FORBID_REWRITES`].
pub(super) const ALLOW_REWRITES: &str = "INSERT INTO append_only_exceptions (reason) VALUES ('rotation')";
/// The log is append-only again.
pub(super) const FORBID_REWRITES: &str = "DELETE FROM append_only_exceptions";

impl Store {
    /// Replaces the data of entries of the caller's log by what a device has encrypted under the new key, or notes
    /// that they are kept as they are: all of them or none. What an earlier batch did is not done again.
    pub async fn rotate_entries(
        &self,
        caller: &Caller,
        batch: EntryBatch,
    ) -> Result<RotationBatchOutcome, Fault> {
        let log = caller.log;
        self.write_for(caller, batch.weight() / 1024, move |tx| {
            let keys = find_keys(tx, log)?;
            let Some(rotation) = keys.running().filter(|rotation| batch.is_for(rotation)) else {
                return Ok(RotationBatchOutcome::NoRotation);
            };
            match look_up(tx, log, &batch)? {
                Ok(entries) => apply(tx, log, rotation, &entries).map(RotationBatchOutcome::Stored),
                Err(faults) => Ok(RotationBatchOutcome::Faulty(faults)),
            }
        })
        .await
    }
}

/// An entry as it is, and what replaces it.
struct EntryToRotate<'b> {
    seq: i64,
    key_version: u32,
    data_bytes: i64,
    rotated: &'b EntryReplacement,
}

/// The entries that a batch names, or a fault for each that is not in this log or has no data.
fn look_up<'b>(
    tx: &WriteTx<'_>,
    log: i64,
    batch: &'b EntryBatch,
) -> Result<Result<Vec<EntryToRotate<'b>>, Vec<ChangeFault>>, Fault> {
    let (mut entries, mut faults) = (Vec::with_capacity(batch.entries.len()), Vec::new());
    let mut statement = tx.prepare_cached(ENTRY)?;
    for (index, (seq, rotated)) in batch.entries.iter().enumerate() {
        let from_row = |row: &Row<'_>| {
            Ok(EntryToRotate { seq: *seq, key_version: row.get(0)?, data_bytes: row.get(1)?, rotated })
        };
        match statement.query_row((seq, log), from_row).optional()? {
            Some(found) => entries.push(found),
            None => {
                let reason = "names no entry of this log that has data".into();
                faults.push(ChangeFault { index, field: "seq".into(), reason });
            }
        }
    }
    Ok(if faults.is_empty() { Ok(entries) } else { Err(faults) })
}

/// What a batch has done so far.
#[derive(Default)]
struct BatchProgress {
    updated: u64,
    no_longer_left: u64,
    replaced_any: bool,
    grown_by: i64,
}

fn apply(
    tx: &mut WriteTx<'_>,
    log: i64,
    rotation: &Rotation,
    entries: &[EntryToRotate<'_>],
) -> Result<RotationBatchResponse, Fault> {
    let mut done = BatchProgress::default();
    tx.prepare_cached(ALLOW_REWRITES)?.execute([])?;
    for entry in entries.iter().filter(|entry| entry.key_version != rotation.key_version) {
        match entry.rotated.data() {
            None => keep(tx, rotation, entry, &mut done)?,
            Some(data) => replace(tx, rotation, entry, data, &mut done)?,
        }
    }
    tx.prepare_cached(FORBID_REWRITES)?.execute([])?;
    let progress = (rotation.id, done.no_longer_left, done.replaced_any);
    let remaining = tx.prepare_cached(PROGRESS)?.query_row(progress, |row| row.get(0))?;
    adjust_bytes(tx, log, done.grown_by)?;
    Ok(RotationBatchResponse { updated: done.updated, remaining })
}

fn keep(
    tx: &WriteTx<'_>,
    rotation: &Rotation,
    entry: &EntryToRotate<'_>,
    done: &mut BatchProgress,
) -> Result<(), Fault> {
    let is_new = tx.prepare_cached(KEEP)?.execute((rotation.id, entry.seq))? > 0;
    done.updated += u64::from(is_new);
    done.no_longer_left += u64::from(is_new);
    Ok(())
}

fn replace(
    tx: &WriteTx<'_>,
    rotation: &Rotation,
    entry: &EntryToRotate<'_>,
    data: Data<'_>,
    done: &mut BatchProgress,
) -> Result<(), Fault> {
    let was_kept = tx.prepare_cached(UNKEEP)?.execute((rotation.id, entry.seq))? > 0;
    tx.prepare_cached(BACK_UP)?.execute((rotation.id, entry.seq))?;
    tx.prepare_cached(REPLACE)?.execute((entry.seq, data_value(data), rotation.key_version))?;
    done.updated += 1;
    done.no_longer_left += u64::from(!was_kept);
    done.replaced_any = true;
    done.grown_by += sent_bytes(data) - entry.data_bytes;
    Ok(())
}

/// Bytes of data as sent.
fn sent_bytes(data: Data<'_>) -> i64 {
    let bytes = match data {
        Data::Nothing => 0,
        Data::Base64(bytes) => base64_len(bytes.len()),
        Data::Text(text) => text.len(),
    };
    bytes as i64
}
