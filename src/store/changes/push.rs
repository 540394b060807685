//! Pushing: one batch into one log, all or nothing.

use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::{Cursor, EpochTag};
use uuid::Uuid;

use super::{Device, Log, cursor_at, find_device, find_log};
use crate::error::Fault;
use crate::model::changes::{Batch, FaultyPush, NewChange, Push, digest};
use crate::model::log_heads::Reader;
use crate::model::sessions::Caller;
use crate::store::group::WriteTx;
use crate::store::{Store, devices, sessions};

const BATCH: &str = "
    SELECT batches.device, digest, cursor_seq, epochs.tag
    FROM batches JOIN epochs ON epochs.id = batches.epoch
    WHERE log = ?1 AND batch_id = ?2";
const INSERT_BATCH: &str = "
    INSERT INTO batches (log, batch_id, device, digest, cursor_seq, epoch, received_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const INSERT_CHANGE: &str = "
    INSERT INTO changes (seq, log, batch, op, tbl, row_id, time, key_version, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const ADVANCE_LOG: &str = "
    UPDATE logs SET head_seq = ?2, head_device = ?3, other_seq = ?4,
        total_changes = total_changes + ?5, change_bytes = change_bytes + ?6
    WHERE id = ?1";

/// Bytes of a change besides its text, for the writer's queue.
const CHANGE_OVERHEAD_BYTES: usize = 128;

impl Store {
    /// Appends a batch to the caller's log. The answer comes once the batch is on disk.
    ///
    /// # Errors
    /// A fault of the database: nothing of the batch is in the log, or, if a commit failed half-way, nobody can know; the
    /// same batch may be pushed again in either case.
    pub async fn push(&self, caller: &Caller, batch: Batch) -> Result<Push, Fault> {
        let caller = caller.clone();
        let digest = digest(&batch.changes);
        let session = caller.session;
        let (outcome, device) = self
            .write_for(&caller.clone(), weight_kib(&batch), move |tx| push(tx, &caller, &batch, &digest))
            .await?;
        if let Some(device) = device {
            self.shared.presence.link(session, device);
        }
        Ok(outcome)
    }

    /// What the caller must be told before the faults of an invalid batch are: that the device may not push, that the batch
    /// is known, or that it names another key than the current one. `None`: nothing of the kind.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn precheck_push(&self, caller: &Caller, push: FaultyPush) -> Result<Option<Push>, Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read(move |connection| {
            sessions::require(connection, caller.session)?;
            let device = match find_device(connection, &shared, push.device, caller.log)? {
                None => return Ok(Some(Push::UnknownDevice)),
                Some(device) if device.removed => return Ok(Some(Push::RevokedDevice)),
                Some(device) => device,
            };
            if let Some(known) = find_batch(connection, &caller, push.batch)? {
                return Ok(push.digest.map(|digest| known.answer(&caller, &device, &digest)));
            }
            let current = find_log(connection, caller.log)?.key_version;
            let conflict = push.key_versions.iter().any(|version| *version != current);
            Ok(conflict.then_some(Push::KeyVersionConflict(current)))
        })
        .await
    }
}

fn weight_kib(batch: &Batch) -> usize {
    let bytes = |change: &NewChange| {
        change.table.len()
            + change.row_id.len()
            + change.data.as_ref().map_or(0, String::len)
            + CHANGE_OVERHEAD_BYTES
    };
    batch.changes.iter().map(bytes).sum::<usize>() / 1024
}

/// What came of it, and the device if the session is now known to speak for it.
type Pushed = (Push, Option<i64>);

fn push(tx: &mut WriteTx<'_>, caller: &Caller, batch: &Batch, digest: &[u8; 32]) -> Result<Pushed, Fault> {
    let Some(device) = find_device(tx, tx.shared, batch.device, caller.log)? else {
        return Ok((Push::UnknownDevice, None));
    };
    if device.removed {
        return Ok((Push::RevokedDevice, None));
    }
    devices::link_session(tx, caller.session, device.id)?;
    let outcome = push_from(tx, caller, batch, digest, &device)?;
    Ok((outcome, Some(device.id)))
}

fn push_from(
    tx: &mut WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    digest: &[u8; 32],
    device: &Device,
) -> Result<Push, Fault> {
    if let Some(known) = find_batch(tx, caller, batch.id)? {
        return Ok(known.answer(caller, device, digest));
    }
    let log = find_log(tx, caller.log)?;
    if let Some(refusal) = refuse(tx, caller, batch, device, &log)? {
        return Ok(refusal);
    }
    append(tx, caller, batch, digest, device, &log).map(Push::Stored)
}

/// The checks that depend on the log: its key version, then the position that the client expects it to be at.
fn refuse(
    tx: &WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    device: &Device,
    log: &Log,
) -> Result<Option<Push>, Fault> {
    let named = batch.changes.iter().filter_map(|change| change.key_version);
    if named.into_iter().any(|version| version != log.key_version) {
        return Ok(Some(Push::KeyVersionConflict(log.key_version)));
    }
    let Some(expected) = batch.expected_cursor else { return Ok(None) };
    let epochs = tx.shared.epochs()?;
    // Units before this one in the same group are not in `shared.head` yet, but no client can hold their cursors either.
    let head = tx.shared.head.load(std::sync::atomic::Ordering::SeqCst);
    Ok(match epochs.resolve(expected, head) {
        None => Some(Push::LogRewound(cursor_at(&epochs, caller, device.pulled_seq))),
        Some(seq) if log.head.foreign_seq(device.id) > seq => Some(Push::LogMoved),
        Some(_) => None,
    })
}

fn append(
    tx: &mut WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    digest: &[u8; 32],
    device: &Device,
    log: &Log,
) -> Result<Cursor, Fault> {
    let first = tx.take_seqs(batch.changes.len());
    let last = first + batch.changes.len() as i64 - 1;
    let reader = Reader { device: device.id, pulled_seq: device.pulled_seq, own_until: device.own_until };
    let safe = log.head.safe_position(&reader, last);
    let epochs = tx.shared.epochs()?;
    tx.prepare_cached(INSERT_BATCH)?.execute((
        caller.log,
        batch.id.as_bytes(),
        device.id,
        digest,
        safe,
        epochs.current().id,
        tx.now_us,
    ))?;
    let batch_row = tx.last_insert_rowid();
    let mut insert = tx.prepare_cached(INSERT_CHANGE)?;
    let mut data_bytes = 0;
    for (seq, change) in (first..).zip(&batch.changes) {
        data_bytes += change.data.as_ref().map_or(0, String::len);
        let key_version = change.key_version.unwrap_or(log.key_version);
        let NewChange { table, op, row_id, time_us, data, .. } = change;
        insert.execute((seq, caller.log, batch_row, op, table, row_id, time_us, key_version, data))?;
    }
    let head = log.head.advanced(device.id, last);
    tx.prepare_cached(ADVANCE_LOG)?.execute((
        caller.log,
        head.seq,
        head.device,
        head.other_seq,
        batch.changes.len(),
        data_bytes,
    ))?;
    tx.shared.presence.touch(device.id, tx.now_us);
    Ok(cursor_at(&epochs, caller, safe))
}

/// A batch that was pushed before.
struct KnownBatch {
    device: i64,
    digest: [u8; 32],
    cursor_seq: i64,
    epoch: EpochTag,
}

impl KnownBatch {
    /// The answer to a push under its id: the one that it was given, if it is the same push again.
    fn answer(&self, caller: &Caller, device: &Device, digest: &[u8; 32]) -> Push {
        let cursor = Cursor::formatted(self.cursor_seq, self.epoch, caller.cursor_format);
        let same = self.device == device.id && self.digest == *digest;
        if same { Push::Stored(cursor) } else { Push::BatchIdReused(cursor) }
    }
}

fn find_batch(connection: &Connection, caller: &Caller, batch: Uuid) -> Result<Option<KnownBatch>, Fault> {
    let from_row = |row: &Row<'_>| {
        let tag: String = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, tag))
    };
    let row =
        connection.prepare_cached(BATCH)?.query_row((caller.log, batch.as_bytes()), from_row).optional()?;
    let Some((device, digest, cursor_seq, tag)) = row else { return Ok(None) };
    let epoch = EpochTag::from_str(&tag).map_err(Fault::internal)?;
    Ok(Some(KnownBatch { device, digest, cursor_seq, epoch }))
}
