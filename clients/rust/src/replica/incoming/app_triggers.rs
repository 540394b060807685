//! Undoes what the app's own triggers did to synced rows while those were applied.
//!
//! The app's triggers run for applied rows, for the sake of whatever they maintain outside the synced tables, such as
//! a search index. Their changes to the synced rows themselves were already made on the device that wrote the rows.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::replica::error::Result;
use crate::replica::local::app_rows;
use crate::replica::local::rejection::Rejections;
use crate::replica::local::table::Table;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;

/// A row that was applied: what it must contain, or `None` if it must not exist.
pub(super) struct AppliedRow {
    pub(super) table: usize,
    pub(super) key: RowKey,
    pub(super) row: Option<Row>,
}

/// Writes or deletes the rows again that are not what they must be, with triggers switched off.
pub(super) fn reapply(connection: &Connection, tables: &[Table], applied: &[AppliedRow]) -> Result<()> {
    let mut changed = Vec::new();
    for it in applied {
        let current = app_rows::read(connection, &tables[it.table], &it.key)?;
        let is_as_applied = match (&it.row, &current) {
            (Some(row), Some(current)) => row.iter().all(|(name, cell)| current.get(name) == Some(cell)),
            (row, current) => row.is_none() == current.is_none(),
        };
        if !is_as_applied {
            changed.push(it);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    let rejections = Rejections::default();
    let outcome = changed.into_iter().try_for_each(|it| {
        let (table, key) = (&tables[it.table], &it.key);
        match &it.row {
            Some(row) => app_rows::write(connection, table, key, row, &rejections),
            None => app_rows::delete(connection, table, key, &rejections),
        }
        .map(drop)
    });
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
    outcome
}
