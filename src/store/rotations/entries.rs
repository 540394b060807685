//! Pages of what a rotation has left to do.

use rusqlite::{Connection, Rows};
use tidelog_protocol::Cursor;
use tidelog_protocol::limits::{MAX_PAGE_BYTES, MAX_SCANNED_PER_PAGE};

use super::find_keys;
use crate::error::Fault;
use crate::model::changes::EntrySink;
use crate::model::cursors::BASE_SEQ;
use crate::model::rotations::{EntriesPage, Rotation};
use crate::model::sessions::Caller;
use crate::store::changes::{Authors, cursor_at, entry, resolve};
use crate::store::{Shared, Store, sessions};

/// Entries of filed batches. Data is NULL where there is nothing to do, so that what is passed over is not read.
const FILED: &str = "
    SELECT changes.seq, batches.device, table_name, op, row_id, timestamp, key_version,
        CASE WHEN key_version <> ?3 AND NOT EXISTS (
            SELECT 1 FROM rotation_kept_entries AS kept WHERE kept.rotation = ?4 AND kept.seq = changes.seq) THEN data END
    FROM batches CROSS JOIN changes ON changes.seq BETWEEN max(batches.first_seq, ?2 + 1) AND batches.last_seq
    WHERE batches.log = ?1 AND batches.last_seq > ?2 AND +changes.log = ?1
    ORDER BY batches.last_seq, changes.seq";
/// Likewise of those that are not filed yet, which are newer. (The plus keeps SQLite from building an index of all changes for it.)
const UNFILED: &str = "
    SELECT changes.seq, batches.device, table_name, op, row_id, timestamp, key_version,
        CASE WHEN key_version <> ?3 AND NOT EXISTS (
            SELECT 1 FROM rotation_kept_entries AS kept WHERE kept.rotation = ?4 AND kept.seq = changes.seq) THEN data END
    FROM buffered_batches AS batches
        CROSS JOIN changes ON changes.seq BETWEEN max(batches.first_seq, ?2 + 1) AND batches.last_seq
    WHERE batches.last_seq > ?2 AND batches.log = ?1 AND +changes.log = ?1
    ORDER BY batches.last_seq, changes.seq";

impl Store {
    /// Gives the sink some of the entries of the caller's log that the running rotation has left to do.
    ///
    /// # Errors
    /// A fault of the database; the sink is lost with what it got.
    pub async fn rotation_entries<S: EntrySink>(
        &self,
        caller: &Caller,
        cursor: Cursor,
        limit: usize,
        mut sink: S,
    ) -> Result<(EntriesPage, S), Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read(move |connection| {
            let page = page(connection, &shared, &caller, cursor, limit, &mut sink)?;
            Ok((page, sink))
        })
        .await
    }
}

fn page(
    connection: &Connection,
    shared: &Shared,
    caller: &Caller,
    cursor: Cursor,
    limit: usize,
    sink: &mut impl EntrySink,
) -> Result<EntriesPage, Fault> {
    sessions::require(connection, caller.session)?;
    let keys = find_keys(connection, caller.log)?;
    let Some(rotation) = keys.running() else { return Ok(EntriesPage::NoRotation) };
    let epochs = shared.epochs()?;
    let Some(from) = resolve(connection, shared, &epochs, cursor)? else {
        return Ok(EntriesPage::LogRewound(cursor_at(&epochs, caller, BASE_SEQ)));
    };
    let mut scan = Scan::new(connection, from, limit, sink);
    scan.run(caller.log, rotation)?;
    Ok(EntriesPage::Page {
        cursor: cursor_at(&epochs, caller, scan.reached),
        has_more: scan.has_more,
        remaining: rotation.remaining,
    })
}

/// A page as it fills.
struct Scan<'s, S> {
    connection: &'s Connection,
    sink: &'s mut S,
    authors: Authors,
    limit: usize,
    given: usize,
    bytes: usize,
    scanned: usize,
    reached: i64,
    has_more: bool,
}

impl<'s, S: EntrySink> Scan<'s, S> {
    fn new(connection: &'s Connection, from: i64, limit: usize, sink: &'s mut S) -> Self {
        Self {
            connection,
            sink,
            authors: Authors::default(),
            limit,
            given: 0,
            bytes: 0,
            scanned: 0,
            reached: from,
            has_more: false,
        }
    }

    fn run(&mut self, log: i64, rotation: &Rotation) -> Result<(), Fault> {
        for part in [FILED, UNFILED] {
            if !self.has_more {
                let mut statement = self.connection.prepare_cached(part)?;
                let key = (log, self.reached, rotation.key_version, rotation.id);
                self.take_all(statement.query(key)?)?;
            }
        }
        Ok(())
    }

    fn take_all(&mut self, mut rows: Rows<'_>) -> Result<(), Fault> {
        while let Some(row) = rows.next()? {
            if self.is_full() {
                self.has_more = true;
                break;
            }
            self.scanned += 1;
            self.reached = row.get(0)?;
            if row.get_ref(7)? != rusqlite::types::ValueRef::Null {
                self.given += 1;
                let author = self.authors.of(self.connection, row.get(1)?)?;
                self.bytes += self.sink.entry(&entry(row, author)?);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.given >= self.limit || self.bytes >= MAX_PAGE_BYTES || self.scanned >= MAX_SCANNED_PER_PAGE
    }
}
