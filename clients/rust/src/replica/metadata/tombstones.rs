//! The contents of deleted rows, where another row's foreign key may forbid the deletion, so that the row has to be
//! restored.
//!
//! Triggers write tombstones too, so the values are stored as a trigger can write them: as SQL literals.

use rusqlite::{Connection, OptionalExtension, params};

use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;

/// The contents of a deleted row.
pub(crate) fn find(connection: &Connection, table_id: i64, key: &RowKey) -> Result<Option<Row>> {
    let sql = "SELECT columns, cells FROM tidelog_tombstones WHERE table_id = ?1 AND row_key = ?2";
    let found: Option<(String, String)> = connection
        .prepare_cached(sql)?
        .query_row(params![table_id, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((columns, cells)) = found else { return Ok(None) };
    let damaged = || ReplicaError::Damaged("tidelog_tombstones");
    let columns: Vec<String> = serde_json::from_str(&columns).map_err(|_| damaged())?;
    let cells = Cell::list_from_literals(&cells).ok_or_else(damaged)?;
    Ok(Some(columns.into_iter().zip(cells).collect()))
}

/// Stores the contents of a deleted row.
pub(crate) fn put(connection: &Connection, table_id: i64, key: &RowKey, row: &Row) -> Result<()> {
    let mut literals = Vec::with_capacity(row.len());
    for cell in row.values() {
        let mut quote = connection.prepare_cached("SELECT quote(?1)")?;
        literals.push(quote.query_row([cell], |row| row.get::<_, String>(0))?);
    }
    let columns: Vec<_> = row.keys().collect();
    let columns = serde_json::to_string(&columns).unwrap_or_default();
    let sql = "INSERT INTO tidelog_tombstones (table_id, row_key, columns, cells) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (table_id, row_key) DO UPDATE SET columns = excluded.columns, cells = excluded.cells";
    connection.prepare_cached(sql)?.execute(params![table_id, key, columns, literals.join(",")])?;
    Ok(())
}

pub(crate) fn remove(connection: &Connection, table_id: i64, key: &RowKey) -> Result<()> {
    let sql = "DELETE FROM tidelog_tombstones WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key])?;
    Ok(())
}

/// Removes the tombstones of rows whose deletion is in the log; until then, the row is dirty.
pub(crate) fn remove_clean(connection: &Connection) -> Result<()> {
    let sql = "DELETE FROM tidelog_tombstones AS t WHERE NOT EXISTS
                   (SELECT 1 FROM tidelog_dirty_rows AS d WHERE d.table_id = t.table_id AND d.row_key = t.row_key)";
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
