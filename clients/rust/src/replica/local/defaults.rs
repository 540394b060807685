//! Default values of columns.

use rusqlite::Connection;

use super::table::Table;
use crate::replica::error::Result;
use crate::replica::values::cell::Cell;

/// The value that a column gets if an insert does not name it; `NULL` if this connection cannot tell.
pub(crate) fn find(connection: &Connection, table: &Table, column: &str) -> Result<Cell> {
    let sql = "SELECT dflt_value FROM pragma_table_info(?1) WHERE name = ?2 COLLATE NOCASE";
    let expression: Option<String> =
        connection.prepare_cached(sql)?.query_row([&table.name, column], |row| row.get(0))?;
    let Some(expression) = expression else { return Ok(Cell::Null) };
    match connection.query_row(&format!("SELECT {expression}"), [], |row| row.get(0)) {
        // It may call a function that only the app's connections have.
        Err(rusqlite::Error::SqlInputError { .. }) => Ok(Cell::Null),
        value => Ok(value?),
    }
}
