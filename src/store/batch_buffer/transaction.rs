//! The batch buffer in a transaction of the writer, with what that transaction has not committed yet.

use std::mem;

use rusqlite::Connection;
use uuid::Uuid;

use super::flush::{Flush, FlushState};
use super::index::{BatchBuffer, BufferEdits, BufferedBatch};
use crate::error::Fault;

const INSERT: &str = "
    INSERT INTO buffered_batches (log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at,
        newest_other_seq, total_changes, change_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// The row of a new batch.
pub(in crate::store) struct NewBatch<'b> {
    pub(in crate::store) log: i64,
    pub(in crate::store) id: Uuid,
    pub(in crate::store) first_seq: i64,
    pub(in crate::store) last_seq: i64,
    pub(in crate::store) device: i64,
    pub(in crate::store) digest: &'b [u8; 32],
    pub(in crate::store) cursor_seq: i64,
    pub(in crate::store) epoch: i64,
    pub(in crate::store) received_at: i64,
    pub(in crate::store) newest_other_seq: i64,
    pub(in crate::store) total_changes: u64,
    pub(in crate::store) change_bytes: u64,
}

/// The buffer as a transaction sees it.
pub(in crate::store) struct BufferTx<'w> {
    buffer: &'w BatchBuffer,
    flush: &'w mut FlushState,
    edits: BufferEdits,
}

/// The state to which a transaction goes back when a savepoint is rolled back.
pub(in crate::store) struct BufferSavepoint(BufferEdits);

impl<'w> BufferTx<'w> {
    pub(in crate::store) fn new(buffer: &'w BatchBuffer, flush: &'w mut FlushState) -> Self {
        Self { buffer, flush, edits: BufferEdits::default() }
    }

    /// Inserts a batch, and does its share of flushing: `committed_seq` is the highest seq assigned before this
    /// transaction.
    pub(in crate::store) fn insert(
        &mut self,
        connection: &Connection,
        batch: &NewBatch<'_>,
        committed_seq: i64,
    ) -> Result<(), Fault> {
        let state = mem::take(self.flush);
        *self.flush = self.flush(connection, committed_seq).advance(state)?;
        connection.prepare_cached(INSERT)?.execute((
            batch.log,
            batch.last_seq,
            batch.first_seq,
            batch.id.as_bytes(),
            batch.device,
            batch.digest,
            batch.cursor_seq,
            batch.epoch,
            batch.received_at,
            batch.newest_other_seq,
            batch.total_changes,
            batch.change_bytes,
        ))?;
        let NewBatch { log, id, first_seq, last_seq, device, .. } = *batch;
        self.edits.added.push((log, BufferedBatch { id, first_seq, last_seq, device }));
        Ok(())
    }

    /// Flushes every committed batch; as in [`BufferTx::insert`].
    pub(in crate::store) fn flush_all(
        &mut self,
        connection: &Connection,
        committed_seq: i64,
    ) -> Result<(), Fault> {
        *self.flush = FlushState::Idle;
        self.flush(connection, committed_seq).flush_all()
    }

    fn flush<'t>(&'t mut self, connection: &'t Connection, committed_seq: i64) -> Flush<'t> {
        Flush { connection, buffer: self.buffer, edits: &mut self.edits, committed_seq }
    }

    /// The last seq of a log's newest unflushed batch.
    pub(in crate::store) fn head(&self, log: i64) -> Option<i64> {
        let added = self.edits.added.iter().rev().find(|(of, _)| *of == log);
        // What this transaction flushed is still in the index, and its newest batch is then that of `batches`, too.
        added.map(|(_, batch)| batch.last_seq).or_else(|| self.buffer.head(log))
    }

    /// The last seq of a batch that is in the buffer.
    pub(in crate::store) fn find(&self, log: i64, id: Uuid) -> Option<i64> {
        let added = self.edits.added.iter().find(|(of, batch)| *of == log && batch.id == id);
        added.map(|(_, batch)| batch.last_seq).or_else(|| self.buffer.find(log, id))
    }

    pub(in crate::store) fn savepoint(&self) -> BufferSavepoint {
        BufferSavepoint(self.edits.clone())
    }

    pub(in crate::store) fn roll_back_to(&mut self, BufferSavepoint(edits): BufferSavepoint) {
        self.edits = edits;
        *self.flush = FlushState::default();
    }

    pub(in crate::store) fn roll_back(&mut self) {
        self.edits = BufferEdits::default();
        *self.flush = FlushState::default();
    }

    /// To be called right after the transaction was committed.
    pub(in crate::store) fn apply(&mut self) {
        self.buffer.apply(mem::take(&mut self.edits));
    }
}
