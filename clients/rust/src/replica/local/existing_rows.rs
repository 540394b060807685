//! What a table already contains when it is attached: rows from before the first attach, rows that were written while
//! the table was not attached, and columns that came with a new version of the app.

use rusqlite::Connection;

use super::app_rows::{self, WriteOutcome};
use super::table::Table;
use crate::replica::error::Result;
use crate::replica::metadata::clock::set_applying;
use crate::replica::metadata::dirty_rows::{self, DirtyKind};
use crate::replica::metadata::row_versions::{self, is_unchanged};
use crate::replica::metadata::state::ReplicaState;
use crate::replica::metadata::synced_tables;
use crate::replica::values::row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// Makes the rows dirty that differ from the log.
///
/// Rows that the log does not have count as older than anything in the log. Of rows that have changed since their
/// newest log entry, the time of the change is unknown: they count as later than that entry, but as earlier than
/// anything written since.
pub(crate) fn find_changes(connection: &Connection, table: &Table) -> Result<()> {
    let in_log = row_versions::list_existing(connection, table.id)?;
    let sql = format!(
        "INSERT INTO tidelog_dirty_rows (table_id, row_key, timestamp, kind) SELECT ?1, {key}, 0, 0 FROM {name} \
         WHERE NOT EXISTS (SELECT 1 FROM tidelog_row_versions WHERE table_id = ?1 AND row_key = {key}) \
         ON CONFLICT (table_id, row_key) DO NOTHING",
        key = table.key_sql(""),
        name = identifier(&table.name)
    );
    connection.execute(&sql, [table.id])?;
    for key in in_log {
        let version = row_versions::find(connection, table.id, &key)?;
        let local = app_rows::read(connection, table, &key)?;
        if is_unchanged(version.as_ref(), local.as_ref())
            || dirty_rows::find(connection, table.id, &key)?.is_some()
        {
            continue;
        }
        let timestamp = version.map_or(0, |version| version.timestamp + 1);
        let kind = if local.is_some() { DirtyKind::Written } else { DirtyKind::Deleted };
        dirty_rows::put(connection, table.id, &key, timestamp, kind)?;
    }
    Ok(())
}

/// Fills columns that the app did not have before with the values that other devices have written.
pub(crate) fn fill_new_columns(connection: &Connection, table: &Table) -> Result<()> {
    if !synced_tables::set_columns(connection, table.id, &table.columns)? {
        return Ok(());
    }
    let generation = ReplicaState::load(connection)?.generation;
    set_applying(connection, true)?;
    for key in row_versions::list_with_extra_columns(connection, table.id)? {
        fill_row(connection, table, &key, generation)?;
    }
    set_applying(connection, false)
}

fn fill_row(connection: &Connection, table: &Table, key: &RowKey, generation: i64) -> Result<()> {
    let Some(mut version) = row_versions::find(connection, table.id, key)? else { return Ok(()) };
    let Some(mut row) = app_rows::read(connection, table, key)? else { return Ok(()) };
    let (new_columns, extra_columns) =
        app_rows::split_columns(table, std::mem::take(&mut version.extra_columns));
    version.extra_columns = extra_columns;
    row.extend(new_columns);
    if app_rows::write(connection, table, key, &row)? == WriteOutcome::Written
        && dirty_rows::find(connection, table.id, key)?.is_none()
    {
        version.digest = Some(row::digest(&row));
    }
    row_versions::put(connection, table.id, key, &version, generation)
}
