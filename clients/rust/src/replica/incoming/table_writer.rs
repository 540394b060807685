//! Writes to the app's tables during a merge, and remembers which rows it changed, for the check of foreign keys at
//! the end.

use rusqlite::Connection;

use crate::replica::error::Result;
use crate::replica::local::app_rows;
use crate::replica::local::rejection::{Rejections, WriteOutcome};
use crate::replica::local::table::Table;
use crate::replica::metadata::clock::{self, TimestampBound};
use crate::replica::metadata::dirty_rows::{self, DirtyKind};
use crate::replica::metadata::problems::{self, ProblemKind, ProblemSubject};
use crate::replica::metadata::row_versions::{self, is_unchanged};
use crate::replica::metadata::tombstones;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;

/// Access to the tables within the transaction of a merge. Tables are given by their index.
pub(super) struct TableWriter<'a> {
    connection: &'a Connection,
    tables: &'a [Table],
    bound: TimestampBound,
    rejections: &'a Rejections,
    written: Vec<(usize, RowKey)>,
    deleted: Vec<(usize, Row)>,
    /// All rows that were written or deleted.
    changed: Vec<(usize, RowKey)>,
}

/// A part of a merge that may be undone.
pub(super) struct Attempt {
    written: usize,
    deleted: usize,
    changed: usize,
}

impl<'a> TableWriter<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        tables: &'a [Table],
        bound: TimestampBound,
        rejections: &'a Rejections,
    ) -> Self {
        Self {
            connection,
            tables,
            bound,
            rejections,
            written: Vec::new(),
            deleted: Vec::new(),
            changed: Vec::new(),
        }
    }

    pub(super) fn connection(&self) -> &'a Connection {
        self.connection
    }

    pub(super) fn tables(&self) -> &'a [Table] {
        self.tables
    }

    pub(super) fn bound(&self) -> TimestampBound {
        self.bound
    }

    /// Issues a timestamp for a write by the replica itself.
    pub(super) fn tick(&self) -> Result<i64> {
        clock::tick(self.connection, self.bound)
    }

    pub(super) fn read(&self, table: usize, key: &RowKey) -> Result<Option<Row>> {
        app_rows::read(self.connection, &self.tables[table], key)
    }

    pub(super) fn write(&mut self, table: usize, key: &RowKey, row: &Row) -> Result<WriteOutcome> {
        let outcome = app_rows::write(self.connection, &self.tables[table], key, row, self.rejections)?;
        if outcome == WriteOutcome::Written {
            self.changed.push((table, key.clone()));
            if !self.tables[table].foreign_keys.is_empty() {
                self.written.push((table, key.clone()));
            }
        }
        Ok(outcome)
    }

    /// Deletes a row. If other rows may refer to it, its contents are kept.
    pub(super) fn delete(&mut self, table: usize, key: &RowKey) -> Result<WriteOutcome> {
        let Table { id, may_be_restored, .. } = self.tables[table];
        let is_parent =
            self.tables.iter().any(|child| child.foreign_keys.iter().any(|it| it.parent == table));
        let row = if is_parent { self.read(table, key)? } else { None };
        let outcome = app_rows::delete(self.connection, &self.tables[table], key, self.rejections)?;
        if outcome != WriteOutcome::Written {
            return Ok(outcome);
        }
        self.changed.push((table, key.clone()));
        if let Some(row) = row {
            if may_be_restored {
                tombstones::put(self.connection, id, key, &row)?;
            }
            self.deleted.push((table, row));
        }
        Ok(outcome)
    }

    /// Deletes a row that is about to be written again.
    pub(super) fn delete_for_rewriting(&self, table: usize, key: &RowKey) -> Result<WriteOutcome> {
        app_rows::delete(self.connection, &self.tables[table], key, self.rejections)
    }

    /// Begins a part of the merge that can be undone by itself.
    pub(super) fn begin_attempt(&mut self) -> Result<Attempt> {
        self.connection.prepare_cached("SAVEPOINT tidelog_attempt")?.execute([])?;
        let (written, deleted, changed) = (self.written.len(), self.deleted.len(), self.changed.len());
        Ok(Attempt { written, deleted, changed })
    }

    /// Ends an attempt: keeps what it did, or undoes it.
    pub(super) fn end_attempt(&mut self, attempt: &Attempt, keep: bool) -> Result<()> {
        if !keep {
            self.connection.prepare_cached("ROLLBACK TO tidelog_attempt")?.execute([])?;
            self.written.truncate(attempt.written);
            self.deleted.truncate(attempt.deleted);
            self.changed.truncate(attempt.changed);
        }
        self.connection.prepare_cached("RELEASE tidelog_attempt")?.execute([])?;
        Ok(())
    }

    /// Deletes a row on all devices because of a constraint, and reports `row`, the contents that are lost. Nothing
    /// happens if the app's database refuses that.
    pub(super) fn delete_for_constraint(
        &mut self,
        table: usize,
        key: &RowKey,
        row: Option<&Row>,
        reason: &str,
    ) -> Result<WriteOutcome> {
        let outcome = self.delete(table, key)?;
        if outcome != WriteOutcome::Written {
            return Ok(outcome);
        }
        let timestamp = self.tick()?;
        let Table { id, wire_name, .. } = &self.tables[table];
        let subject = ProblemSubject { wire_name, row_id: &key.to_wire(), seq: None, timestamp };
        problems::put(self.connection, ProblemKind::RemovedByConstraint, subject, row, reason)?;
        dirty_rows::put(self.connection, *id, key, timestamp, DirtyKind::Deleted)?;
        Ok(outcome)
    }

    /// When a row was written here, if that write is not in the log yet.
    pub(super) fn unsent_since(&self, table: usize, key: &RowKey) -> Result<Option<i64>> {
        let id = self.tables[table].id;
        let Some(dirty) = dirty_rows::find(self.connection, id, key)? else { return Ok(None) };
        let version = row_versions::find(self.connection, id, key)?;
        if is_unchanged(version.as_ref(), self.read(table, key)?.as_ref()) {
            return Ok(None);
        }
        Ok(Some(self.bound.clamp_local(dirty, version.map_or(0, |version| version.timestamp))))
    }

    /// Whether a row was written here, and that write is not in the log yet.
    pub(super) fn is_unsent(&self, table: usize, key: &RowKey) -> Result<bool> {
        Ok(self.unsent_since(table, key)?.is_some())
    }

    /// Hands over the rows that were written and have foreign keys, and starts a new list.
    pub(super) fn take_written(&mut self) -> Vec<(usize, RowKey)> {
        std::mem::take(&mut self.written)
    }

    /// Hands over all rows that were written or deleted, by the names of their tables, and starts a new list.
    pub(super) fn take_changed(&mut self) -> Vec<(String, RowKey)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.map(|(table, key)| (self.tables[table].name.clone(), key)).collect()
    }

    /// Hands over the contents of rows that were deleted and may be referred to, and starts a new list.
    pub(super) fn take_deleted(&mut self) -> Vec<(usize, Row)> {
        std::mem::take(&mut self.deleted)
    }
}
