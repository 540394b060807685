//! Batches, whether they are buffered or flushed: finding a repeated push, and the state of a log in its newest batch.

use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::{Cursor, EpochTag};
use uuid::Uuid;

use crate::error::Fault;
use crate::model::changes::PushOutcome;
use crate::model::logs::{LogDevice, LogHead, LogState};
use crate::model::rotations::OpenKeys;
use crate::model::sessions::Caller;
use crate::store::group::WriteTx;

/// The newest batch of log ?1 is the buffered one that ends at ?2, or otherwise the newest flushed one.
const STATE: &str = "
    SELECT coalesce(newest.last_seq, 1), newest.device, coalesce(newest.newest_other_seq, 1),
        coalesce(newest.total_changes, 0), coalesce(newest.change_bytes, 0), coalesce(key_envelopes.key_version, 0),
        (SELECT key_version FROM rotations WHERE log = ?1 AND ended_at IS NULL AND state = 'running')
    FROM logs
        LEFT JOIN key_envelopes ON key_envelopes.log = logs.id
        LEFT JOIN (
            SELECT last_seq, device, newest_other_seq, total_changes, change_bytes FROM buffered_batches
            WHERE last_seq = ?2 AND log = ?1
            UNION ALL
            SELECT * FROM (
                SELECT last_seq, device, newest_other_seq, total_changes, change_bytes FROM batches
                WHERE log = ?1 ORDER BY last_seq DESC LIMIT 1)
            ORDER BY last_seq DESC LIMIT 1
        ) AS newest
    WHERE logs.id = ?1";
/// The buffered batch ends at ?3.
const FIND: &str = "
    SELECT found.device, digest, cursor_seq, epochs.tag, last_seq FROM (
        SELECT device, digest, cursor_seq, epoch, last_seq FROM buffered_batches
        WHERE last_seq = ?3 AND log = ?1 AND batch_id = ?2
        UNION ALL
        SELECT device, digest, cursor_seq, epoch, last_seq FROM batches WHERE log = ?1 AND batch_id = ?2
    ) AS found JOIN epochs ON epochs.id = found.epoch";
const IS_FLUSHED: &str = "SELECT 1 FROM batches WHERE log = ?1 AND batch_id = ?2";
/// A batch may be in both tables.
const ADJUST: [&str; 2] = [
    "UPDATE buffered_batches SET change_bytes = change_bytes + ?3 WHERE last_seq = ?2 AND log = ?1",
    "UPDATE batches SET change_bytes = change_bytes + ?3 WHERE log = ?1 AND last_seq = ?2",
];

fn state_of(row: &Row<'_>) -> rusqlite::Result<LogState> {
    Ok(LogState {
        head: LogHead { seq: row.get(0)?, device: row.get(1)?, newest_other_seq: row.get(2)? },
        total_changes: row.get(3)?,
        change_bytes: row.get(4)?,
        keys: OpenKeys { current: row.get(5)?, pending: row.get(6)? },
    })
}

/// The state of a log, whose newest buffered batch ends at `buffered_head`.
pub(in crate::store) fn log_state(
    connection: &Connection,
    log: i64,
    buffered_head: Option<i64>,
) -> Result<LogState, Fault> {
    let state = connection.prepare_cached(STATE)?.query_row((log, buffered_head), state_of).optional()?;
    // Reached only by a caller whose account is being deleted at this moment.
    state.ok_or(Fault::Unavailable("the log was deleted"))
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
    /// The answer to a push with the same batch id: the first answer again, if it is the same push.
    pub(super) fn answer(&self, caller: &Caller, device: &LogDevice, digest: &[u8; 32]) -> PushOutcome {
        let cursor = Cursor::formatted(self.cursor_seq, self.epoch, caller.cursor_format);
        if self.device == device.id && self.digest == *digest {
            PushOutcome::Stored { cursor, last_seq: self.last_seq }
        } else {
            PushOutcome::BatchIdReused(cursor)
        }
    }
}

/// The batch of this id in a log. `buffered_seq` is its last seq in the buffer.
pub(super) fn find(
    connection: &Connection,
    log: i64,
    batch: Uuid,
    buffered_seq: Option<i64>,
) -> Result<Option<KnownBatch>, Fault> {
    let from_row = |row: &Row<'_>| {
        let tag: String = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, tag, row.get(4)?))
    };
    let key = (log, batch.as_bytes(), buffered_seq);
    let row = connection.prepare_cached(FIND)?.query_row(key, from_row).optional()?;
    let Some((device, digest, cursor_seq, tag, last_seq)) = row else { return Ok(None) };
    let epoch = EpochTag::from_str(&tag).map_err(Fault::internal)?;
    Ok(Some(KnownBatch { device, digest, cursor_seq, epoch, last_seq }))
}

/// Whether a log has a batch of this id.
pub(super) fn exists(tx: &WriteTx<'_>, log: i64, batch: Uuid) -> Result<bool, Fault> {
    Ok(tx.buffer.find(log, batch).is_some()
        || tx.prepare_cached(IS_FLUSHED)?.exists((log, batch.as_bytes()))?)
}

/// Adjusts the bytes of data that a log holds, which are in its newest batch.
pub(in crate::store) fn adjust_bytes(tx: &mut WriteTx<'_>, log: i64, difference: i64) -> Result<(), Fault> {
    if difference != 0 {
        let newest = log_state(tx, log, tx.buffer.head(log))?.head.seq;
        for adjust in ADJUST {
            tx.prepare_cached(adjust)?.execute((log, newest, difference))?;
        }
        tx.cache.drop_log(log);
    }
    Ok(())
}

/// Flushes the batch buffer.
pub(in crate::store) fn flush_all(tx: &mut WriteTx<'_>) -> Result<(), Fault> {
    let committed_seq = tx.committed_seq();
    tx.buffer.flush_all(tx.connection(), committed_seq)
}
