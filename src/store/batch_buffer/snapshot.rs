//! Reading one log, buffered batches included.

use std::sync::Arc;

use rusqlite::Connection;
use uuid::Uuid;

use super::index::BufferedBatch;

/// A log as one snapshot of the database holds it.
pub(in crate::store) struct LogSnapshot<'c> {
    pub(in crate::store) connection: &'c Connection,
    pub(in crate::store) log: i64,
    /// What was unflushed before the snapshot began. All of it is in the snapshot, and some of it may be flushed there.
    buffered: Arc<Vec<BufferedBatch>>,
}

impl<'c> LogSnapshot<'c> {
    pub(in crate::store) fn new(
        connection: &'c Connection,
        log: i64,
        buffered: Arc<Vec<BufferedBatch>>,
    ) -> Self {
        Self { connection, log, buffered }
    }

    /// The buffered batches, the oldest first.
    pub(in crate::store) fn buffered(&self) -> &[BufferedBatch] {
        &self.buffered
    }

    /// The last seq of the newest buffered batch.
    pub(in crate::store) fn buffered_head(&self) -> Option<i64> {
        self.buffered.last().map(|batch| batch.last_seq)
    }

    /// The last seq of a buffered batch.
    pub(in crate::store) fn find_buffered(&self, id: Uuid) -> Option<i64> {
        self.buffered.iter().find(|batch| batch.id == id).map(|batch| batch.last_seq)
    }
}
