//! References that lead nowhere: one device deleted a row while another wrote one that refers to it.
//!
//! The device that meets both settles it as its schema says, and sends what comes of it. `CASCADE`: the referring row goes, too.
//! `SET NULL`, `SET DEFAULT`: its reference is cleared. Otherwise the deletion was not allowed: the row comes back. With it comes
//! the row whose deletion took it along by `CASCADE`, for SQLite would have refused that, too.
//!
//! References between rows of which neither was written here are left alone: all devices see the same, and it is for the one
//! that wrote them to settle.

use rusqlite::params_from_iter;

use super::merge::Merge;
use crate::replica::error::Result;
use crate::replica::local::app_rows as content;
use crate::replica::local::table::{OnDelete, Reference, Table};
use crate::replica::metadata::dirty_rows::{self as marks, Kind};
use crate::replica::metadata::row_versions as rows;
use crate::replica::metadata::tombstones as graves;
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// A row, and which of its table's references leads nowhere.
type Dangling = (usize, RowKey, usize);

impl Merge<'_> {
    /// Looks at what was written and what is gone, or at everything, and settles what it finds. Ends: each step removes a row,
    /// clears a reference, or brings back a row, which it does once for each.
    pub(crate) fn mend_references(&mut self, everything: bool) -> Result<()> {
        let mut dangling = if everything { self.find_all()? } else { Vec::new() };
        loop {
            for (place, key) in std::mem::take(&mut self.written) {
                dangling.extend(self.dangling_of(place, &key)?);
            }
            for (parent, row) in std::mem::take(&mut self.gone) {
                dangling.extend(self.referring_to(parent, &row)?);
            }
            let Some((place, key, reference)) = dangling.pop() else { return Ok(()) };
            self.mend(place, &key, reference)?;
        }
    }

    fn mend(&mut self, place: usize, key: &RowKey, reference: usize) -> Result<()> {
        let tables = self.tables;
        let (table, reference) = (&tables[place], &tables[place].references[reference]);
        let Some(row) = content::read(self.connection, table, key)? else { return Ok(()) };
        let Some(cells) = referring_cells(reference, &row) else { return Ok(()) };
        if self.is_there(reference, &cells)? {
            return Ok(());
        }
        let parent_key = self.key_of_parent(reference, &cells)?;
        if !self.is_to_be_mended(place, key, reference.parent, parent_key.as_ref())? {
            return Ok(());
        }
        let must_stay = self.returned.contains(&(place, key.clone()));
        match reference.on_delete {
            OnDelete::Cascade if !must_stay => {}
            OnDelete::Forbid | OnDelete::Cascade => {
                if let Some(parent_key) = parent_key
                    && self.bring_back(reference.parent, &parent_key)?
                {
                    return Ok(());
                }
            }
            OnDelete::SetNull | OnDelete::SetDefault => {
                if self.clear(place, key, reference)? {
                    return Ok(());
                }
            }
        }
        self.give_way(place, key, "what it refers to is gone")
    }

    /// Whether one of the two was written here, and the row that is referred to was deleted: not one that only could not be
    /// applied, or that the app has never had.
    fn is_to_be_mended(
        &self,
        place: usize,
        key: &RowKey,
        parent: usize,
        parent_key: Option<&RowKey>,
    ) -> Result<bool> {
        let Some(parent_key) = parent_key else { return self.is_written_here(place, key) };
        if self.is_written_here(parent, parent_key)? {
            return Ok(true);
        }
        let no = self.tables[parent].no;
        let is_deleted = match rows::find(self.connection, no, parent_key)? {
            Some(known) => known.deleted,
            // It gave way before it was sent.
            None => marks::find(self.connection, no, parent_key)?.is_some(),
        };
        Ok(is_deleted && self.is_written_here(place, key)?)
    }

    /// `false`: what it held is not known, something stands in its place, or it came back already and could not stay.
    fn bring_back(&mut self, parent: usize, key: &RowKey) -> Result<bool> {
        let table = &self.tables[parent];
        if self.returned.contains(&(parent, key.clone())) {
            return Ok(false);
        }
        let Some(row) = graves::find(self.connection, table.no, key)? else { return Ok(false) };
        if content::write(self.connection, table, key, &row)?.is_err() {
            return Ok(false);
        }
        graves::remove(self.connection, table.no, key)?;
        marks::put(self.connection, table.no, key, self.tick()?, Kind::Written)?;
        self.written.push((parent, key.clone()));
        self.returned.insert((parent, key.clone()));
        Ok(true)
    }

    /// `false`: the reference must not be empty.
    fn clear(&mut self, place: usize, key: &RowKey, reference: &Reference) -> Result<bool> {
        let table = &self.tables[place];
        if reference.columns.iter().any(|(from, _)| table.key.contains(from)) {
            return Ok(false);
        }
        let cleared: Row = reference.columns.iter().map(|(from, _)| (from.clone(), Cell::Null)).collect();
        let mut row = content::read(self.connection, table, key)?.unwrap_or_default();
        row.extend(cleared.clone());
        if content::write(self.connection, table, key, &row)?.is_err() {
            return Ok(false);
        }
        let stamp = self.tick()?;
        marks::put(self.connection, table.no, key, stamp, Kind::Written)?;
        if table.rule.is_by_column() {
            for column in cleared.keys() {
                marks::put_column(self.connection, table.no, key, column, stamp)?;
            }
        }
        Ok(true)
    }

    fn dangling_of(&self, place: usize, key: &RowKey) -> Result<Vec<Dangling>> {
        let table = &self.tables[place];
        let Some(row) = content::read(self.connection, table, key)? else { return Ok(Vec::new()) };
        let mut dangling = Vec::new();
        for (index, reference) in table.references.iter().enumerate() {
            if let Some(cells) = referring_cells(reference, &row)
                && !self.is_there(reference, &cells)?
            {
                dangling.push((place, key.clone(), index));
            }
        }
        Ok(dangling)
    }

    /// Rows that refer to this one.
    fn referring_to(&self, parent: usize, row: &Row) -> Result<Vec<Dangling>> {
        let mut dangling = Vec::new();
        for (place, table) in self.tables.iter().enumerate() {
            for (index, reference) in table.references.iter().enumerate() {
                if reference.parent != parent {
                    continue;
                }
                let cells: Option<Vec<_>> = reference.columns.iter().map(|(_, to)| row.get(to)).collect();
                let Some(cells) = cells else { continue };
                let same = |(from, _): &(String, String)| format!("{} = ?", identifier(from));
                let condition: Vec<_> = reference.columns.iter().map(same).collect();
                let found = self.keys_where(table, &condition.join(" AND "), &cells)?;
                dangling.extend(found.into_iter().map(|key| (place, key, index)));
            }
        }
        Ok(dangling)
    }

    /// Every reference that leads nowhere.
    fn find_all(&self) -> Result<Vec<Dangling>> {
        let mut dangling = Vec::new();
        for (place, table) in self.tables.iter().enumerate() {
            for (index, reference) in table.references.iter().enumerate() {
                let child = identifier(&table.name);
                let filled =
                    |(from, _): &(String, String)| format!("{child}.{} IS NOT NULL", identifier(from));
                let same = |(from, to): &(String, String)| {
                    format!("tidelog_parent.{} = {child}.{}", identifier(to), identifier(from))
                };
                let filled: Vec<_> = reference.columns.iter().map(filled).collect();
                let same: Vec<_> = reference.columns.iter().map(same).collect();
                let condition = format!(
                    "{} AND NOT EXISTS (SELECT 1 FROM {} AS tidelog_parent WHERE {})",
                    filled.join(" AND "),
                    identifier(&self.tables[reference.parent].name),
                    same.join(" AND ")
                );
                let found = self.keys_where(table, &condition, &[])?;
                dangling.extend(found.into_iter().map(|key| (place, key, index)));
            }
        }
        Ok(dangling)
    }

    fn keys_where(&self, table: &Table, condition: &str, cells: &[&Cell]) -> Result<Vec<RowKey>> {
        let prefix = format!("{}.", identifier(&table.name));
        let sql =
            format!("SELECT {} FROM {} WHERE {condition}", table.key_sql(&prefix), identifier(&table.name));
        let mut statement = self.connection.prepare_cached(&sql)?;
        let keys = statement.query_map(params_from_iter(cells), |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    fn is_there(&self, reference: &Reference, cells: &[&Cell]) -> Result<bool> {
        let same = |(_, to): &(String, String)| format!("{} = ?", identifier(to));
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {} WHERE {})",
            identifier(&self.tables[reference.parent].name),
            reference.columns.iter().map(same).collect::<Vec<_>>().join(" AND ")
        );
        Ok(self.connection.prepare_cached(&sql)?.query_row(params_from_iter(cells), |row| row.get(0))?)
    }

    /// The key of the row that is referred to, where the reference is by its key.
    fn key_of_parent(&self, reference: &Reference, cells: &[&Cell]) -> Result<Option<RowKey>> {
        let parent = &self.tables[reference.parent];
        let cell_of = |column: &String| {
            let place = reference.columns.iter().position(|(_, to)| to == column)?;
            cells.get(place).copied()
        };
        let key: Option<Vec<_>> = parent.key.iter().map(cell_of).collect();
        let Some(key) = key.filter(|key| key.len() == reference.columns.len()) else { return Ok(None) };
        let quoted = vec!["quote(?)"; key.len()].join(" || ',' || ");
        let mut statement = self.connection.prepare_cached(&format!("SELECT {quoted}"))?;
        Ok(Some(statement.query_row(params_from_iter(key), |row| row.get(0))?))
    }
}

/// The values of a reference; `None` if one of them is NULL, so that it refers to nothing.
fn referring_cells<'r>(reference: &Reference, row: &'r Row) -> Option<Vec<&'r Cell>> {
    let cells: Option<Vec<_>> = reference.columns.iter().map(|(from, _)| row.get(from)).collect();
    cells.filter(|cells| !cells.contains(&&Cell::Null))
}
