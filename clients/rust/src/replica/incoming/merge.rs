//! Applies log entries of other devices to the app's tables, inside one transaction.
//!
//! The newest entry of a row decides its contents, unless the row was also written here and not sent yet: then the
//! table's rule decides, and what remains of the local write is sent later. So the newest entry in the log always
//! ends up deciding.
//!
//! Foreign keys are not enforced on this connection, so that rows can be applied in any order. Once the end of the
//! log is reached, `reference_repair` checks them.

use rusqlite::Connection;

use super::app_triggers::{self, AppliedRow};
use super::conflicts::{self, Side, Tracking};
use super::entries::{IncomingEntry, UnreadableEntry};
use super::reference_repair::ReferenceRepair;
use super::row_writes::{RowDeletion, RowWrite, RowWrites};
use super::table_writer::TableWriter;
use super::unknown_tables;
use crate::replica::error::Result;
use crate::replica::local::app_rows;
use crate::replica::local::defaults;
use crate::replica::local::rejection::Rejections;
use crate::replica::local::table::Table;
use crate::replica::metadata::clock::{self, TimestampBound};
use crate::replica::metadata::dirty_rows::DirtyKind;
use crate::replica::metadata::problems::{self, ProblemKind, ProblemSubject};
use crate::replica::metadata::row_versions::{self, RowVersion, is_unchanged};
use crate::replica::metadata::{dirty_columns, dirty_rows, tombstones};
use crate::replica::rule::Resolution;
use crate::replica::values::row::{self, ColumnTimestamps, Row};
use crate::replica::values::row_key::RowKey;

/// Rows that are handled together when a rebuild ends.
const CHUNK_ROWS: usize = 500;

/// A merge in progress.
pub(super) struct Merge<'a> {
    writer: TableWriter<'a>,
    generation: i64,
    caught_up: bool,
    /// Whether any row waits to be applied, so that an entry may make that obsolete.
    any_not_applied: bool,
    /// Whether any local row cannot be pushed as it is.
    any_not_pushed: bool,
}

/// What to do with a row of the app.
enum RowAction {
    Keep,
    Delete(RowDeletion),
    Write(RowWrite),
}

impl<'a> Merge<'a> {
    /// `caught_up`: no more entries are to follow for now.
    pub(super) fn new(
        connection: &'a Connection,
        tables: &'a [Table],
        bound: TimestampBound,
        generation: i64,
        caught_up: bool,
        rejections: &'a Rejections,
    ) -> Result<Self> {
        let any_not_applied = problems::exist(connection, ProblemKind::NotApplied)?;
        let any_not_pushed = problems::exist(connection, ProblemKind::NotPushed)?;
        let writer = TableWriter::new(connection, tables, bound, rejections);
        Ok(Self { writer, generation, caught_up, any_not_applied, any_not_pushed })
    }

    /// Applies entries, at most one of each row, in the order of the log.
    pub(super) fn apply(&mut self, entries: Vec<IncomingEntry>) -> Result<()> {
        let (connection, tables) = (self.writer.connection(), self.writer.tables());
        let newest = entries.iter().map(|entry| self.writer.bound().clamp(entry.timestamp)).max();
        if let Some(newest) = newest {
            clock::advance(connection, newest)?;
        }
        // A trigger on one table may write to any other.
        let has_triggers = tables.iter().any(|table| table.has_triggers);
        let mut applied = Vec::new();
        let mut writes = Vec::new();
        for entry in entries {
            match self.decide(entry)? {
                RowAction::Keep => {}
                RowAction::Delete(deletion) => {
                    let is_applied = self.rows().delete(&deletion)?;
                    if has_triggers && is_applied {
                        let RowDeletion { table, key, .. } = deletion;
                        applied.push(AppliedRow { table, key, row: None });
                    }
                }
                RowAction::Write(write) => {
                    writes.push(write);
                }
            }
        }
        let written = self.rows().write_all(writes)?;
        if has_triggers {
            let row = |RowWrite { table, key, row, .. }| AppliedRow { table, key, row: Some(row) };
            applied.extend(written.into_iter().map(row));
        }
        app_triggers::reapply(connection, tables, &applied)
    }

    /// Reports entries that cannot be applied to any row.
    pub(super) fn report_unreadable(&self, entries: &[UnreadableEntry]) -> Result<()> {
        for UnreadableEntry { wire_name, row_id, seq, timestamp, reason } in entries {
            let subject = ProblemSubject { wire_name, row_id, seq: Some(*seq), timestamp: *timestamp };
            problems::put(self.writer.connection(), ProblemKind::Unreadable, subject, None, reason)?;
        }
        Ok(())
    }

    /// Tries again to write the rows that the database rejected: what was in their way may be gone.
    pub(super) fn retry_not_applied(&mut self) -> Result<()> {
        if self.any_not_applied { self.rows().retry_not_applied() } else { Ok(()) }
    }

    /// Deletes the rows that were not seen while the log was read again from its start, unless they were written here.
    pub(super) fn delete_unseen(&mut self) -> Result<()> {
        let (connection, tables) = (self.writer.connection(), self.writer.tables());
        loop {
            let unseen = row_versions::list_not_seen(connection, self.generation, CHUNK_ROWS)?;
            if unseen.is_empty() {
                return Ok(());
            }
            for (id, key) in unseen {
                match tables.iter().position(|table| table.id == id) {
                    Some(table) if !self.writer.is_unsent(table, &key)? => {
                        dirty_rows::remove(connection, id, &key)?;
                        let (seq, timestamp) = row_versions::find(connection, id, &key)?
                            .map_or((0, 0), |version| (version.seq, version.timestamp));
                        self.rows().delete(&RowDeletion { table, key: key.clone(), seq, timestamp })?;
                        row_versions::put_deleted(connection, id, &key, self.generation)?;
                    }
                    _ => row_versions::remove(connection, id, &key)?,
                }
            }
        }
    }

    /// Repairs dangling references of the rows that were changed, or with `check_all` of all rows.
    pub(super) fn repair_references(&mut self, check_all: bool) -> Result<()> {
        ReferenceRepair::new(&mut self.writer).run(check_all)
    }

    /// The rows that were written or deleted, by the names of their tables.
    pub(super) fn take_changed(&mut self) -> Vec<(String, RowKey)> {
        self.writer.take_changed()
    }

    fn rows(&mut self) -> RowWrites<'_, 'a> {
        RowWrites { writer: &mut self.writer, caught_up: self.caught_up }
    }

    /// Decides what an entry does to its row, and stores the entry as the row's newest version.
    fn decide(&self, mut entry: IncomingEntry) -> Result<RowAction> {
        let (connection, tables) = (self.writer.connection(), self.writer.tables());
        let Some(index) =
            tables.iter().position(|table| table.wire_name.eq_ignore_ascii_case(&entry.wire_name))
        else {
            unknown_tables::put(connection, &entry)?;
            return Ok(RowAction::Keep);
        };
        let table = &tables[index];
        entry.wire_name.clone_from(&table.wire_name);
        let is_key_of_table = |key: &RowKey| key.cells().is_some_and(|cells| cells.len() == table.key.len());
        let Some(key) = RowKey::from_wire(&entry.row_id).filter(is_key_of_table) else {
            let IncomingEntry { wire_name, row_id, seq, timestamp, .. } = entry;
            let reason = String::from("its row id is not a key of this table");
            self.report_unreadable(&[UnreadableEntry { wire_name, row_id, seq, timestamp, reason }])?;
            return Ok(RowAction::Keep);
        };
        let version = row_versions::find(connection, table.id, &key)?;
        if let Some(version) = version.as_ref().filter(|version| version.seq >= entry.seq) {
            if version.seq == entry.seq {
                row_versions::put(connection, table.id, &key, version, self.generation)?;
            }
            return Ok(RowAction::Keep);
        }
        if self.any_not_applied {
            problems::remove(connection, ProblemKind::NotApplied, &entry.wire_name, &entry.row_id)?;
        }
        let IncomingEntry { seq, timestamp, is_new, content, .. } = entry;
        let (remote, extra_columns, column_timestamps) = match content {
            Some((row, timestamps)) => {
                let (row, extra_columns) = app_rows::split_columns(table, row);
                let own_name = |name: String| table.column(&name).map(str::to_owned).unwrap_or(name);
                let timestamps = timestamps.into_iter().map(|(name, timestamp)| (own_name(name), timestamp));
                (Some(row), extra_columns, timestamps.collect())
            }
            None => (None, Row::new(), ColumnTimestamps::new()),
        };
        let side = Side {
            row: remote.as_ref(),
            timestamp: self.writer.bound().clamp(timestamp),
            column_timestamps: column_timestamps.clone(),
        };
        let resolution = self.resolve_conflict(table, &key, version.as_ref(), &side)?;
        let was_known = version.is_some();
        let deleted = remote.is_none();
        let digest = remote.as_ref().map(row::digest);
        let version = RowVersion { seq, timestamp, deleted, digest, column_timestamps, extra_columns };
        row_versions::put(connection, table.id, &key, &version, self.generation)?;
        Ok(match (resolution, remote) {
            (Resolution::TakeRemote, remote) => {
                dirty_rows::remove(connection, table.id, &key)?;
                match remote {
                    Some(mut row) => {
                        if is_new && was_known {
                            set_defaults(connection, table, &mut row)?;
                        }
                        RowAction::Write(RowWrite { table: index, key, row, seq, timestamp })
                    }
                    None => RowAction::Delete(RowDeletion { table: index, key, seq, timestamp }),
                }
            }
            (Resolution::KeepLocal, remote) => {
                if let Some(row) = remote {
                    self.update_tombstone(table, &key, &row)?;
                }
                RowAction::Keep
            }
            (Resolution::Merge(row), _) => {
                RowAction::Write(RowWrite { table: index, key, row, seq, timestamp })
            }
        })
    }

    /// Resolves the conflict with a local write of the row, if there is one.
    fn resolve_conflict(
        &self,
        table: &Table,
        key: &RowKey,
        version: Option<&RowVersion>,
        remote: &Side<'_>,
    ) -> Result<Resolution> {
        let connection = self.writer.connection();
        let unpushed = if self.any_not_pushed {
            problems::find_unpushed(connection, &table.wire_name, key)?
        } else {
            None
        };
        let Some(dirty) = dirty_rows::find(connection, table.id, key)?.or(unpushed) else {
            return Ok(Resolution::TakeRemote);
        };
        let row = app_rows::read(connection, table, key)?;
        if row.as_ref() == remote.row || is_unchanged(version, row.as_ref()) {
            if unpushed.is_some() {
                problems::remove(connection, ProblemKind::NotPushed, &table.wire_name, &key.to_wire())?;
            }
            return Ok(Resolution::TakeRemote);
        }
        // 0: what was there before the table was attached is older than anything in the log.
        let timestamp = match dirty {
            0 => 0,
            dirty => self.writer.bound().clamp_local(dirty, version.map_or(0, |it| it.timestamp)),
        };
        let mut local = Side { row: row.as_ref(), timestamp, column_timestamps: ColumnTimestamps::new() };
        if table.rule.is_by_column() {
            let dirty_columns = dirty_columns::list(connection, table.id, key)?;
            let is_in_log = version.is_some_and(|version| !version.deleted);
            local.set_dirty_columns(dirty_columns, is_in_log);
        }
        let mut outcome = conflicts::resolve(table, key, &local, remote);
        if let (Some(ours), Some(theirs), Resolution::TakeRemote) = (&row, remote.row, &outcome.resolution)
            && !table.rule.is_by_column()
        {
            let only_ours = app_rows::only_ours(connection, table, ours, theirs)?;
            if !only_ours.is_empty() {
                let merged = theirs.clone().into_iter().chain(only_ours).collect();
                outcome.resolution = Resolution::Merge(merged);
                outcome.tracking = Tracking::NewWrite(DirtyKind::Written);
            }
        }
        if let (Some(timestamp), Some(lost)) = (unpushed, &row) {
            match outcome.resolution {
                Resolution::TakeRemote => problems::keep_unpushed(connection, &table.wire_name, key, lost)?,
                // It may fit now.
                _ => dirty_rows::put(connection, table.id, key, timestamp, DirtyKind::Written)?,
            }
        }
        match outcome.tracking {
            Tracking::Unchanged => {}
            Tracking::Columns(kept) => {
                for (column, timestamp) in &local.column_timestamps {
                    if kept.contains(column) {
                        dirty_columns::put(connection, table.id, key, column, *timestamp)?;
                    } else {
                        dirty_columns::remove(connection, table.id, key, column)?;
                    }
                }
            }
            Tracking::NewWrite(kind) => {
                dirty_rows::put(connection, table.id, key, self.writer.tick()?, kind)?;
            }
        }
        Ok(outcome.resolution)
    }

    /// Keeps the log's contents of a row that stays deleted here, in case it has to be restored.
    fn update_tombstone(&self, table: &Table, key: &RowKey, row: &Row) -> Result<()> {
        let connection = self.writer.connection();
        if table.may_be_restored && tombstones::find(connection, table.id, key)?.is_some() {
            tombstones::put(connection, table.id, key, row)?;
        }
        Ok(())
    }
}

/// Gives columns that a row does not name their defaults: another row may have been there before.
fn set_defaults(connection: &Connection, table: &Table, row: &mut Row) -> Result<()> {
    for column in table.columns.iter().filter(|column| !table.key.contains(column)) {
        if !row.contains_key(column) {
            row.insert(column.clone(), defaults::find(connection, table, column)?);
        }
    }
    Ok(())
}
