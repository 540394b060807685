//! Pushing: one batch into one log, all or nothing.

use std::sync::Arc;

use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::batches::{self, log_state};
use super::rows::{data_value, row_id_value};
use crate::error::Fault;
use crate::model::changes::{Batch, Data, FaultyPush, PushOutcome};
use crate::model::logs::{LogDevice, LogState};
use crate::model::sessions::Caller;
use crate::notify::Pushed;
use crate::store::batch_buffer::NewBatch;
use crate::store::epochs::cursor_at;
use crate::store::group::WriteTx;
use crate::store::{Store, devices, rotation_progress, sessions};

const INSERT_CHANGE: &str = "
    INSERT INTO changes (seq, log, op, table_name, row_id, timestamp, key_version, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

impl Store {
    /// Appends a batch to the caller's log, and returns once it is on disk.
    ///
    /// # Errors
    /// After any fault the same batch may be pushed again: nothing of it is in the log, or, if a commit failed
    /// half-way, it is unknown whether it is.
    pub async fn push(&self, caller: Arc<Caller>, batch: Batch) -> Result<PushOutcome, Fault> {
        self.write(batch.weight() / 1024, move |tx| push(tx, &caller, &batch)).await
    }

    /// Returns what must be answered instead of the faults of an invalid batch: that the device may not push, that
    /// the batch was pushed before, or that it names a key which the log does not accept. `None`: the faults.
    pub async fn precheck_push(
        &self,
        caller: &Caller,
        push: FaultyPush,
    ) -> Result<Option<PushOutcome>, Fault> {
        let caller = caller.clone();
        self.read_log(caller.log, move |log| {
            sessions::require_live(log.connection, caller.session)?;
            let device = match devices::find_in_log(log.connection, log.log, push.device)? {
                None => return Ok(Some(PushOutcome::UnknownDevice)),
                Some(device) if device.is_removed => return Ok(Some(PushOutcome::RevokedDevice)),
                Some(device) => device,
            };
            let buffered_seq = log.find_buffered(push.batch);
            if let Some(first) = batches::find(log.connection, log.log, push.batch, buffered_seq)? {
                return Ok(push.digest.map(|digest| first.answer(&caller, &device, &digest)));
            }
            let keys = log_state(log.connection, log.log, log.buffered_head())?.keys;
            let conflict = push.key_versions.iter().any(|version| !keys.admit(*version));
            Ok(conflict.then_some(PushOutcome::KeyVersionConflict(keys.current)))
        })
        .await
    }
}

fn push(tx: &mut WriteTx<'_>, caller: &Caller, batch: &Batch) -> Result<PushOutcome, Fault> {
    if !tx.cache.has_session(caller.session) {
        sessions::require_live(tx, caller.session)?;
        tx.cache.keep_session(caller.session);
    }
    let device = match find_device(tx, caller.log, batch.device)? {
        None => return Ok(PushOutcome::UnknownDevice),
        Some(device) if device.is_removed => return Ok(PushOutcome::RevokedDevice),
        Some(device) => tx.shared.progress.applied_to(device),
    };
    devices::link(tx, caller.session, batch.device)?;
    let state = match tx.cache.log(caller.log) {
        Some(state) => state,
        None => log_state(tx, caller.log, tx.buffer.head(caller.log))?,
    };
    if let Some(refusal) = check(tx, caller, batch, &device, &state)? {
        // A repeat is answered as the first push was, whatever has changed since.
        return Ok(answer_to_repeat(tx, caller, batch, &device)?.unwrap_or(refusal));
    }
    if batches::exists(tx, caller.log, batch.id)? {
        return answer_to_repeat(tx, caller, batch, &device)?
            .ok_or_else(|| Fault::Internal("a batch exists and cannot be found".into()));
    }
    let (cursor, last_seq) = append(tx, caller, batch, &device, &state)?;
    Ok(PushOutcome::Stored { cursor, last_seq })
}

/// The device as its row holds it, from the cache if it is live.
fn find_device(tx: &mut WriteTx<'_>, log: i64, id: Uuid) -> Result<Option<LogDevice>, Fault> {
    if let Some(device) = tx.cache.device(log, id) {
        return Ok(Some(device));
    }
    let found = devices::find_in_log(tx, log, id)?;
    if let Some(device) = found.filter(|device| !device.is_removed) {
        tx.cache.keep_device(log, id, device);
    }
    Ok(found)
}

/// The checks that depend on the log: the key version, then the position that the client expects the log to be at.
fn check(
    tx: &WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    device: &LogDevice,
    state: &LogState,
) -> Result<Option<PushOutcome>, Fault> {
    if batch.key_versions().any(|version| !state.keys.admit(version)) {
        return Ok(Some(PushOutcome::KeyVersionConflict(state.keys.current)));
    }
    let Some(expected) = batch.expected_cursor else { return Ok(None) };
    let epochs = tx.shared.epochs()?;
    // Operations before this one in the same group are not in the committed seq yet, but no client can hold their
    // cursors.
    Ok(match epochs.resolve(expected, tx.committed_seq()) {
        None => Some(PushOutcome::LogRewound(cursor_at(&epochs, caller, device.resume_seq(expected)))),
        // Whoever wrote it: two installations may go by one device, such as copies of an app's folder.
        Some(seq) if state.head.seq > seq => Some(PushOutcome::LogMoved),
        Some(_) => None,
    })
}

/// Inserts a new batch and its changes. Returns the answer's cursor and the last seq.
fn append(
    tx: &mut WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    device: &LogDevice,
    state: &LogState,
) -> Result<(Cursor, i64), Fault> {
    let changes = batch.changes();
    let first_seq = tx.newest_seq() + 1;
    let last_seq = tx.newest_seq() + changes.len() as i64;
    let cursor_seq = state.head.safe_position(device, last_seq);
    let epochs = tx.shared.epochs()?;
    let after = LogState {
        head: state.head.advanced(device.id, last_seq),
        total_changes: state.total_changes + changes.len() as u64,
        change_bytes: state.change_bytes + batch.data_bytes() as u64,
        ..*state
    };
    let row = NewBatch {
        log: caller.log,
        id: batch.id,
        first_seq,
        last_seq,
        device: device.id,
        digest: batch.digest(),
        cursor_seq,
        epoch: epochs.current().id,
        received_at: tx.now_us,
        newest_other_seq: after.head.newest_other_seq,
        total_changes: after.total_changes,
        change_bytes: after.change_bytes,
    };
    let (connection, committed_seq) = (tx.connection(), tx.committed_seq());
    tx.buffer.insert(connection, &row, committed_seq)?;
    let mut insert = connection.prepare_cached(INSERT_CHANGE)?;
    for (seq, change) in (first_seq..).zip(changes) {
        insert.execute((
            seq,
            caller.log,
            change.op.code(),
            change.table,
            row_id_value(&change.row_id),
            change.time_us,
            change.key_version.unwrap_or(state.keys.current),
            data_value(change.data),
        ))?;
    }
    if let Some(pending) = state.keys.pending {
        note_for_rotation(tx, caller.log, batch, pending)?;
    }
    tx.assign_seqs(last_seq);
    tx.cache.keep_log(caller.log, after);
    tx.shared.progress.note_seen(device.id, tx.now_us);
    let (session, device) = (caller.session, batch.device);
    tx.publish_push(Pushed { log: caller.log, session, device, seq: last_seq });
    Ok((cursor_at(&epochs, caller, cursor_seq), last_seq))
}

/// Counts entries under the old key as left to do. One under the new key means that the rotation has started.
fn note_for_rotation(tx: &WriteTx<'_>, log: i64, batch: &Batch, pending: u32) -> Result<(), Fault> {
    let (new, old): (Vec<_>, Vec<_>) =
        batch.changes().partition(|change| change.key_version == Some(pending));
    let left_to_do = old.iter().filter(|change| change.data != Data::Nothing).count() as u64;
    rotation_progress::note_pushed(tx, log, left_to_do, !new.is_empty())
}

/// The answer to a batch that was pushed before. `None`: it was not.
fn answer_to_repeat(
    tx: &WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    device: &LogDevice,
) -> Result<Option<PushOutcome>, Fault> {
    let buffered_seq = tx.buffer.find(caller.log, batch.id);
    let first = batches::find(tx, caller.log, batch.id, buffered_seq)?;
    Ok(first.map(|first| first.answer(caller, device, batch.digest())))
}
