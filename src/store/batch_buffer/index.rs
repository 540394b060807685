//! The index of the batch buffer, in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::error::Fault;

/// Rows of the buffer, and whether they are yet to be flushed.
const LOAD: &str = "
    SELECT log, batch_id, first_seq, last_seq, device,
        last_seq > coalesce((SELECT max(last_seq) FROM batches WHERE batches.log = buffered_batches.log), 0)
    FROM buffered_batches ORDER BY last_seq";

/// A batch in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct BufferedBatch {
    pub(in crate::store) id: Uuid,
    pub(in crate::store) first_seq: i64,
    pub(in crate::store) last_seq: i64,
    pub(in crate::store) device: i64,
}

#[derive(Default)]
struct Index {
    /// Batches that are yet to be flushed, by log, the oldest first. Readers share them while they scan.
    unflushed: HashMap<i64, Arc<Vec<BufferedBatch>>>,
    /// The last seq of every row of `buffered_batches`, flushed or not, by log and batch id.
    rows: HashMap<(i64, Uuid), i64>,
}

/// The committed content of the buffer.
#[derive(Default)]
pub(in crate::store) struct BatchBuffer(RwLock<Index>);

/// What a transaction did to the buffer.
#[derive(Clone, Default)]
pub(super) struct BufferEdits {
    /// Logs whose batches were flushed, up to a seq. What the transaction adds is never among them.
    pub(super) flushed: Vec<(i64, i64)>,
    /// Rows up to this seq were deleted.
    pub(super) deleted_to: Option<i64>,
    /// New batches by log.
    pub(super) added: Vec<(i64, BufferedBatch)>,
}

impl BatchBuffer {
    /// Replaces the index by what the database holds.
    pub(in crate::store) fn load(&self, connection: &Connection) -> Result<(), Fault> {
        let mut index = Index::default();
        let mut statement = connection.prepare(LOAD)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            index.add_row(row)?;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = index;
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches of a log that are yet to be flushed, the oldest first.
    pub(in crate::store) fn unflushed(&self, log: i64) -> Arc<Vec<BufferedBatch>> {
        self.read().unflushed.get(&log).cloned().unwrap_or_default()
    }

    /// Every log that has batches to flush.
    pub(super) fn unflushed_logs(&self) -> Vec<i64> {
        self.read().unflushed.keys().copied().collect()
    }

    /// The last seq of a log's newest unflushed batch.
    pub(super) fn head(&self, log: i64) -> Option<i64> {
        self.read().unflushed.get(&log)?.last().map(|batch| batch.last_seq)
    }

    /// The last seq of a batch that is in the buffer.
    pub(super) fn find(&self, log: i64, batch: Uuid) -> Option<i64> {
        self.read().rows.get(&(log, batch)).copied()
    }

    /// Rows of `buffered_batches`.
    pub(in crate::store) fn count_rows(&self) -> usize {
        self.read().rows.len()
    }

    /// Repeats what a transaction did, now that it is committed.
    pub(super) fn apply(&self, edits: BufferEdits) {
        if edits.added.is_empty() && edits.flushed.is_empty() && edits.deleted_to.is_none() {
            return;
        }
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (log, up_to) in edits.flushed {
            index.drop_flushed(log, up_to);
        }
        if let Some(up_to) = edits.deleted_to {
            index.rows.retain(|_, last_seq| *last_seq > up_to);
        }
        for (log, batch) in edits.added {
            index.add(log, batch);
        }
    }
}

impl Index {
    fn add_row(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let log = row.get(0)?;
        let id = Uuid::from_bytes(row.get(1)?);
        let batch = BufferedBatch { id, first_seq: row.get(2)?, last_seq: row.get(3)?, device: row.get(4)? };
        if row.get(5)? {
            self.add(log, batch);
        } else {
            self.rows.insert((log, id), batch.last_seq);
        }
        Ok(())
    }

    fn add(&mut self, log: i64, batch: BufferedBatch) {
        Arc::make_mut(self.unflushed.entry(log).or_default()).push(batch);
        self.rows.insert((log, batch.id), batch.last_seq);
    }

    fn drop_flushed(&mut self, log: i64, up_to: i64) {
        if let Entry::Occupied(mut batches) = self.unflushed.entry(log) {
            Arc::make_mut(batches.get_mut()).retain(|batch| batch.last_seq > up_to);
            if batches.get().is_empty() {
                batches.remove();
            }
        }
    }
}
