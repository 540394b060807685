//! Reads, writes and deletes rows of the app's tables, by key.

use rusqlite::{Connection, ErrorCode, OptionalExtension, params_from_iter};

use super::table::Table;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// Whether the app's database accepted a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    Written,
    /// A constraint forbids the row; says which one.
    Rejected(String),
}

/// Reads the columns that sync.
pub(crate) fn read(connection: &Connection, table: &Table, key: &RowKey) -> Result<Option<Row>> {
    let Some((condition, cells)) = key_condition(table, key) else { return Ok(None) };
    let columns: Vec<_> = table.columns.iter().map(|name| identifier(name)).collect();
    let sql = format!("SELECT {} FROM {} WHERE {condition}", columns.join(", "), identifier(&table.name));
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement.query_row(params_from_iter(cells), |found| {
        let cell = |(index, name): (usize, &String)| Ok((name.clone(), found.get(index)?));
        table.columns.iter().enumerate().map(cell).collect::<rusqlite::Result<Row>>()
    });
    Ok(row.optional()?)
}

pub(crate) fn delete(connection: &Connection, table: &Table, key: &RowKey) -> Result<()> {
    let Some((condition, cells)) = key_condition(table, key) else { return Ok(()) };
    let sql = format!("DELETE FROM {} WHERE {condition}", identifier(&table.name));
    connection.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
    Ok(())
}

/// Inserts or updates a row. Columns that `row` does not have keep their values, or get their defaults.
pub(crate) fn write(connection: &Connection, table: &Table, key: &RowKey, row: &Row) -> Result<WriteOutcome> {
    let Some(cells) = key_cells(table, key) else {
        return Ok(WriteOutcome::Rejected(String::from("the key does not match the table's primary key")));
    };
    if cells.contains(&Cell::Null) {
        // An upsert never finds a key with NULL, because NULLs are distinct.
        delete(connection, table, key)?;
    }
    let others: Vec<_> = table
        .columns
        .iter()
        .filter(|name| !table.key.contains(name))
        .filter_map(|name| row.get_key_value(name))
        .collect();
    let names = table.key.iter().chain(others.iter().map(|(name, _)| *name)).map(|name| identifier(name));
    let names: Vec<_> = names.collect();
    let placeholders = vec!["?"; names.len()].join(", ");
    let key_columns: Vec<_> = table.key.iter().map(|name| identifier(name)).collect();
    let assignments: Vec<_> =
        others.iter().map(|(name, _)| format!("{0} = excluded.{0}", identifier(name))).collect();
    let action = if assignments.is_empty() {
        String::from("NOTHING")
    } else {
        format!("UPDATE SET {}", assignments.join(", "))
    };
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({placeholders}) ON CONFLICT ({}) DO {action}",
        identifier(&table.name),
        names.join(", "),
        key_columns.join(", ")
    );
    let values = cells.iter().chain(others.iter().map(|(_, cell)| *cell));
    match connection.prepare_cached(&sql)?.execute(params_from_iter(values)) {
        Ok(_) => Ok(WriteOutcome::Written),
        Err(rusqlite::Error::SqliteFailure(error, reason)) if is_rejection(error.code) => {
            Ok(WriteOutcome::Rejected(reason.unwrap_or_else(|| error.to_string())))
        }
        Err(error) => Err(ReplicaError::Sqlite(error)),
    }
}

/// Splits a row into the columns that the table has, and the others.
pub(crate) fn split_columns(table: &Table, row: Row) -> (Row, Row) {
    row.into_iter().partition(|(name, _)| table.columns.contains(name))
}

/// Whether the error is about the row, not about the database.
fn is_rejection(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
}

fn key_cells(table: &Table, key: &RowKey) -> Option<Vec<Cell>> {
    key.cells().filter(|cells| cells.len() == table.key.len())
}

/// A condition that holds for exactly this key and uses the primary key's index. The literals are compared as well,
/// because a column's collation or affinity may treat other values as equal.
fn key_condition(table: &Table, key: &RowKey) -> Option<(String, Vec<Cell>)> {
    let mut cells = key_cells(table, key)?;
    let equals = |(name, cell): (&String, &Cell)| match cell {
        Cell::Null => format!("{} IS ?", identifier(name)),
        _ => format!("{} = ?", identifier(name)),
    };
    let mut conditions: Vec<_> = table.key.iter().zip(&cells).map(equals).collect();
    conditions.push(format!("{} = ?", table.key_sql("")));
    cells.push(Cell::Text(key.as_str().to_owned()));
    Some((conditions.join(" AND "), cells))
}
