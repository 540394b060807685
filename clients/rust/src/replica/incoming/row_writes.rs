//! Writes rows of other devices to the app's tables, and handles those that the database rejects.

use super::table_writer::TableWriter;
use super::unique_constraints::{self, UniqueDecision};
use crate::replica::error::Result;
use crate::replica::local::app_rows::{self, WriteOutcome};
use crate::replica::local::table::Table;
use crate::replica::metadata::problems::{self, ProblemKind, ProblemSubject};
use crate::replica::metadata::{dirty_rows, row_versions};
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;

/// A row to write.
pub(super) struct RowWrite {
    pub(super) table: usize,
    pub(super) key: RowKey,
    pub(super) row: Row,
    pub(super) seq: i64,
    pub(super) timestamp: i64,
}

/// Writes in a merge.
pub(super) struct RowWrites<'w, 'a> {
    pub(super) writer: &'w mut TableWriter<'a>,
    /// Whether no more entries are to follow for now, so that a rejected row can be dealt with.
    pub(super) caught_up: bool,
}

impl RowWrites<'_, '_> {
    /// Tries again to write the rows that the database rejected: what was in their way may be gone.
    pub(super) fn retry_not_applied(&mut self) -> Result<()> {
        let (connection, tables) = (self.writer.connection(), self.writer.tables());
        for unapplied in problems::list_not_applied(connection)? {
            let wire_name = &unapplied.wire_name;
            let Some(table) = tables.iter().position(|it| it.wire_name == *wire_name) else { continue };
            let (id, key, seq, timestamp) =
                (tables[table].id, unapplied.key, unapplied.seq, unapplied.timestamp);
            problems::remove(connection, ProblemKind::NotApplied, wire_name, &key.to_wire())?;
            let version = row_versions::find(connection, id, &key)?;
            let is_newest = version.is_some_and(|it| it.seq == seq && !it.deleted);
            if !is_newest || dirty_rows::find(connection, id, &key)?.is_some() {
                continue;
            }
            let (row, _) = app_rows::split_columns(&tables[table], unapplied.row);
            match self.writer.write(table, &key, &row)? {
                WriteOutcome::Written => row_versions::put_digest(connection, id, &key, &row)?,
                WriteOutcome::Rejected(reason) => {
                    self.resolve_rejection(&RowWrite { table, key, row, seq, timestamp }, &reason)?;
                }
            }
        }
        Ok(())
    }

    /// Writes rows. Rows that block each other only for the moment, such as two that swap their values in a unique
    /// column, are deleted first and then written.
    pub(super) fn write_all(&mut self, writes: Vec<RowWrite>) -> Result<()> {
        let mut rejected = Vec::new();
        for write in writes {
            if self.writer.write(write.table, &write.key, &write.row)? != WriteOutcome::Written {
                rejected.push(write);
            }
        }
        for RowWrite { table, key, .. } in &rejected {
            app_rows::delete(self.writer.connection(), &self.writer.tables()[*table], key)?;
        }
        for write in rejected {
            if let WriteOutcome::Rejected(reason) = self.writer.write(write.table, &write.key, &write.row)? {
                self.resolve_rejection(&write, &reason)?;
            }
        }
        Ok(())
    }

    /// Handles a row that the database rejects: replaces the rows in its way, deletes it, or defers it.
    fn resolve_rejection(&mut self, write: &RowWrite, reason: &str) -> Result<()> {
        let RowWrite { table, key, row, .. } = write;
        let mut rivals = Vec::new();
        if self.caught_up {
            let (connection, tables) = (self.writer.connection(), self.writer.tables());
            rivals = unique_constraints::find_rivals(connection, &tables[*table], key, row)?;
        }
        let timestamps: Vec<_> =
            rivals.iter().map(|rival| self.writer.unsent_since(*table, rival)).collect::<Result<_>>()?;
        match unique_constraints::decide(&timestamps, self.writer.bound().clamp(write.timestamp)) {
            UniqueDecision::Defer => self.defer(write, reason),
            UniqueDecision::ReplaceRivals => {
                for rival in &rivals {
                    let lost = self.writer.read(*table, rival)?;
                    let reason = unique_constraints::REASON;
                    self.writer.delete_for_constraint(*table, rival, lost.as_ref(), reason)?;
                }
                match self.writer.write(*table, key, row)? {
                    WriteOutcome::Written => Ok(()),
                    WriteOutcome::Rejected(reason) => self.defer(write, &reason),
                }
            }
            UniqueDecision::DeleteRow => {
                self.writer.delete_for_constraint(*table, key, Some(row), unique_constraints::REASON)
            }
        }
    }

    /// Keeps a rejected row for another attempt after the next pull.
    fn defer(&self, RowWrite { table, key, row, seq, timestamp }: &RowWrite, reason: &str) -> Result<()> {
        let connection = self.writer.connection();
        let Table { id, wire_name, .. } = &self.writer.tables()[*table];
        let row_id = &key.to_wire();
        let subject = ProblemSubject { wire_name, row_id, seq: Some(*seq), timestamp: *timestamp };
        problems::put(connection, ProblemKind::NotApplied, subject, Some(row), reason)?;
        row_versions::remove_digest(connection, *id, key)
    }
}
