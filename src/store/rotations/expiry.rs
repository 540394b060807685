//! Deleting what rotations replaced, seven days after they ended.

use rusqlite::{Connection, OptionalExtension};

use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::store::Store;
use crate::store::group::WriteTx;

/// How long a rotation that has ended can be undone, in microseconds.
pub(super) const UNDO_PERIOD_US: i64 = 7 * 24 * 60 * 60 * MICROS_PER_SECOND;
/// Entries handled in one transaction, at most: no push waits for more.
const STEP_ENTRIES: usize = 1_000;
/// Bytes of their data, at most; the last one may exceed it.
const STEP_BYTES: i64 = 2 * 1024 * 1024;
/// Steps in one round of maintenance.
const STEPS: usize = 50;

const REPLACED: &str =
    "SELECT seq, octet_length(data) FROM rotation_replaced_entries WHERE rotation = ?1 ORDER BY seq";
const EXPIRED: &str = "
    SELECT id FROM rotations WHERE ended_at IS NOT NULL AND ended_at <= ?1 ORDER BY ended_at LIMIT 1";
const DROP_REPLACED: &str = "DELETE FROM rotation_replaced_entries WHERE rotation = ?1 AND seq <= ?2";
const DROP_KEPT: &str = "
    DELETE FROM rotation_kept_entries WHERE rotation = ?1
        AND seq IN (SELECT seq FROM rotation_kept_entries WHERE rotation = ?1 ORDER BY seq LIMIT 5000)";
const DROP_BLOB_KEYS: [&str; 2] = [
    "DELETE FROM rotation_replaced_blob_keys WHERE rotation = ?1
        AND object IN (SELECT object FROM rotation_replaced_blob_keys WHERE rotation = ?1 ORDER BY object LIMIT 5000)",
    "DELETE FROM rotation_kept_blob_keys WHERE rotation = ?1
        AND object IN (SELECT object FROM rotation_kept_blob_keys WHERE rotation = ?1 ORDER BY object LIMIT 5000)",
];
const DROP_ROTATION: &str = "DELETE FROM rotations WHERE id = ?1";

/// The seq at which the next step through what a rotation replaced ends. `None`: nothing is left.
pub(super) fn next_step_end(connection: &Connection, rotation: i64) -> Result<Option<i64>, Fault> {
    let mut statement = connection.prepare_cached(REPLACED)?;
    let mut rows = statement.query([rotation])?;
    let (mut entries, mut bytes, mut end) = (0, 0, None);
    while entries < STEP_ENTRIES
        && bytes < STEP_BYTES
        && let Some(row) = rows.next()?
    {
        end = Some(row.get(0)?);
        bytes += row.get::<_, i64>(1)?;
        entries += 1;
    }
    Ok(end)
}

impl Store {
    /// Deletes some of what rotations replaced that can no longer be undone, and those rotations.
    pub(in crate::store) async fn expire_rotations(&self) -> Result<(), Fault> {
        for _ in 0..STEPS {
            // A reader looks first: usually there is nothing to write.
            let now_us = self.shared.clock.now_us();
            let Some(rotation) = self.read(move |connection| expired(connection, now_us)).await? else {
                break;
            };
            self.write(1, move |tx| step(tx, rotation)).await?;
        }
        Ok(())
    }
}

fn expired(connection: &Connection, now_us: i64) -> Result<Option<i64>, Fault> {
    let key = [now_us - UNDO_PERIOD_US];
    Ok(connection.prepare_cached(EXPIRED)?.query_row(key, |row| row.get(0)).optional()?)
}

fn step(tx: &mut WriteTx<'_>, rotation: i64) -> Result<(), Fault> {
    if let Some(end) = next_step_end(tx, rotation)? {
        tx.prepare_cached(DROP_REPLACED)?.execute((rotation, end))?;
        return Ok(());
    }
    for drop_some in [DROP_KEPT].iter().chain(&DROP_BLOB_KEYS) {
        if tx.prepare_cached(drop_some)?.execute([rotation])? > 0 {
            return Ok(());
        }
    }
    tx.prepare_cached(DROP_ROTATION)?.execute([rotation])?;
    Ok(())
}
