//! Counting what a rotation has to do, without making anybody wait.
//!
//! Readers count the log in steps of one short snapshot each, because a long snapshot would keep the write-ahead log
//! from being truncated. The log only grows meanwhile, so their count stays valid, and the writer counts the little
//! that was added.

use rusqlite::Connection;

use crate::error::Fault;
use crate::store::Store;
use crate::store::group::WriteTx;

/// The next batches in their order, of at most 500 changes each. (A bound LIMIT makes SQLite plan anew each time; the
/// plus keeps it from building an index of all changes for the one query.)
const COUNT: &str = "
    SELECT max(part.last_seq), coalesce(sum(typeof(data) <> 'null' AND key_version >= ?3), 0)
    FROM (
        SELECT first_seq, last_seq FROM all_batches WHERE log = ?1 AND last_seq > ?2 ORDER BY last_seq LIMIT 1024
    ) AS part CROSS JOIN changes ON changes.seq BETWEEN part.first_seq AND part.last_seq
    WHERE +changes.log = ?1";

/// The entries with data in the part of a log that has been counted.
#[derive(Clone, Copy)]
pub(super) struct EntryCount {
    /// Only those under this key or a newer one are counted.
    from_version: u32,
    up_to_seq: i64,
    entries: u64,
}

impl EntryCount {
    fn nothing(from_version: u32) -> Self {
        Self { from_version, up_to_seq: 0, entries: 0 }
    }

    /// Counts what has been added since.
    pub(super) fn completed(mut self, tx: &WriteTx<'_>, log: i64) -> Result<u64, Fault> {
        while self.count_more(tx, log)? {}
        Ok(self.entries)
    }

    /// Counts the next part. `false`: there was none.
    fn count_more(&mut self, connection: &Connection, log: i64) -> Result<bool, Fault> {
        let mut statement = connection.prepare_cached(COUNT)?;
        let key = (log, self.up_to_seq, self.from_version);
        let (reached, entries): (Option<i64>, u64) =
            statement.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.entries += entries;
        self.up_to_seq = reached.unwrap_or(self.up_to_seq);
        Ok(reached.is_some())
    }
}

impl Store {
    /// Counts the entries of a log that have data.
    pub(super) async fn count_sealed(&self, log: i64) -> Result<EntryCount, Fault> {
        self.count(log, EntryCount::nothing(0)).await
    }

    /// Counts the entries of a log that have data under this key or a newer one.
    pub(super) async fn count_under(&self, log: i64, key_version: u32) -> Result<u64, Fault> {
        Ok(self.count(log, EntryCount::nothing(key_version)).await?.entries)
    }

    async fn count(&self, log: i64, mut count: EntryCount) -> Result<EntryCount, Fault> {
        loop {
            let step = self.read(move |connection| {
                let more = count.count_more(connection, log)?;
                Ok((count, more))
            });
            let more;
            (count, more) = step.await?;
            if !more {
                return Ok(count);
            }
        }
    }
}
