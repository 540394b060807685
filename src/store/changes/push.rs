//! Pushing: one batch into one log, all or nothing.

use std::str::FromStr;
use std::sync::Arc;

use rusqlite::types::{Null, ToSqlOutput};
use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::{Cursor, EpochTag};
use uuid::Uuid;

use super::{Device, Log, cursor_at, find_device, find_log};
use crate::error::Fault;
use crate::model::changes::{Batch, Data, FaultyPush, Push, RowId};
use crate::model::log_heads::Reader;
use crate::model::sessions::Caller;
use crate::store::group::WriteTx;
use crate::store::{Store, devices, sessions};

const BATCH: &str = "
    SELECT batches.device, digest, cursor_seq, epochs.tag
    FROM batches JOIN epochs ON epochs.id = batches.epoch
    WHERE log = ?1 AND batch_id = ?2";
const INSERT_BATCH: &str = "
    INSERT INTO batches (log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at, other_seq,
        total_changes, change_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
    ON CONFLICT (log, batch_id) DO NOTHING";
const INSERT_CHANGE: &str = "
    INSERT INTO changes (seq, log, op, tbl, row_id, time, key_version, data)
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
        let caller = caller.clone();
        self.read(move |connection| {
            sessions::require(connection, caller.session)?;
            let device = match find_device(connection, push.device, caller.log)? {
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
        None => find_log(tx, caller.log)?,
    };
    if let Some(refusal) = refuse(tx, caller, batch, &device, &log)? {
        // A repeat is answered as the first push was, whatever has changed since.
        return Ok(known_answer(tx, caller, batch, &device)?.unwrap_or(refusal));
    }
    match append(tx, caller, batch, &device, &log)? {
        Some(cursor) => Ok(Push::Stored(cursor)),
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
    if batch.key_versions().any(|version| version != log.key_version) {
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

/// Inserts the batch and its changes, unless the batch is known. `None`: it is, and nothing was done.
fn append(
    tx: &mut WriteTx<'_>,
    caller: &Caller,
    batch: &Batch,
    device: &Device,
    log: &Log,
) -> Result<Option<Cursor>, Fault> {
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
    let inserted = tx.prepare_cached(INSERT_BATCH)?.execute((
        caller.log,
        last,
        first,
        batch.id.as_bytes(),
        device.id,
        batch.digest(),
        safe,
        epochs.current().id,
        tx.now_us,
        after.head.other_seq,
        after.total_changes,
        after.change_bytes,
    ))?;
    if inserted == 0 {
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
            change.key_version.unwrap_or(log.key_version),
            data_value(change.data),
        ))?;
    }
    drop(insert);
    tx.spend_seqs(last);
    tx.known.keep_log(caller.log, after);
    tx.shared.presence.touch(device.id, tx.now_us);
    Ok(Some(cursor_at(&epochs, caller, safe)))
}

fn row_id_value<'a>(row_id: &'a RowId<'_>) -> ToSqlOutput<'a> {
    match row_id {
        RowId::Uuid(id) => ToSqlOutput::from(id.as_bytes().as_slice()),
        RowId::Text(text) => ToSqlOutput::from(*text),
    }
}

fn data_value(data: Data<'_>) -> ToSqlOutput<'_> {
    match data {
        Data::Nothing => ToSqlOutput::from(Null),
        Data::Base64(bytes) => ToSqlOutput::from(bytes),
        Data::Text(text) => ToSqlOutput::from(text),
    }
}

/// The answer to a batch that was pushed before. `None`: it was not.
fn known_answer(
    connection: &Connection,
    caller: &Caller,
    batch: &Batch,
    device: &Device,
) -> Result<Option<Push>, Fault> {
    let known = find_batch(connection, caller, batch.id)?;
    Ok(known.map(|known| known.answer(caller, device, batch.digest())))
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
