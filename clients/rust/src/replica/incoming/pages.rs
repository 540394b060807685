//! A page of the log, applied: with the cursor, in one transaction.

use std::collections::BTreeSet;

use rusqlite::Connection;
use tidelog_protocol::Cursor;

use super::entries::{Incoming, Skipped};
use super::merge::{Merge, Write};
use crate::replica::error::Result;
use crate::replica::local::app_rows as content;
use crate::replica::local::database::{Database, begin};
use crate::replica::local::table::Table;
use crate::replica::metadata::clock::{Ceiling, set_applying};
use crate::replica::metadata::dirty_rows as marks;
use crate::replica::metadata::problems::{self, ProblemKind};
use crate::replica::metadata::row_versions as rows;
use crate::replica::metadata::state::State;
use crate::replica::metadata::tombstones as graves;
use crate::replica::outbox;

/// Rows that are looked at together.
const CHUNK: usize = 500;

/// What a pull has given.
pub(crate) struct Page {
    pub(crate) entries: Vec<Incoming>,
    pub(crate) skipped: Vec<Skipped>,
    /// Where it began.
    pub(crate) from: Cursor,
    /// Where the next one begins.
    pub(crate) cursor: Cursor,
    /// Whether nothing more is to come for now.
    pub(crate) caught_up: bool,
    /// What has been seen of the server.
    pub(crate) watch: Option<String>,
    /// How many entries of the replica's own stream are in the log, as far as was seen.
    pub(crate) own_entries: u64,
}

impl Database {
    /// Applies a page, unless another process of the app has gone on meanwhile: then it is not the next one any more.
    pub(crate) fn apply(&mut self, page: Page, ceiling: Ceiling) -> Result<()> {
        let tables = &self.tables;
        let transaction = begin(&mut self.connection)?;
        let mut state = State::load(&transaction)?;
        if state.cursor != page.from {
            return Ok(());
        }
        set_applying(&transaction, true)?;
        let mut merge = Merge {
            connection: &transaction,
            tables,
            ceiling,
            pass: state.pass,
            caught_up: page.caught_up,
            has_problems: has_problems(&transaction)?,
            written: Vec::new(),
            gone: Vec::new(),
            returned: BTreeSet::new(),
        };
        merge.skip(page.skipped)?;
        merge.take_in(page.entries)?;
        if page.caught_up {
            merge.finish(&state)?;
        }
        state.advance(page.cursor);
        state.watch = page.watch.or(state.watch);
        state.unchecked = !page.caught_up;
        state.rebuilding &= !page.caught_up;
        // The database was put back from a copy: going on with its stream would fork it.
        let is_behind = state.stream.as_ref().is_some_and(|stream| stream.counter() < page.own_entries);
        if is_behind && !outbox::is_taken(&transaction)? {
            state.stream = None;
        }
        state.save(&transaction)?;
        set_applying(&transaction, false)?;
        transaction.commit()?;
        Ok(())
    }
}

/// Applies what was kept of tables that are attached now.
pub(crate) fn apply_kept(connection: &Connection, tables: &[Table], entries: Vec<Incoming>) -> Result<()> {
    set_applying(connection, true)?;
    let mut merge = Merge {
        connection,
        tables,
        ceiling: Ceiling::new(0),
        pass: State::load(connection)?.pass,
        caught_up: true,
        has_problems: has_problems(connection)?,
        written: Vec::new(),
        gone: Vec::new(),
        returned: BTreeSet::new(),
    };
    merge.take_in(entries)?;
    merge.mend_references(false)?;
    set_applying(connection, false)
}

impl Merge<'_> {
    /// What has to wait until everything is there.
    fn finish(&mut self, state: &State) -> Result<()> {
        if self.has_problems {
            self.try_again()?;
        }
        if state.rebuilding {
            self.drop_not_seen()?;
        }
        self.mend_references(state.unchecked)?;
        graves::remove_settled(self.connection)
    }

    /// Rows that could not be applied: what stood in their way may be gone.
    fn try_again(&mut self) -> Result<()> {
        for waiting in problems::list_not_applied(self.connection)? {
            let Some(table) = self.tables.iter().position(|it| it.wire_name == waiting.wire_name) else {
                continue;
            };
            let row_id = waiting.key.to_wire();
            problems::remove(self.connection, ProblemKind::NotApplied, &waiting.wire_name, &row_id)?;
            let no = self.tables[table].no;
            let known = rows::find(self.connection, no, &waiting.key)?;
            let is_newest = known.as_ref().is_some_and(|known| known.seq == waiting.seq && !known.deleted);
            if !is_newest || marks::find(self.connection, no, &waiting.key)?.is_some() {
                continue;
            }
            let (row, _) = content::split(&self.tables[table], waiting.row);
            let write = Write { table, key: waiting.key, row, seq: waiting.seq, stamp: waiting.stamp };
            match self.write(&write)? {
                Ok(()) => rows::put_digest(self.connection, no, &write.key, &write.row)?,
                Err(reason) => self.make_room_or_wait(write, &reason)?,
            }
        }
        Ok(())
    }

    /// The log was read from its beginning, and does not have these rows any more.
    fn drop_not_seen(&mut self) -> Result<()> {
        loop {
            let gone = rows::list_not_seen(self.connection, self.pass, CHUNK)?;
            if gone.is_empty() {
                return Ok(());
            }
            for (no, key) in gone {
                let place = self.tables.iter().position(|table| table.no == no);
                match place {
                    Some(place) if !self.is_written_here(place, &key)? => {
                        marks::remove(self.connection, no, &key)?;
                        self.delete(place, &key)?;
                        rows::note_deleted(self.connection, no, &key, self.pass)?;
                    }
                    _ => rows::remove(self.connection, no, &key)?,
                }
            }
        }
    }
}

fn has_problems(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidelog_problems WHERE kind = 'not_applied')";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
