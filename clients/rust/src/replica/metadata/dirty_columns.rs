//! In tables that are merged column by column: columns that were written here and are not in the log yet.

use rusqlite::{Connection, params};

use crate::replica::error::Result;
use crate::replica::values::row::ColumnTimestamps;
use crate::replica::values::row_key::RowKey;

/// When the dirty columns of a row were written.
pub(crate) fn list(connection: &Connection, table_id: i64, key: &RowKey) -> Result<ColumnTimestamps> {
    let sql = "SELECT name, timestamp FROM tidelog_dirty_columns WHERE table_id = ?1 AND row_key = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![table_id, key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn put(
    connection: &Connection,
    table_id: i64,
    key: &RowKey,
    name: &str,
    timestamp: i64,
) -> Result<()> {
    let sql = "INSERT INTO tidelog_dirty_columns (table_id, row_key, name, timestamp) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (table_id, row_key, name) DO UPDATE SET timestamp = excluded.timestamp";
    connection.prepare_cached(sql)?.execute(params![table_id, key, name, timestamp])?;
    Ok(())
}

pub(crate) fn remove(connection: &Connection, table_id: i64, key: &RowKey, name: &str) -> Result<()> {
    let sql = "DELETE FROM tidelog_dirty_columns WHERE table_id = ?1 AND row_key = ?2 AND name = ?3";
    connection.prepare_cached(sql)?.execute(params![table_id, key, name])?;
    Ok(())
}

/// Makes the columns of a row clean that were not written after `timestamp`.
pub(super) fn remove_until(
    connection: &Connection,
    table_id: i64,
    key: &RowKey,
    timestamp: i64,
) -> Result<()> {
    let sql = "DELETE FROM tidelog_dirty_columns WHERE table_id = ?1 AND row_key = ?2 AND timestamp <= ?3";
    connection.prepare_cached(sql)?.execute(params![table_id, key, timestamp])?;
    Ok(())
}

/// Caps the timestamps of a row's columns.
pub(super) fn backdate(connection: &Connection, table_id: i64, key: &RowKey, timestamp: i64) -> Result<()> {
    let sql = "UPDATE tidelog_dirty_columns SET timestamp = min(timestamp, ?3)
               WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key, timestamp])?;
    Ok(())
}
