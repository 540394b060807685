//! Pushing: one batch into one log, all or nothing.

use std::sync::Arc;

use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::batches::{self, NewBatch, newest_unfiled};
use super::rows::{data_value, row_id_value};
use super::{Device, Log, cursor_at, find_device, find_log};
use crate::error::Fault;
use crate::model::changes::{Batch, Data, FaultyPush, Push};
use crate::model::log_heads::Reader;
use crate::model::sessions::Caller;
use crate::notify::Pushed;
use crate::store::group::WriteTx;
use crate::store::{Store, devices, rotations, sessions};

const INSERT_CHANGE: &str = "
    INSERT INTO changes (seq, log, op, table_name, row_id, timestamp, key_version, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

impl Store {
    /// Appends a batch to the caller's log. The answer comes once the batch is on disk.
    ///
    /// # Errors
    /// A fault of the database: nothing of the batch is in the log, or, if a commit failed half-way, nobody can know; the
    /// same batch may be pushed again in either case.
    pub async fn push(&self, caller: Arc<Caller>, batch: Batch) -> Result<Push, Fault> {
        self.write(batch.weight() / 1024, move |tx| push(tx, &caller, &batch)).await
    }

    /// What the caller must be told before the faults of an invalid batch are: that the device may not push, that the batch
    /// is known, or that it names another key than the current one. `None`: nothing of the kind.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn precheck_push(&self, caller: &Caller, push: FaultyPush) -> Result<Option<Push>, Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read(move |connection| {
            let unfiled_seq = shared.tails.find(caller.log, push.batch);
            sessions::require(connection, caller.session)?;
            let device = match find_device(connection, push.device, caller.log)? {
                None => return Ok(Some(Push::UnknownDevice)),
                Some(device) if device.removed => return Ok(Some(Push::RevokedDevice)),
                Some(device) => device,
            };
            if let Some(known) = batches::find(connection, caller.log, push.batch, unfiled_seq)? {
                return Ok(push.digest.map(|digest| known.answer(&caller, &device, &digest)));
            }
            let keys = find_log(connection, caller.log, 0)?.keys;
            let conflict = push.key_versions.iter().any(|version| !keys.admit(*version));
            Ok(conflict.then_some(Push::KeyVersionConflict(keys.current)))
        })
        .await
    }
}

fn push(tx: &mut WriteTx<'_>, caller: &Caller, batch: &Batch) -> Result<Push, Fault> {
    let device = match tx.known.device(caller.session, batch.device) {
        Some(device) => device,
        None => match admit(tx, caller, batch.device)? {
            None => return Ok(Push::UnknownDevice),
            Some(device) if device.removed => return Ok(Push::RevokedDevice),
            Some(device) => device,
        },
    };
    let device = device.as_seen(tx.shared);
    let log = match tx.known.log(caller.log) {
        Some(log) => log,
        None => find_log(tx, caller.log, newest_unfiled(tx, caller.log))?,
    };
    if let Some(refusal) = refuse(tx, caller, batch, &device, &log)? {
        // A repeat is answered as the first push was, whatever has changed since.
        return Ok(known_answer(tx, caller, batch, &device)?.unwrap_or(refusal));
    }
    match append(tx, caller, batch, &device, &log)? {
        Some((cursor, last_seq)) => Ok(Push::Stored { cursor, last_seq }),
        None => known_answer(tx, caller, batch, &device)?
            .ok_or_else(|| Fault::Internal("a batch is known and cannot be found".into())),
    }
}

/// The device, if the session may speak for it, which is noted if it is live.
fn admit(tx: &mut WriteTx<'_>, caller: &Caller, id: Uuid) -> Result<Option<Device>, Fault> {
    sessions::require(tx, caller.session)?;
    let Some(device) = find_device(tx, id, caller.log)? else { return Ok(None) };
    if !device.removed {
        devices::link_session(tx, caller.session, device.id)?;
        tx.known.keep_device(caller.session, id, device);
    }
    Ok(Some(device))
}

/// The checks that depend on the log: its key version, then the position that the client expects it to be at.
fn refuse(
    tx: &WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    device: &Device,
    log: &Log,
) -> Result<Option<Push>, Fault> {
    if batch.key_versions().any(|version| !log.keys.admit(version)) {
        return Ok(Some(Push::KeyVersionConflict(log.keys.current)));
    }
    let Some(expected) = batch.expected_cursor else { return Ok(None) };
    let epochs = tx.shared.epochs()?;
    // Units before this one in the same group are not in `shared.head` yet, but no client can hold their cursors either.
    let head = tx.shared.head.load(std::sync::atomic::Ordering::SeqCst);
    Ok(match epochs.resolve(expected, head) {
        None => Some(Push::LogRewound(cursor_at(&epochs, caller, device.resume_seq(expected)))),
        Some(seq) if log.head.foreign_seq(device.id) > seq => Some(Push::LogMoved),
        Some(_) => None,
    })
}

/// Inserts the batch and its changes, unless the batch is known; gives the answer's cursor and the last seq. `None`: it is,
/// and nothing was done.
fn append(
    tx: &mut WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    device: &Device,
    log: &Log,
) -> Result<Option<(Cursor, i64)>, Fault> {
    let changes = batch.changes();
    let first = tx.newest_seq() + 1;
    let last = tx.newest_seq() + changes.len() as i64;
    let reader = Reader { device: device.id, pulled_seq: device.pulled_seq, own_until: device.own_until };
    let safe = log.head.safe_position(&reader, last);
    let epochs = tx.shared.epochs()?;
    let after = Log {
        head: log.head.advanced(device.id, last),
        total_changes: log.total_changes + changes.len() as u64,
        change_bytes: log.change_bytes + batch.data_bytes() as u64,
        ..*log
    };
    let row = NewBatch {
        log: caller.log,
        first_seq: first,
        last_seq: last,
        device: device.id,
        cursor_seq: safe,
        epoch: epochs.current().id,
        other_seq: after.head.other_seq,
        total_changes: after.total_changes,
        change_bytes: after.change_bytes,
    };
    if !batches::insert(tx, batch, &row)? {
        return Ok(None);
    }
    let mut insert = tx.prepare_cached(INSERT_CHANGE)?;
    for (seq, change) in (first..).zip(changes) {
        insert.execute((
            seq,
            caller.log,
            change.op.code(),
            change.table,
            row_id_value(&change.row_id),
            change.time_us,
            change.key_version.unwrap_or(log.keys.current),
            data_value(change.data),
        ))?;
    }
    drop(insert);
    if let Some(pending) = log.keys.pending {
        note_for_rotation(tx, caller.log, batch, pending)?;
    }
    tx.spend_seqs(last);
    tx.known.keep_log(caller.log, after);
    tx.shared.presence.touch(device.id, tx.now_us);
    let (session, device) = (caller.session, batch.device);
    tx.leave_pushed(Pushed { log: caller.log, session, device, seq: last });
    Ok(Some((cursor_at(&epochs, caller, safe), last)))
}

/// What is under the old key is left to do; what is under the new one makes the rotation final.
fn note_for_rotation(tx: &WriteTx<'_>, log: i64, batch: &Batch, pending: u32) -> Result<(), Fault> {
    let (new, old): (Vec<_>, Vec<_>) =
        batch.changes().partition(|change| change.key_version == Some(pending));
    let left_to_do = old.iter().filter(|change| change.data != Data::Nothing).count() as u64;
    rotations::note_pushed(tx, log, left_to_do, !new.is_empty())
}

/// The answer to a batch that was pushed before. `None`: it was not.
fn known_answer(
    tx: &WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    device: &Device,
) -> Result<Option<Push>, Fault> {
    let known = batches::find(tx, caller.log, batch.id, batches::unfiled_seq(tx, caller.log, batch.id))?;
    Ok(known.map(|known| known.answer(caller, device, batch.digest())))
}
