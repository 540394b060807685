//! Writes rows of other devices to the app's tables, and handles those that the database rejects.
//!
//! A rejected row leaves what was there as it was, and is tried again after each pull.

use super::table_writer::TableWriter;
use super::unique_constraints::{self, UniqueDecision};
use crate::replica::error::Result;
use crate::replica::local::app_rows;
use crate::replica::local::rejection::{Rejection, WriteOutcome};
use crate::replica::local::table::Table;
use crate::replica::metadata::problems::{self, ProblemKind, ProblemSubject};
use crate::replica::metadata::{dirty_rows, row_versions};
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;

/// Attempts to write rows that block each other. Each leaves out the rows that are rejected for other reasons; more
/// than two are rarely needed.
const MAX_ATTEMPTS: usize = 8;

/// A row to write.
#[derive(Clone)]
pub(super) struct RowWrite {
    pub(super) table: usize,
    pub(super) key: RowKey,
    pub(super) row: Row,
    pub(super) seq: i64,
    pub(super) timestamp: i64,
}

/// A row that was not written, and why.
type RejectedWrite = (RowWrite, Rejection);

/// A row to delete.
pub(super) struct RowDeletion {
    pub(super) table: usize,
    pub(super) key: RowKey,
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
    /// Tries again to write and delete the rows that the database rejected: what was in their way may be gone.
    pub(super) fn retry_not_applied(&mut self) -> Result<()> {
        let (connection, tables) = (self.writer.connection(), self.writer.tables());
        for unapplied in problems::list_not_applied(connection)? {
            let wire_name = &unapplied.wire_name;
            let Some(table) = tables.iter().position(|it| it.wire_name.eq_ignore_ascii_case(wire_name))
            else {
                continue;
            };
            let (id, key, seq, timestamp) =
                (tables[table].id, unapplied.key, unapplied.seq, unapplied.timestamp);
            problems::remove(connection, ProblemKind::NotApplied, wire_name, &key.to_wire())?;
            let version = row_versions::find(connection, id, &key)?;
            let is_newest = version.is_some_and(|it| it.seq == seq && it.deleted == unapplied.row.is_none());
            if !is_newest || dirty_rows::find(connection, id, &key)?.is_some() {
                continue;
            }
            let Some(row) = unapplied.row else {
                self.delete(&RowDeletion { table, key, seq, timestamp })?;
                continue;
            };
            let (row, _) = app_rows::split_columns(&tables[table], row);
            match self.writer.write(table, &key, &row)? {
                WriteOutcome::Written => row_versions::put_digest(connection, id, &key, &row)?,
                WriteOutcome::Rejected(rejection) => {
                    let write = RowWrite { table, key, row, seq, timestamp };
                    if self.resolve_rejection(&write, &rejection)? {
                        row_versions::put_digest(connection, id, &write.key, &write.row)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Deletes a row. Returns `false` if the app's database refuses that: then it is tried again later.
    pub(super) fn delete(&mut self, deletion: &RowDeletion) -> Result<bool> {
        let RowDeletion { table, key, seq, timestamp } = deletion;
        let WriteOutcome::Rejected(rejection) = self.writer.delete(*table, key)? else { return Ok(true) };
        let wire_name = &self.writer.tables()[*table].wire_name;
        let row_id = &key.to_wire();
        let subject = ProblemSubject { wire_name, row_id, seq: Some(*seq), timestamp: *timestamp };
        problems::put(self.writer.connection(), ProblemKind::NotApplied, subject, None, &rejection.reason)?;
        Ok(false)
    }

    /// Writes rows, and returns those that are in their tables now.
    pub(super) fn write_all(&mut self, writes: Vec<RowWrite>) -> Result<Vec<RowWrite>> {
        let (mut written, mut rejected) = (Vec::new(), Vec::new());
        for write in writes {
            match self.writer.write(write.table, &write.key, &write.row)? {
                WriteOutcome::Written => written.push(write),
                WriteOutcome::Rejected(rejection) => rejected.push((write, rejection)),
            }
        }
        let (blocked, mut refused): (Vec<_>, Vec<_>) =
            rejected.into_iter().partition(|(_, rejection)| rejection.is_about_uniqueness);
        let (freed, still_blocked) = self.write_together(blocked)?;
        written.extend(freed);
        refused.extend(still_blocked);
        for (write, rejection) in refused {
            if self.resolve_rejection(&write, &rejection)? {
                written.push(write);
            }
        }
        Ok(written)
    }

    /// Writes rows that may block each other only for the moment, such as two that swap their values in a unique
    /// column: all are deleted first, and then written. Those that are rejected nevertheless are left as they were.
    fn write_together(
        &mut self,
        mut blocked: Vec<RejectedWrite>,
    ) -> Result<(Vec<RowWrite>, Vec<RejectedWrite>)> {
        let mut rejected = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            if blocked.is_empty() {
                break;
            }
            let attempt = self.writer.begin_attempt()?;
            let mut outcomes = Vec::with_capacity(blocked.len());
            for (RowWrite { table, key, .. }, _) in &blocked {
                outcomes.push(self.writer.delete_for_rewriting(*table, key)?);
            }
            for (outcome, (RowWrite { table, key, row, .. }, _)) in outcomes.iter_mut().zip(&blocked) {
                if *outcome == WriteOutcome::Written {
                    *outcome = self.writer.write(*table, key, row)?;
                }
            }
            let is_complete = outcomes.iter().all(|outcome| *outcome == WriteOutcome::Written);
            self.writer.end_attempt(&attempt, is_complete)?;
            if is_complete {
                return Ok((blocked.into_iter().map(|(write, _)| write).collect(), rejected));
            }
            let mut others = Vec::new();
            for (outcome, (write, before)) in outcomes.into_iter().zip(blocked) {
                match outcome {
                    WriteOutcome::Written => others.push((write, before)),
                    WriteOutcome::Rejected(rejection) => rejected.push((write, rejection)),
                }
            }
            blocked = others;
        }
        rejected.extend(blocked);
        Ok((Vec::new(), rejected))
    }

    /// Handles a row that the database rejects: replaces the rows in its way, deletes it, or defers it. Returns whether
    /// it was written.
    fn resolve_rejection(&mut self, write: &RowWrite, rejection: &Rejection) -> Result<bool> {
        let RowWrite { table, key, row, .. } = write;
        let mut rivals = Vec::new();
        if self.caught_up && rejection.is_about_uniqueness {
            let (connection, tables) = (self.writer.connection(), self.writer.tables());
            rivals = unique_constraints::find_rivals(connection, &tables[*table], key, row)?;
        }
        let timestamps: Vec<_> =
            rivals.iter().map(|rival| self.writer.unsent_since(*table, rival)).collect::<Result<_>>()?;
        match unique_constraints::decide(&timestamps, self.writer.bound().clamp(write.timestamp)) {
            UniqueDecision::Defer => self.defer(write, &rejection.reason)?,
            UniqueDecision::ReplaceRivals => {
                let attempt = self.writer.begin_attempt()?;
                let outcome = self.replace(&rivals, write)?;
                self.writer.end_attempt(&attempt, outcome == WriteOutcome::Written)?;
                match outcome {
                    WriteOutcome::Written => return Ok(true),
                    WriteOutcome::Rejected(rejection) => self.defer(write, &rejection.reason)?,
                }
            }
            UniqueDecision::DeleteRow => {
                let reason = unique_constraints::REASON;
                let outcome = self.writer.delete_for_constraint(*table, key, Some(row), reason)?;
                if let WriteOutcome::Rejected(rejection) = outcome {
                    self.defer(write, &rejection.reason)?;
                }
            }
        }
        Ok(false)
    }

    /// Deletes the rows in the way, and writes the row.
    fn replace(
        &mut self,
        rivals: &[RowKey],
        RowWrite { table, key, row, .. }: &RowWrite,
    ) -> Result<WriteOutcome> {
        for rival in rivals {
            let lost = self.writer.read(*table, rival)?;
            let reason = unique_constraints::REASON;
            let outcome = self.writer.delete_for_constraint(*table, rival, lost.as_ref(), reason)?;
            if outcome != WriteOutcome::Written {
                return Ok(outcome);
            }
        }
        self.writer.write(*table, key, row)
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
