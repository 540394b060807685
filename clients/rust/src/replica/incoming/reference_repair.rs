//! Repairs dangling references: one device deleted a row while another one wrote a row that refers to it.
//!
//! The device that meets both writes repairs the reference as its schema says, and sends the result. `CASCADE`: the
//! referring row is deleted as well. `SET NULL`, `SET DEFAULT`: its reference is set to that. Otherwise the deletion was
//! not allowed, and the row is restored, together with the row whose deletion cascaded to it, since SQLite would not
//! have allowed that deletion either.
//!
//! If another row has taken the deleted row's place, with the same values in unique columns, the reference follows it:
//! two devices made a list called "Inbox", and the todos of both belong into the one that stays.
//!
//! References between rows neither of which was written here are left alone: all devices see the same, and the device
//! that wrote the rows repairs them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::references::{self, Reference};
use super::table_writer::TableWriter;
use super::unique_constraints;
use crate::replica::error::Result;
use crate::replica::local::defaults;
use crate::replica::local::rejection::WriteOutcome;
use crate::replica::local::table::{ForeignKey, OnDelete, Table};
use crate::replica::metadata::dirty_rows::{self, DirtyKind};
use crate::replica::metadata::{dirty_columns, problems, row_versions, tombstones};
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;

/// A repair in progress.
pub(super) struct ReferenceRepair<'w, 'a> {
    writer: &'w mut TableWriter<'a>,
    /// Rows that were restored, so that a cascade must not delete them again.
    restored: BTreeSet<(usize, RowKey)>,
    /// The contents of rows that were deleted and may be referred to.
    deleted: Vec<(usize, Row)>,
}

impl<'w, 'a> ReferenceRepair<'w, 'a> {
    pub(super) fn new(writer: &'w mut TableWriter<'a>) -> Self {
        Self { writer, restored: BTreeSet::new(), deleted: Vec::new() }
    }

    /// Checks the rows that were written and deleted, or with `check_all` every row, and repairs what dangles. This
    /// terminates: each step deletes a row, sets a reference to one that exists or to `NULL`, or restores a row, which happens at most once for
    /// each row.
    pub(super) fn run(&mut self, check_all: bool) -> Result<()> {
        let (connection, tables) = (self.writer.connection(), self.writer.tables());
        let mut dangling = if check_all { references::all_dangling(connection, tables)? } else { Vec::new() };
        loop {
            for (table, key) in self.writer.take_written() {
                dangling.extend(references::dangling_from(connection, tables, table, &key)?);
            }
            for (parent, row) in self.writer.take_deleted() {
                dangling.extend(references::references_to(connection, tables, parent, &row)?);
                if !tables[parent].unique_constraints.is_empty() {
                    self.deleted.push((parent, row));
                }
            }
            match dangling.pop() {
                Some(reference) => self.repair(&reference)?,
                None => return Ok(()),
            }
        }
    }

    fn repair(&mut self, Reference { table, key, foreign_key }: &Reference) -> Result<()> {
        let (connection, tables) = (self.writer.connection(), self.writer.tables());
        let foreign_key = &tables[*table].foreign_keys[*foreign_key];
        let Some(row) = self.writer.read(*table, key)? else { return Ok(()) };
        let Some(cells) = references::referring_cells(foreign_key, &row) else { return Ok(()) };
        if references::parent_exists(connection, tables, foreign_key, &cells)? {
            return Ok(());
        }
        let parent_key = references::parent_key(connection, tables, foreign_key, &cells)?;
        if !self.is_ours_to_repair(*table, key, foreign_key.parent, parent_key.as_ref())? {
            return Ok(());
        }
        if let Some(parent_key) = &parent_key
            && let Some(successor) = self.successor(foreign_key, parent_key, &cells)?
            && self.set(*table, key, foreign_key, |_, _, column| Ok(successor[column].clone()))?
        {
            return Ok(());
        }
        let must_stay = self.restored.contains(&(*table, key.clone()));
        let is_repaired = match (foreign_key.on_delete, parent_key) {
            (OnDelete::Cascade, _) if !must_stay => false,
            (OnDelete::Cascade | OnDelete::Restrict, Some(parent_key)) => {
                self.restore(foreign_key.parent, &parent_key)?
            }
            (OnDelete::Cascade | OnDelete::Restrict, None) => false,
            (OnDelete::SetNull, _) => self.set(*table, key, foreign_key, null)?,
            (OnDelete::SetDefault, parent_key) => {
                self.set(*table, key, foreign_key, defaults::find)?
                    || parent_key.map_or(Ok(false), |key| self.restore(foreign_key.parent, &key))?
            }
        };
        if !is_repaired {
            // If the app's database refuses that as well, the reference dangles until somebody writes the row.
            let reason = "the row that it refers to was deleted";
            self.writer.delete_for_constraint(*table, key, Some(&row), reason)?;
        }
        Ok(())
    }

    /// Whether one of the two rows was written here, and the parent was really deleted: it may also be a row that
    /// could not be applied, or that the app never had.
    fn is_ours_to_repair(
        &self,
        table: usize,
        key: &RowKey,
        parent: usize,
        parent_key: Option<&RowKey>,
    ) -> Result<bool> {
        let Some(parent_key) = parent_key else { return self.writer.is_unsent(table, key) };
        if self.writer.is_unsent(parent, parent_key)? {
            return Ok(true);
        }
        let (connection, id) = (self.writer.connection(), self.writer.tables()[parent].id);
        let is_deleted = match row_versions::find(connection, id, parent_key)? {
            Some(version) => version.deleted,
            // It was deleted for a constraint before it was ever sent.
            None => dirty_rows::find(connection, id, parent_key)?.is_some(),
        };
        Ok(is_deleted && self.writer.is_unsent(table, key)?)
    }

    /// The referring values for the row that has taken the place of a deleted one.
    fn successor(
        &self,
        foreign_key: &ForeignKey,
        parent_key: &RowKey,
        cells: &[&Cell],
    ) -> Result<Option<BTreeMap<String, Cell>>> {
        let (connection, parent) = (self.writer.connection(), &self.writer.tables()[foreign_key.parent]);
        if parent.unique_constraints.is_empty() {
            return Ok(None);
        }
        let is_it = |(table, row): &&(usize, Row)| {
            let same = |((_, to), cell): (&(String, String), &&Cell)| row.get(to) == Some(*cell);
            *table == foreign_key.parent && foreign_key.columns.iter().zip(cells).all(same)
        };
        let contents = match self.deleted.iter().rev().find(is_it) {
            Some((_, row)) => Some(row.clone()),
            None => problems::find_removed(connection, &parent.wire_name, parent_key)?,
        };
        let Some(contents) = contents else { return Ok(None) };
        let rivals = unique_constraints::find_rivals(connection, parent, parent_key, &contents)?;
        let [successor] = rivals.as_slice() else { return Ok(None) };
        let Some(row) = self.writer.read(foreign_key.parent, successor)? else { return Ok(None) };
        let value = |(from, to): &(String, String)| Some((from.clone(), row.get(to)?.clone()));
        Ok(foreign_key.columns.iter().map(value).collect())
    }

    /// Restores a deleted row. Returns `false` if that is impossible: its contents are unknown, a constraint forbids
    /// it, or it was restored before and could not stay.
    fn restore(&mut self, table: usize, key: &RowKey) -> Result<bool> {
        let (connection, id) = (self.writer.connection(), self.writer.tables()[table].id);
        if self.restored.contains(&(table, key.clone())) {
            return Ok(false);
        }
        let Some(row) = tombstones::find(connection, id, key)? else { return Ok(false) };
        if self.writer.write(table, key, &row)? != WriteOutcome::Written {
            return Ok(false);
        }
        tombstones::remove(connection, id, key)?;
        dirty_rows::put(connection, id, key, self.writer.tick()?, DirtyKind::Written)?;
        self.restored.insert((table, key.clone()));
        Ok(true)
    }

    /// Sets the columns of a reference to new values. Returns `false` if a constraint forbids it, or if the reference
    /// would dangle again.
    fn set(
        &mut self,
        table: usize,
        key: &RowKey,
        foreign_key: &ForeignKey,
        value: impl Fn(&Connection, &Table, &str) -> Result<Cell>,
    ) -> Result<bool> {
        let (connection, tables) = (self.writer.connection(), self.writer.tables());
        let it = &tables[table];
        let columns: Vec<_> = foreign_key.columns.iter().map(|(from, _)| from).collect();
        if columns.iter().any(|column| it.key.contains(column)) {
            return Ok(false);
        }
        let mut row: Row = self.writer.read(table, key)?.unwrap_or_default();
        for column in &columns {
            row.insert((*column).clone(), value(connection, it, column)?);
        }
        if let Some(cells) = references::referring_cells(foreign_key, &row)
            && !references::parent_exists(connection, tables, foreign_key, &cells)?
        {
            return Ok(false);
        }
        if self.writer.write(table, key, &row)? != WriteOutcome::Written {
            return Ok(false);
        }
        let timestamp = self.writer.tick()?;
        dirty_rows::put(connection, it.id, key, timestamp, DirtyKind::Written)?;
        if it.rule.is_by_column() {
            for column in columns {
                dirty_columns::put(connection, it.id, key, column, timestamp)?;
            }
        }
        Ok(true)
    }
}

fn null(_: &Connection, _: &Table, _: &str) -> Result<Cell> {
    Ok(Cell::Null)
}
