//! Batches: where the row of a push goes, and how a repeat of it is found.
//!
//! A new batch is a line in `unfiled_batches`, and is filed in `batches` later; see `filing`. Whoever looks for a batch looks
//! in both.

use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::{Cursor, EpochTag};
use uuid::Uuid;

use super::tails::TailBatch;
use super::{Device, filing, find_log};
use crate::error::Fault;
use crate::model::changes::{Batch, Push};
use crate::model::sessions::Caller;
use crate::store::group::WriteTx;

const INSERT: &str = "
    INSERT INTO buffered_batches (log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at,
        newest_other_seq, total_changes, change_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const IS_FILED: &str = "SELECT 1 FROM batches WHERE log = ?1 AND batch_id = ?2";
const CORRECT_UNFILED: &str = "
    UPDATE buffered_batches SET change_bytes = change_bytes + ?3 WHERE last_seq = ?2 AND log = ?1";
const CORRECT_FILED: &str = "
    UPDATE batches SET change_bytes = change_bytes + ?3 WHERE log = ?1 AND last_seq = ?2";
/// Unfiled, a batch has this last seq.
const FIND: &str = "
    SELECT found.device, digest, cursor_seq, epochs.tag, last_seq FROM (
        SELECT device, digest, cursor_seq, epoch, last_seq FROM buffered_batches
        WHERE last_seq = ?3 AND log = ?1 AND batch_id = ?2
        UNION ALL
        SELECT device, digest, cursor_seq, epoch, last_seq FROM batches WHERE log = ?1 AND batch_id = ?2
    ) AS found JOIN epochs ON epochs.id = found.epoch";

/// The row of a new batch, apart from what the batch itself says.
pub(super) struct NewBatch {
    pub(super) log: i64,
    pub(super) first_seq: i64,
    pub(super) last_seq: i64,
    pub(super) device: i64,
    pub(super) cursor_seq: i64,
    pub(super) epoch: i64,
    pub(super) other_seq: i64,
    pub(super) total_changes: u64,
    pub(super) change_bytes: u64,
}

/// Inserts a batch, unless the log has one of its id. `false`: it has, and nothing was done.
pub(super) fn insert(tx: &mut WriteTx<'_>, batch: &Batch, row: &NewBatch) -> Result<bool, Fault> {
    if unfiled_seq(tx, row.log, batch.id) > 0 || is_filed(tx, row.log, batch.id)? {
        return Ok(false);
    }
    filing::advance(tx)?;
    tx.prepare_cached(INSERT)?.execute((
        row.log,
        row.last_seq,
        row.first_seq,
        batch.id.as_bytes(),
        row.device,
        batch.digest(),
        row.cursor_seq,
        row.epoch,
        tx.now_us,
        row.other_seq,
        row.total_changes,
        row.change_bytes,
    ))?;
    let of_tail = TailBatch { first_seq: row.first_seq, last_seq: row.last_seq, device: row.device };
    tx.tails.added.push((row.log, batch.id, of_tail));
    Ok(true)
}

/// Corrects the bytes of data that a log holds, which its newest batch tells, wherever that stands.
pub(in crate::store) fn adjust_bytes(tx: &mut WriteTx<'_>, log: i64, grown_by: i64) -> Result<(), Fault> {
    if grown_by != 0 {
        let newest = find_log(tx, log, newest_unfiled(tx, log))?.head.seq;
        for correct in [CORRECT_UNFILED, CORRECT_FILED] {
            tx.prepare_cached(correct)?.execute((log, newest, grown_by))?;
        }
        tx.known.forget_log(log);
    }
    Ok(())
}

/// The newest seq in a log's tail, this transaction's included; 0: it has none.
pub(super) fn newest_unfiled(tx: &WriteTx<'_>, log: i64) -> i64 {
    tx.tails.newest_seq(log).max(tx.shared.tails.newest_seq(log))
}

/// The last seq of an unfiled batch, this transaction's included; 0: there is none of this id.
pub(super) fn unfiled_seq(tx: &WriteTx<'_>, log: i64, batch: Uuid) -> i64 {
    tx.tails.find(log, batch).max(tx.shared.tails.find(log, batch))
}

fn is_filed(connection: &Connection, log: i64, batch: Uuid) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(IS_FILED)?.exists((log, batch.as_bytes()))?)
}

/// A batch that was pushed before.
pub(super) struct KnownBatch {
    device: i64,
    digest: [u8; 32],
    cursor_seq: i64,
    epoch: EpochTag,
    last_seq: i64,
}

impl KnownBatch {
    /// The answer to a push under its id: the one that it was given, if it is the same push again.
    pub(super) fn answer(&self, caller: &Caller, device: &Device, digest: &[u8; 32]) -> Push {
        let cursor = Cursor::formatted(self.cursor_seq, self.epoch, caller.cursor_format);
        let same = self.device == device.id && self.digest == *digest;
        let last_seq = self.last_seq;
        if same { Push::Stored { cursor, last_seq } } else { Push::BatchIdReused(cursor) }
    }
}

/// The batch of this id in a log, whose last seq is this if it is unfiled.
pub(super) fn find(
    connection: &Connection,
    log: i64,
    batch: Uuid,
    unfiled_seq: i64,
) -> Result<Option<KnownBatch>, Fault> {
    let from_row = |row: &Row<'_>| {
        let tag: String = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, tag, row.get(4)?))
    };
    let key = (log, batch.as_bytes(), unfiled_seq);
    let row = connection.prepare_cached(FIND)?.query_row(key, from_row).optional()?;
    let Some((device, digest, cursor_seq, tag, last_seq)) = row else { return Ok(None) };
    let epoch = EpochTag::from_str(&tag).map_err(Fault::internal)?;
    Ok(Some(KnownBatch { device, digest, cursor_seq, epoch, last_seq }))
}
