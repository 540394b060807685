//! A row that was written on both sides: the table's rule settles it, with what this side knows of its own write.

use super::conflicts::{self as conflict, Side};
use super::merge::Merge;
use crate::replica::error::Result;
use crate::replica::local::app_rows as content;
use crate::replica::local::table::Table;
use crate::replica::metadata::dirty_rows::{self as marks, Kind};
use crate::replica::metadata::row_versions::Known;
use crate::replica::metadata::row_versions::is_unchanged;
use crate::replica::rule::{Conflict, Resolution, Rule};
use crate::replica::values::row::{Row, Stamps};
use crate::replica::values::row_key::RowKey;

impl Merge<'_> {
    /// Settles a conflict, if there is one.
    pub(crate) fn resolve(
        &self,
        table: &Table,
        key: &RowKey,
        known: Option<&Known>,
        remote: Option<&Row>,
        stamp: i64,
        stamps: &Stamps,
    ) -> Result<Resolution> {
        let Some(mark) = marks::find(self.connection, table.no, key)? else {
            return Ok(Resolution::TakeRemote);
        };
        let local = content::read(self.connection, table, key)?;
        if local.as_ref() == remote || is_unchanged(known, local.as_ref()) {
            return Ok(Resolution::TakeRemote);
        }
        let after = known.map_or(0, |known| known.stamp);
        // What was there before the table was attached gives way to whatever is in the log.
        let mine = if mark == 0 { 0 } else { self.ceiling.of_local(mark, after) };
        let theirs = self.ceiling.clamp(stamp);
        match &table.rule {
            Rule::ByRow => {
                let none = Stamps::new();
                let side = Side { row: local.as_ref(), stamp: mine, stamps: &none };
                Ok(conflict::by_row(&side, &Side { row: remote, stamp: theirs, stamps }))
            }
            Rule::ByColumn => {
                let written = self.written_columns(table, key, known, local.as_ref(), mine)?;
                let side = Side { row: local.as_ref(), stamp: mine, stamps: &written };
                let (resolution, kept) =
                    conflict::by_column(&side, &Side { row: remote, stamp: theirs, stamps });
                for (column, stamp) in &written {
                    if kept.contains(column) {
                        marks::put_column(self.connection, table.no, key, column, *stamp)?;
                    } else {
                        marks::remove_column(self.connection, table.no, key, column)?;
                    }
                }
                Ok(resolution)
            }
            Rule::ByApp(decide) => {
                let conflict = Conflict {
                    table: &table.name,
                    key,
                    local: local.as_ref(),
                    remote,
                    local_time: time(mine),
                    remote_time: time(theirs),
                };
                self.by_app(table, key, decide(&conflict), local.as_ref())
            }
        }
    }

    /// What the app has decided; a merged row is a new write, later than both.
    fn by_app(
        &self,
        table: &Table,
        key: &RowKey,
        resolution: Resolution,
        local: Option<&Row>,
    ) -> Result<Resolution> {
        match resolution {
            Resolution::TakeRemote => Ok(Resolution::TakeRemote),
            Resolution::KeepLocal => {
                let kind = if local.is_some() { Kind::Written } else { Kind::Deleted };
                marks::put(self.connection, table.no, key, self.tick()?, kind)?;
                Ok(Resolution::KeepLocal)
            }
            Resolution::Merge(named) => {
                let mut merged = local.cloned().unwrap_or_default();
                merged.extend(content::split(table, named).0);
                marks::put(self.connection, table.no, key, self.tick()?, Kind::Written)?;
                Ok(Resolution::Merge(merged))
            }
        }
    }

    /// The columns that were written here: all of a row that is new, and of one that came back.
    fn written_columns(
        &self,
        table: &Table,
        key: &RowKey,
        known: Option<&Known>,
        local: Option<&Row>,
        stamp: i64,
    ) -> Result<Stamps> {
        let mut written = marks::columns(self.connection, table.no, key)?;
        let is_new = known.is_none_or(|known| known.deleted);
        match local {
            Some(row) if is_new => {
                for name in row.keys() {
                    written.entry(name.clone()).or_insert(stamp);
                }
            }
            _ => {}
        }
        for column in written.values_mut() {
            *column = (*column).min(stamp);
        }
        Ok(written)
    }
}

fn time(stamp: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(stamp).unwrap_or_default()
}
