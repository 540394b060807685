//! What deleted rows held, where another row may forbid that they are gone.

use rusqlite::{Connection, OptionalExtension, params};

use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;

/// The values of a deleted row.
pub(crate) fn find(connection: &Connection, tbl: i64, key: &RowKey) -> Result<Option<Row>> {
    let sql = "SELECT names, cells FROM tidelog_graves WHERE tbl = ?1 AND row = ?2";
    let found: Option<(String, String)> = connection
        .prepare_cached(sql)?
        .query_row(params![tbl, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((names, cells)) = found else { return Ok(None) };
    let damaged = || ReplicaError::Damaged("tidelog_graves");
    let names: Vec<String> = serde_json::from_str(&names).map_err(|_| damaged())?;
    let cells = Cell::list_from_literals(&cells).ok_or_else(damaged)?;
    Ok(Some(names.into_iter().zip(cells).collect()))
}

/// Keeps the values of a row that is deleted, or what the log says of one that stays deleted.
pub(crate) fn put(connection: &Connection, tbl: i64, key: &RowKey, row: &Row) -> Result<()> {
    let mut cells = String::new();
    for cell in row.values() {
        let literal: String =
            connection.prepare_cached("SELECT quote(?1)")?.query_row([cell], |row| row.get(0))?;
        cells.push_str(if cells.is_empty() { "" } else { "," });
        cells.push_str(&literal);
    }
    let names: Vec<_> = row.keys().collect();
    let names = serde_json::to_string(&names).unwrap_or_default();
    let sql = "INSERT INTO tidelog_graves (tbl, row, names, cells) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (tbl, row) DO UPDATE SET names = excluded.names, cells = excluded.cells";
    connection.prepare_cached(sql)?.execute(params![tbl, key, names, cells])?;
    Ok(())
}

pub(crate) fn remove(connection: &Connection, tbl: i64, key: &RowKey) -> Result<()> {
    let sql = "DELETE FROM tidelog_graves WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, key])?;
    Ok(())
}

/// Forgets those whose deletion is in the log: a deletion that is not has a mark.
pub(crate) fn remove_settled(connection: &Connection) -> Result<()> {
    let sql = "DELETE FROM tidelog_graves AS g
               WHERE NOT EXISTS (SELECT 1 FROM tidelog_marks AS m WHERE m.tbl = g.tbl AND m.row = g.row)";
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
