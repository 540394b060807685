//! Filing: moving batches from `unfiled_batches` to their places in `batches`.
//!
//! In `batches` each log has places of its own, so a push that went there directly would write two pages that it shares with
//! nobody. Filing many batches of one log at once writes the same pages for all of them. It goes by rounds: once there are
//! enough unfiled batches, log after log is filed, then what has been filed is cleared away. Every push does a little of it, so
//! that none has to do much.

use std::mem;

use super::tails::TailBatch;
use crate::error::Fault;
use crate::store::group::WriteTx;

/// Unfiled batches at which a round begins: the more there are, the more of them share a page.
const ROUND_AT: usize = 2_048;
/// Batches of one log that are filed at a time, at most.
const FILED_AT_ONCE: usize = 64;
/// Batches that are filed for each that comes, while a round lasts.
const FILED_PER_PUSH: usize = 2;
/// OR FAIL: it is one row, so there is nothing for SQLite to prepare to undo.
const FILE: &str = "
    INSERT OR FAIL INTO batches (log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at,
        newest_other_seq, total_changes, change_bytes)
    SELECT log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at,
        newest_other_seq, total_changes, change_bytes
    FROM buffered_batches WHERE last_seq = ?1";
/// The last of those that are cleared away next: 16 for each push. (A LIMIT that is bound makes SQLite plan anew each time.)
const NEXT_TO_CLEAR: &str = "
    SELECT coalesce(max(last_seq), 0) FROM (
        SELECT last_seq FROM buffered_batches WHERE last_seq <= ?1 ORDER BY last_seq LIMIT 16)";
const CLEAR: &str = "DELETE FROM buffered_batches WHERE last_seq <= ?1";

/// How far a round has got. It may be forgotten: the next one finds what is left.
#[derive(Default)]
pub(in crate::store) enum Round {
    /// There is none.
    #[default]
    Over,
    /// These logs are to be filed, at the pace of `due` batches by now; then everything up to the seq is.
    Filing { logs: Vec<i64>, due: usize, up_to: i64 },
    /// Everything up to the seq is filed.
    Clearing { up_to: i64 },
}

/// Does one push's part.
pub(super) fn advance(tx: &mut WriteTx<'_>) -> Result<(), Fault> {
    tx.known.round = match mem::take(&mut tx.known.round) {
        Round::Over => begin(tx),
        Round::Filing { logs, due, up_to } => file_some(tx, logs, due + FILED_PER_PUSH, up_to)?,
        Round::Clearing { up_to } => clear_some(tx, up_to)?,
    };
    Ok(())
}

/// Files all that is unfiled, and clears it away.
pub(in crate::store) fn file_everything(tx: &mut WriteTx<'_>) -> Result<(), Fault> {
    for log in tx.shared.tails.logs() {
        let tail = oldest(tx, log, usize::MAX);
        file(tx, log, &tail)?;
    }
    let newest = tx.committed_seq();
    tx.prepare_cached(CLEAR)?.execute([newest])?;
    tx.tails.cleared_to = newest;
    tx.known.round = Round::Over;
    Ok(())
}

fn begin(tx: &WriteTx<'_>) -> Round {
    if tx.shared.tails.count_unfiled() < ROUND_AT {
        return Round::Over;
    }
    Round::Filing { logs: tx.shared.tails.logs(), due: 0, up_to: tx.committed_seq() }
}

/// As many as are due, of as many logs as it takes: more are filed than come, also where each comes from another log.
fn file_some(tx: &mut WriteTx<'_>, mut logs: Vec<i64>, mut due: usize, up_to: i64) -> Result<Round, Fault> {
    while let Some(log) = logs.last().copied() {
        let some = oldest(tx, log, FILED_AT_ONCE);
        if some.len() > due {
            return Ok(Round::Filing { logs, due, up_to });
        }
        file(tx, log, &some)?;
        due -= some.len();
        if some.len() < FILED_AT_ONCE {
            logs.pop();
        }
    }
    Ok(Round::Clearing { up_to })
}

/// The oldest batches of a log's tail, without what this transaction has added to it or filed of it.
fn oldest(tx: &WriteTx<'_>, log: i64, most: usize) -> Vec<TailBatch> {
    tx.shared.tails.oldest(log, tx.tails.filed_to(log), most)
}

fn file(tx: &mut WriteTx<'_>, log: i64, batches: &[TailBatch]) -> Result<(), Fault> {
    let Some(newest) = batches.last() else { return Ok(()) };
    let mut statement = tx.prepare_cached(FILE)?;
    for batch in batches {
        statement.execute([batch.last_seq])?;
    }
    drop(statement);
    tx.tails.filed.push((log, newest.last_seq));
    Ok(())
}

fn clear_some(tx: &mut WriteTx<'_>, up_to: i64) -> Result<Round, Fault> {
    let next = tx.prepare_cached(NEXT_TO_CLEAR)?.query_row([up_to], |row| row.get(0))?;
    if next == 0 {
        return Ok(Round::Over);
    }
    tx.prepare_cached(CLEAR)?.execute([next])?;
    tx.tails.cleared_to = next;
    Ok(Round::Clearing { up_to })
}
