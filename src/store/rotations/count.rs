//! Counting what a rotation has to do, without keeping anybody waiting.
//!
//! Readers count the log in steps of one short snapshot each: a long one would keep the write-ahead log from being emptied.
//! The log only grows meanwhile, so what they counted stays true, and the writer counts the little that came after.

use rusqlite::Connection;

use crate::error::Fault;
use crate::store::Store;
use crate::store::group::WriteTx;

/// Some filed batches, in their order; of 500 changes each at most. (A LIMIT that is bound makes SQLite plan anew each time.)
const FILED: &str = "
    SELECT max(found.last_seq), coalesce(sum(typeof(data) <> 'null' AND key_version >= ?3), 0)
    FROM (SELECT first_seq, last_seq FROM batches WHERE log = ?1 AND last_seq > ?2 ORDER BY last_seq LIMIT 1024) AS found
        CROSS JOIN changes ON changes.seq BETWEEN found.first_seq AND found.last_seq
    WHERE +changes.log = ?1";
/// The batches that are not filed yet, which are newer than all that are. (The plus keeps SQLite from building an index of all
/// changes for it.)
const UNFILED: &str = "
    SELECT max(found.last_seq), coalesce(sum(typeof(data) <> 'null' AND key_version >= ?3), 0)
    FROM buffered_batches AS found CROSS JOIN changes ON changes.seq BETWEEN found.first_seq AND found.last_seq
    WHERE found.last_seq > ?2 AND found.log = ?1 AND +changes.log = ?1";

/// Entries with data, in the part of a log that has been looked at.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    /// Only those under this key or a newer one count.
    from_version: u32,
    up_to_seq: i64,
    entries: u64,
}

impl Counted {
    fn nothing(from_version: u32) -> Self {
        Self { from_version, up_to_seq: 0, entries: 0 }
    }

    /// The whole log, once the writer has looked at what came since.
    pub(super) fn and_the_rest(mut self, tx: &WriteTx<'_>, log: i64) -> Result<u64, Fault> {
        while self.go_on(tx, log)? {}
        Ok(self.entries)
    }

    /// Looks at the next part. `false`: that was the end of the log as this snapshot has it.
    fn go_on(&mut self, connection: &Connection, log: i64) -> Result<bool, Fault> {
        if self.add(connection, log, FILED)? {
            return Ok(true);
        }
        self.add(connection, log, UNFILED)?;
        Ok(false)
    }

    fn add(&mut self, connection: &Connection, log: i64, part: &str) -> Result<bool, Fault> {
        let mut statement = connection.prepare_cached(part)?;
        let key = (log, self.up_to_seq, self.from_version);
        let (reached, entries): (Option<i64>, u64) =
            statement.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.entries += entries;
        self.up_to_seq = reached.unwrap_or(self.up_to_seq);
        Ok(reached.is_some())
    }
}

impl Store {
    /// Entries of a log that have data.
    pub(super) async fn count_sealed(&self, log: i64) -> Result<Counted, Fault> {
        self.count(log, Counted::nothing(0)).await
    }

    /// Entries of a log that have data under this key or a newer one.
    pub(super) async fn count_under(&self, log: i64, key_version: u32) -> Result<u64, Fault> {
        Ok(self.count(log, Counted::nothing(key_version)).await?.entries)
    }

    async fn count(&self, log: i64, mut counted: Counted) -> Result<Counted, Fault> {
        loop {
            let (so_far, more) = self
                .read(move |connection| {
                    let more = counted.go_on(connection, log)?;
                    Ok((counted, more))
                })
                .await?;
            counted = so_far;
            if !more {
                return Ok(counted);
            }
        }
    }
}
