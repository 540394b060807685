//! Reads, writes and deletes rows of the app's tables, by key.
//!
//! Columns are always named with their table: SQLite takes a quoted name that is no column for a text.

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::defaults;
use super::rejection::{Rejection, Rejections, WriteOutcome};
use super::table::Table;
use crate::replica::error::Result;
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// Reads the columns that sync.
pub(crate) fn read(connection: &Connection, table: &Table, key: &RowKey) -> Result<Option<Row>> {
    let Some((condition, cells)) = key_condition(table, key) else { return Ok(None) };
    let columns: Vec<_> = table.columns.iter().map(|name| format!("t.{}", identifier(name))).collect();
    let name = identifier(&table.name);
    let sql = format!("SELECT {} FROM {name} AS t WHERE {condition}", columns.join(", "));
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement.query_row(params_from_iter(cells), |found| {
        let cell = |(index, name): (usize, &String)| Ok((name.clone(), found.get(index)?));
        table.columns.iter().enumerate().map(cell).collect::<rusqlite::Result<Row>>()
    });
    Ok(row.optional()?)
}

/// Deletes a row, if it is there.
pub(crate) fn delete(
    connection: &Connection,
    table: &Table,
    key: &RowKey,
    rejections: &Rejections,
) -> Result<WriteOutcome> {
    let Some((condition, cells)) = key_condition(table, key) else { return Ok(WriteOutcome::Written) };
    let sql = format!("DELETE FROM {} AS t WHERE {condition}", identifier(&table.name));
    rejections.catch(connection, table, key, || {
        connection.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
        Ok(())
    })
}

/// Inserts or updates a row. Columns that `row` does not have keep their values, or get their defaults.
///
/// No upsert: it would impose its own conflict clause on the statements of the app's triggers. Where the schema has
/// conflict clauses, they are overridden, because `REPLACE` would delete other rows unnoticed.
pub(crate) fn write(
    connection: &Connection,
    table: &Table,
    key: &RowKey,
    row: &Row,
    rejections: &Rejections,
) -> Result<WriteOutcome> {
    let Some((condition, condition_cells)) = key_condition(table, key) else {
        let reason = String::from("the key does not match the table's primary key");
        return Ok(WriteOutcome::Rejected(Rejection { reason, is_about_uniqueness: false }));
    };
    let others: Vec<_> = table
        .columns
        .iter()
        .filter(|name| !table.key.contains(name))
        .filter_map(|name| row.get_key_value(name))
        .collect();
    let clause = if table.has_conflict_clauses { "OR ABORT " } else { "" };
    rejections.catch(connection, table, key, || {
        if is_there(connection, table, &others, clause, &condition, &condition_cells)? {
            return Ok(());
        }
        let key_cells = key_cells(table, key).unwrap_or_default();
        let names = table.key.iter().chain(others.iter().map(|(name, _)| *name));
        let names: Vec<_> = names.map(|name| identifier(name)).collect();
        let sql = format!(
            "INSERT {clause}INTO {} ({}) VALUES ({})",
            identifier(&table.name),
            names.join(", "),
            vec!["?"; names.len()].join(", ")
        );
        let values = key_cells.iter().chain(others.iter().map(|(_, cell)| *cell));
        connection.prepare_cached(&sql)?.execute(params_from_iter(values))?;
        Ok(())
    })
}

/// Updates the row. Returns `false` if it is not there.
fn is_there(
    connection: &Connection,
    table: &Table,
    others: &[(&String, &Cell)],
    clause: &str,
    condition: &str,
    condition_cells: &[Cell],
) -> rusqlite::Result<bool> {
    let name = identifier(&table.name);
    if others.is_empty() {
        let sql = format!("SELECT 1 FROM {name} AS t WHERE {condition}");
        return connection.prepare_cached(&sql)?.exists(params_from_iter(condition_cells));
    }
    let assignments: Vec<_> = others.iter().map(|(name, _)| format!("{} = ?", identifier(name))).collect();
    let sql = format!("UPDATE {clause}{name} AS t SET {} WHERE {condition}", assignments.join(", "));
    let mut statement = connection.prepare_cached(&sql)?;
    let values = others.iter().map(|(_, cell)| *cell).chain(condition_cells);
    Ok(statement.execute(params_from_iter(values))? > 0)
}

/// Splits a row into the columns that the table has, by the table's own names for them, and the others.
pub(crate) fn split_columns(table: &Table, row: Row) -> (Row, Row) {
    let (mut known, mut others) = (Row::new(), Row::new());
    for (name, cell) in row {
        match table.column(&name) {
            Some(name) => known.insert(name.to_owned(), cell),
            None => others.insert(name, cell),
        };
    }
    (known, others)
}

/// The columns that `ours` has and `theirs` does not, with other values than their defaults: whoever wrote `theirs` did
/// not know them.
pub(crate) fn only_ours(connection: &Connection, table: &Table, ours: &Row, theirs: &Row) -> Result<Row> {
    let mut only_ours = Row::new();
    for (name, cell) in
        ours.iter().filter(|(name, _)| !theirs.contains_key(*name) && !table.key.contains(name))
    {
        if defaults::find(connection, table, name)? != *cell {
            only_ours.insert(name.clone(), cell.clone());
        }
    }
    Ok(only_ours)
}

fn key_cells(table: &Table, key: &RowKey) -> Option<Vec<Cell>> {
    key.cells().filter(|cells| cells.len() == table.key.len())
}

/// A condition on `t` that holds for exactly this key and uses the primary key's index. The literals are compared as
/// well, because a column's collation or affinity may treat other values as equal.
fn key_condition(table: &Table, key: &RowKey) -> Option<(String, Vec<Cell>)> {
    let mut cells = key_cells(table, key)?;
    let equals = |(name, cell): (&String, &Cell)| match cell {
        Cell::Null => format!("t.{} IS ?", identifier(name)),
        _ => format!("t.{} = ?", identifier(name)),
    };
    let mut conditions: Vec<_> = table.key.iter().zip(&cells).map(equals).collect();
    conditions.push(format!("{} = ?", table.key_sql("t.")));
    cells.push(Cell::Text(key.as_str().to_owned()));
    Some((conditions.join(" AND "), cells))
}
