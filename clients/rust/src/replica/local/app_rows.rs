//! Rows of the app's own tables: read, written and deleted by key.

use rusqlite::{Connection, ErrorCode, OptionalExtension, params_from_iter};

use super::table::{Table, Unique};
use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::cell::Cell;
use crate::replica::values::row::Row;
use crate::replica::values::row_key::RowKey;
use crate::replica::values::sql::identifier;

/// The row, if it is there.
pub(crate) fn read(connection: &Connection, table: &Table, key: &RowKey) -> Result<Option<Row>> {
    let Some((condition, cells)) = by_key(table, key) else { return Ok(None) };
    let columns: Vec<_> = table.columns.iter().map(|name| identifier(name)).collect();
    let sql = format!("SELECT {} FROM {} WHERE {condition}", columns.join(", "), identifier(&table.name));
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement.query_row(params_from_iter(cells), |found| {
        let cell = |(place, name): (usize, &String)| Ok((name.clone(), found.get(place)?));
        table.columns.iter().enumerate().map(cell).collect::<rusqlite::Result<Row>>()
    });
    Ok(row.optional()?)
}

pub(crate) fn delete(connection: &Connection, table: &Table, key: &RowKey) -> Result<()> {
    let Some((condition, cells)) = by_key(table, key) else { return Ok(()) };
    let sql = format!("DELETE FROM {} WHERE {condition}", identifier(&table.name));
    connection.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
    Ok(())
}

/// Writes the columns that the table has, and leaves alone those that the row does not have.
///
/// # Errors
/// `Ok(Err(reason))`: the database refuses the row.
pub(crate) fn write(
    connection: &Connection,
    table: &Table,
    key: &RowKey,
    row: &Row,
) -> Result<Result<(), String>> {
    let Some(cells) = cells_of(table, key) else { return Ok(Err(String::from("the key does not fit"))) };
    if cells.contains(&Cell::Null) {
        // An upsert takes no two NULLs for the same.
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
    let places = vec!["?"; names.len()].join(", ");
    let targets: Vec<_> = table.key.iter().map(|name| identifier(name)).collect();
    let sets: Vec<_> =
        others.iter().map(|(name, _)| format!("{0} = excluded.{0}", identifier(name))).collect();
    let action =
        if sets.is_empty() { String::from("NOTHING") } else { format!("UPDATE SET {}", sets.join(", ")) };
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({places}) ON CONFLICT ({}) DO {action}",
        identifier(&table.name),
        names.join(", "),
        targets.join(", ")
    );
    let values = cells.iter().chain(others.iter().map(|(_, cell)| *cell));
    refused(connection.prepare_cached(&sql)?.execute(params_from_iter(values)))
}

/// Other rows of the table that have what this one holds where it must be unique.
pub(crate) fn rivals(connection: &Connection, table: &Table, key: &RowKey, row: &Row) -> Result<Vec<RowKey>> {
    let mut rivals = Vec::new();
    for Unique(columns) in &table.uniques {
        let cells: Option<Vec<_>> = columns.iter().map(|(name, _)| row.get(name)).collect();
        let Some(cells) = cells.filter(|cells| !cells.contains(&&Cell::Null)) else { continue };
        let same = |(name, collation): &(String, String)| {
            format!("{} = ? COLLATE {}", identifier(name), identifier(collation))
        };
        let sql = format!(
            "SELECT {} FROM {} WHERE {}",
            table.key_sql(""),
            identifier(&table.name),
            columns.iter().map(same).collect::<Vec<_>>().join(" AND ")
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_map(params_from_iter(cells), |row| row.get::<_, RowKey>(0))?;
        for rival in found {
            let rival = rival?;
            if rival != *key && !rivals.contains(&rival) {
                rivals.push(rival);
            }
        }
    }
    Ok(rivals)
}

/// The columns that the table has, and the others.
pub(crate) fn split(table: &Table, row: Row) -> (Row, Row) {
    row.into_iter().partition(|(name, _)| table.columns.contains(name))
}

/// A refusal by the database's rules is an answer, anything else a fault.
pub(crate) fn refused(outcome: rusqlite::Result<usize>) -> Result<Result<(), String>> {
    match outcome {
        Ok(_) => Ok(Ok(())),
        Err(rusqlite::Error::SqliteFailure(error, reason))
            if matches!(
                error.code,
                ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig
            ) =>
        {
            Ok(Err(reason.unwrap_or_else(|| error.to_string())))
        }
        Err(error) => Err(ReplicaError::Sqlite(error)),
    }
}

fn cells_of(table: &Table, key: &RowKey) -> Option<Vec<Cell>> {
    key.cells().filter(|cells| cells.len() == table.key.len())
}

/// A condition that an index serves, and that holds for exactly this key: a column may take other spellings for equal.
fn by_key(table: &Table, key: &RowKey) -> Option<(String, Vec<Cell>)> {
    let mut cells = cells_of(table, key)?;
    let same = |(name, cell): (&String, &Cell)| match cell {
        Cell::Null => format!("{} IS ?", identifier(name)),
        _ => format!("{} = ?", identifier(name)),
    };
    let mut conditions: Vec<_> = table.key.iter().zip(&cells).map(same).collect();
    conditions.push(format!("{} = ?", table.key_sql("")));
    cells.push(Cell::Text(key.as_str().to_owned()));
    Some((conditions.join(" AND "), cells))
}
