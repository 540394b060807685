//! Takes in what other devices wrote: a page of the log, in one transaction with the cursor.
//!
//! Every entry is the truth about its row, unless the row was also written here and not sent yet: then the table's rule settles
//! it, and what is kept of this side is sent later, so that the newest entry in the log is always the truth.
//!
//! The connection has foreign keys switched off, so that a row arrives as it was written, whatever the order; `references`
//! looks after them once nothing more is to come.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::entries::{Incoming, Skipped};
use super::unknown_tables as unknown;
use crate::replica::error::Result;
use crate::replica::local::app_rows as content;
use crate::replica::local::table::Table;
use crate::replica::metadata::clock;
use crate::replica::metadata::clock::Ceiling;
use crate::replica::metadata::dirty_rows as marks;
use crate::replica::metadata::problems::{self, Place, ProblemKind};
use crate::replica::metadata::row_versions::{self as rows, Known};
use crate::replica::metadata::tombstones as graves;
use crate::replica::rule::Resolution;
use crate::replica::values::row::{Row, Stamps, digest};
use crate::replica::values::row_key::RowKey;

/// One merge under way, inside a transaction.
pub(crate) struct Merge<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) tables: &'a [Table],
    pub(crate) ceiling: Ceiling,
    pub(crate) pass: i64,
    /// Whether nothing more is to come for now.
    pub(crate) caught_up: bool,
    /// Whether any problem is on record, so that one may have solved itself.
    pub(crate) has_problems: bool,
    /// Rows that were written, for a look at what they refer to.
    pub(crate) written: Vec<(usize, RowKey)>,
    /// Rows that are gone, as they were, for a look at what refers to them.
    pub(crate) gone: Vec<(usize, Row)>,
    /// Rows that came back since others forbid that they are gone.
    pub(crate) returned: BTreeSet<(usize, RowKey)>,
}

/// A row to be written.
pub(crate) struct Write {
    pub(crate) table: usize,
    pub(crate) key: RowKey,
    pub(crate) row: Row,
    pub(crate) seq: i64,
    pub(crate) stamp: i64,
}

/// What is to be done with a row.
enum Outcome {
    Nothing,
    Delete(usize, RowKey),
    Write(Write),
}

impl<'a> Merge<'a> {
    /// Takes in entries, each row once, in the order of the log.
    pub(crate) fn take_in(&mut self, entries: Vec<Incoming>) -> Result<()> {
        let newest = entries.iter().map(|entry| self.ceiling.clamp(entry.stamp)).max();
        if let Some(newest) = newest {
            clock::advance(self.connection, newest)?;
        }
        let mut writes = Vec::new();
        // A trigger on one table may write to any other.
        let has_triggers = self.tables.iter().any(|table| table.has_triggers);
        let mut touched = Vec::new();
        for entry in entries {
            match self.settle(entry)? {
                Outcome::Nothing => {}
                Outcome::Delete(table, key) => {
                    self.delete(table, &key)?;
                    if has_triggers {
                        touched.push((table, key, None));
                    }
                }
                Outcome::Write(write) => {
                    if has_triggers {
                        touched.push((write.table, write.key.clone(), Some(write.row.clone())));
                    }
                    writes.push(write);
                }
            }
        }
        self.write_all(writes)?;
        self.insist(&touched)
    }

    /// The app's own triggers have run, for what they keep up to date beside the tables that sync. What they have made of the rows
    /// themselves has come with the rows already, from the device that wrote them.
    fn insist(&self, touched: &[(usize, RowKey, Option<Row>)]) -> Result<()> {
        let mut changed = Vec::new();
        for (place, key, row) in touched {
            let now = content::read(self.connection, &self.tables[*place], key)?;
            let is_so = match (row, &now) {
                (Some(row), Some(now)) => row.iter().all(|(name, cell)| now.get(name) == Some(cell)),
                (row, now) => row.is_none() == now.is_none(),
            };
            if !is_so {
                changed.push((*place, key, row));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        let outcome = changed.into_iter().try_for_each(|(place, key, row)| match row {
            Some(row) => content::write(self.connection, &self.tables[place], key, row).map(drop),
            None => content::delete(self.connection, &self.tables[place], key),
        });
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
        outcome
    }

    /// Notes entries that nobody can read.
    pub(crate) fn skip(&mut self, entries: Vec<Skipped>) -> Result<()> {
        for Skipped { wire_name, row_id, seq, stamp, reason } in entries {
            let place = Place { wire_name: &wire_name, row: &row_id, seq: Some(seq), stamp };
            problems::put(self.connection, ProblemKind::Unreadable, place, None, &reason)?;
        }
        Ok(())
    }

    /// Decides what becomes of a row, and notes what the log says of it.
    fn settle(&mut self, entry: Incoming) -> Result<Outcome> {
        let Some(place) = self.tables.iter().position(|table| table.wire_name == entry.wire_name) else {
            unknown::keep(self.connection, &entry)?;
            return Ok(Outcome::Nothing);
        };
        let table = &self.tables[place];
        let fits = |key: &RowKey| key.cells().is_some_and(|cells| cells.len() == table.key.len());
        let Some(key) = RowKey::from_wire(&entry.row_id).filter(fits) else {
            let reason = String::from("it is of no row that this table could have");
            let Incoming { wire_name, row_id, seq, stamp, .. } = entry;
            self.skip(vec![Skipped { wire_name, row_id, seq, stamp, reason }])?;
            return Ok(Outcome::Nothing);
        };
        let known = rows::find(self.connection, table.no, &key)?;
        if let Some(known) = known.as_ref().filter(|known| known.seq >= entry.seq) {
            if known.seq == entry.seq {
                rows::put(self.connection, table.no, &key, known, self.pass)?;
            }
            return Ok(Outcome::Nothing);
        }
        if self.has_problems {
            problems::remove(self.connection, ProblemKind::NotApplied, &entry.wire_name, &entry.row_id)?;
        }
        let Incoming { seq, stamp, content, .. } = entry;
        let (remote, extra, stamps) = match content {
            Some((row, stamps)) => {
                let (row, extra) = content::split(table, row);
                (Some(row), extra, stamps)
            }
            None => (None, Row::new(), Stamps::new()),
        };
        let resolution = self.resolve(table, &key, known.as_ref(), remote.as_ref(), stamp, &stamps)?;
        let now_known = Known {
            seq,
            stamp,
            deleted: remote.is_none(),
            digest: remote.as_ref().map(digest),
            stamps,
            extra,
        };
        rows::put(self.connection, table.no, &key, &now_known, self.pass)?;
        Ok(match (resolution, remote) {
            (Resolution::TakeRemote, Some(row)) => {
                marks::remove(self.connection, table.no, &key)?;
                Outcome::Write(Write { table: place, key, row, seq, stamp })
            }
            (Resolution::TakeRemote, None) => {
                marks::remove(self.connection, table.no, &key)?;
                Outcome::Delete(place, key)
            }
            (Resolution::KeepLocal, remote) => {
                if let Some(row) = remote.filter(|_| table.may_return) {
                    self.remember_remote(table, &key, &row)?;
                }
                Outcome::Nothing
            }
            (Resolution::Merge(row), _) => Outcome::Write(Write { table: place, key, row, seq, stamp }),
        })
    }

    /// A row that stays deleted here is remembered as the log has it.
    fn remember_remote(&self, table: &Table, key: &RowKey, row: &Row) -> Result<()> {
        if graves::find(self.connection, table.no, key)?.is_some() {
            graves::put(self.connection, table.no, key, row)?;
        }
        Ok(())
    }

    pub(crate) fn tick(&self) -> Result<i64> {
        clock::tick(self.connection, self.ceiling)
    }

    /// Deletes a row, and remembers what it held if something may refer to it.
    pub(crate) fn delete(&mut self, place: usize, key: &RowKey) -> Result<()> {
        let table = &self.tables[place];
        let is_parent = self.tables.iter().any(|it| it.references.iter().any(|to| to.parent == place));
        if is_parent && let Some(row) = content::read(self.connection, table, key)? {
            if table.may_return {
                graves::put(self.connection, table.no, key, &row)?;
            }
            self.gone.push((place, row));
        }
        content::delete(self.connection, table, key)
    }

    /// Writes rows. Those that stand in each other's way for a moment, as when two rows swap what must be unique, are written
    /// once both are out of it.
    fn write_all(&mut self, writes: Vec<Write>) -> Result<()> {
        let mut refused = Vec::new();
        for write in writes {
            if self.write(&write)?.is_err() {
                refused.push(write);
            }
        }
        for write in &refused {
            content::delete(self.connection, &self.tables[write.table], &write.key)?;
        }
        for write in refused {
            if let Err(reason) = self.write(&write)? {
                self.make_room_or_wait(write, &reason)?;
            }
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, write: &Write) -> Result<Result<(), String>> {
        let table = &self.tables[write.table];
        let outcome = content::write(self.connection, table, &write.key, &write.row)?;
        if outcome.is_ok() && !table.references.is_empty() {
            self.written.push((write.table, write.key.clone()));
        }
        Ok(outcome)
    }
}
