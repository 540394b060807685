//! Reading one log, buffered batches included.

use std::sync::Arc;

use rusqlite::Connection;
use uuid::Uuid;

use super::index::BufferedBatch;
use crate::error::Fault;
use crate::store::Store;

/// A log as one snapshot of the database holds it.
pub(in crate::store) struct LogSnapshot<'c> {
    pub(in crate::store) connection: &'c Connection,
    pub(in crate::store) log: i64,
    /// What was unflushed before the snapshot began. All of it is in the snapshot, and some of it may be flushed there.
    buffered: Arc<Vec<BufferedBatch>>,
}

impl LogSnapshot<'_> {
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

impl Store {
    /// As [`Store::read`], for what needs the batches of a log.
    pub(in crate::store) async fn read_log<T, F>(&self, log: i64, read: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&LogSnapshot<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let shared = self.shared.clone();
        let look = move || shared.buffer.unflushed(log);
        self.read_after(look, move |connection, buffered| read(&LogSnapshot { connection, log, buffered }))
            .await
    }
}
