//! What a push adds to the work of a running rotation.

use super::group::WriteTx;
use crate::error::Fault;

/// Does nothing if no rotation is running.
const NOTE_PUSHED: &str = "
    UPDATE rotations SET remaining = remaining + ?2, started = max(started, ?3) WHERE log = ?1 AND state = 'running'
        AND ended_at IS NULL";

/// Notes what was pushed during a rotation: entries with data under the old key, and whether any is under the new one.
pub(super) fn note_pushed(tx: &WriteTx<'_>, log: i64, left_to_do: u64, started: bool) -> Result<(), Fault> {
    if left_to_do > 0 || started {
        tx.prepare_cached(NOTE_PUSHED)?.execute((log, left_to_do, started))?;
    }
    Ok(())
}
