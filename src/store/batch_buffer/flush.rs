//! Moving batches from `buffered_batches` to their places in `batches`.
//!
//! Flushing many batches of one log at once writes the same pages for all of them. A flush begins when there are
//! enough batches: log after log is copied to `batches`, then the buffered rows are deleted. Every push does a little
//! of this, so that none has to do much.

use rusqlite::Connection;

use super::index::{BatchBuffer, BufferEdits, BufferedBatch};
use crate::error::Fault;

/// Rows of the buffer at which a flush begins: the more there are, the more of them share a page.
const FLUSH_AT_ROWS: usize = 2_048;
/// Batches of one log that are flushed at a time, at most.
const MAX_BATCHES_PER_LOG: usize = 64;
/// Batches that are flushed for each new one, while a flush lasts.
const BATCHES_PER_PUSH: usize = 2;
/// OR FAIL: it is a single row, so SQLite need not prepare to undo the statement.
const COPY: &str = "
    INSERT OR FAIL INTO batches (log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at,
        newest_other_seq, total_changes, change_bytes)
    SELECT log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at,
        newest_other_seq, total_changes, change_bytes
    FROM buffered_batches WHERE last_seq = ?1";
/// The last of the rows that are deleted next: 16 for each push. (A bound LIMIT makes SQLite plan anew each time.)
const NEXT_TO_DELETE: &str = "
    SELECT max(last_seq) FROM (
        SELECT last_seq FROM buffered_batches WHERE last_seq <= ?1 ORDER BY last_seq LIMIT 16)";
const DELETE: &str = "DELETE FROM buffered_batches WHERE last_seq <= ?1";

/// How far a flush has got. It may be lost at any time: the next flush finds what is left.
#[derive(Default)]
pub(in crate::store) enum FlushState {
    #[default]
    Idle,
    /// The batches of these logs are being copied, of which `due` are to be copied by now; then everything up to the
    /// seq has been.
    Copying { logs: Vec<i64>, due: usize, up_to: i64 },
    /// Everything up to the seq has been copied.
    Deleting { up_to: i64 },
}

/// What a flush works on.
pub(super) struct Flush<'t> {
    pub(super) connection: &'t Connection,
    pub(super) buffer: &'t BatchBuffer,
    pub(super) edits: &'t mut BufferEdits,
    /// The highest seq assigned before this transaction.
    pub(super) committed_seq: i64,
}

impl Flush<'_> {
    /// Does the share of one push.
    pub(super) fn advance(&mut self, state: FlushState) -> Result<FlushState, Fault> {
        match state {
            FlushState::Idle if self.buffer.count_rows() < FLUSH_AT_ROWS => Ok(FlushState::Idle),
            FlushState::Idle => {
                let logs = self.buffer.unflushed_logs();
                Ok(FlushState::Copying { logs, due: 0, up_to: self.committed_seq })
            }
            FlushState::Copying { logs, due, up_to } => self.copy_some(logs, due + BATCHES_PER_PUSH, up_to),
            FlushState::Deleting { up_to } => self.delete_some(up_to),
        }
    }

    /// Flushes everything that is committed.
    pub(super) fn flush_all(&mut self) -> Result<(), Fault> {
        for log in self.buffer.unflushed_logs() {
            let batches = self.oldest(log, usize::MAX);
            self.copy(log, &batches)?;
        }
        self.connection.prepare_cached(DELETE)?.execute([self.committed_seq])?;
        self.edits.deleted_to = Some(self.committed_seq);
        Ok(())
    }

    /// Copies as many batches as are due, of as many logs as it takes. So more are flushed than added even if each
    /// new one belongs to another log.
    fn copy_some(&mut self, mut logs: Vec<i64>, mut due: usize, up_to: i64) -> Result<FlushState, Fault> {
        while let Some(log) = logs.last().copied() {
            let batches = self.oldest(log, MAX_BATCHES_PER_LOG);
            if batches.len() > due {
                return Ok(FlushState::Copying { logs, due, up_to });
            }
            self.copy(log, &batches)?;
            due -= batches.len();
            if batches.len() < MAX_BATCHES_PER_LOG {
                logs.pop();
            }
        }
        Ok(FlushState::Deleting { up_to })
    }

    /// The oldest batches of a log, without those that this transaction added or flushed.
    fn oldest(&self, log: i64, limit: usize) -> Vec<BufferedBatch> {
        let flushed = self.edits.flushed.iter().rev().find(|(of, _)| *of == log).map(|(_, up_to)| *up_to);
        let batches = self.buffer.unflushed(log);
        let left = batches.iter().filter(|batch| flushed.is_none_or(|up_to| batch.last_seq > up_to));
        left.take(limit).copied().collect()
    }

    /// Copies batches of a log. The rows of a user who was deleted meanwhile are gone, and nothing is copied.
    fn copy(&mut self, log: i64, batches: &[BufferedBatch]) -> Result<(), Fault> {
        let Some(newest) = batches.last() else { return Ok(()) };
        let mut statement = self.connection.prepare_cached(COPY)?;
        for batch in batches {
            statement.execute([batch.last_seq])?;
        }
        self.edits.flushed.push((log, newest.last_seq));
        Ok(())
    }

    fn delete_some(&mut self, up_to: i64) -> Result<FlushState, Fault> {
        let next: Option<i64> =
            self.connection.prepare_cached(NEXT_TO_DELETE)?.query_row([up_to], |row| row.get(0))?;
        let Some(next) = next else { return Ok(FlushState::Idle) };
        self.connection.prepare_cached(DELETE)?.execute([next])?;
        self.edits.deleted_to = Some(next);
        Ok(FlushState::Deleting { up_to })
    }
}
