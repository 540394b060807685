//! The tables that sync, as they were when they were last attached.

use rusqlite::{Connection, OptionalExtension, params};

use crate::replica::error::{ReplicaError, Result, TableFault};

/// Returns the id of a table, which it keeps until the database is detached.
///
/// # Errors
/// [`TableFault::KeyChanged`] if the table had another primary key.
pub(crate) fn find_or_insert(connection: &Connection, name: &str, key: &[String]) -> Result<i64> {
    let find = "SELECT id, key_columns FROM tidelog_tables WHERE name = ?1";
    let found: Option<(i64, String)> =
        connection.query_row(find, [name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let key = serde_json::to_string(key).unwrap_or_default();
    match found {
        Some((id, key_columns)) if key_columns == key => Ok(id),
        Some(_) => Err(ReplicaError::Table { table: name.to_owned(), fault: TableFault::KeyChanged }),
        None => {
            let insert = "INSERT INTO tidelog_tables (name, key_columns) VALUES (?1, ?2)";
            connection.execute(insert, params![name, key])?;
            Ok(connection.last_insert_rowid())
        }
    }
}

/// The ids of tables that are not attached, so that writes to them have not been recorded.
pub(crate) fn list_detached(connection: &Connection) -> Result<Vec<i64>> {
    let mut statement = connection.prepare("SELECT id FROM tidelog_tables WHERE NOT attached")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// Stores which tables are attached: these, and no others.
pub(crate) fn set_attached(connection: &Connection, ids: impl Iterator<Item = i64>) -> Result<()> {
    connection.execute("UPDATE tidelog_tables SET attached = 0", [])?;
    for id in ids {
        connection.execute("UPDATE tidelog_tables SET attached = 1 WHERE id = ?1", [id])?;
    }
    Ok(())
}

/// Stores the columns of a table; returns whether they have changed.
pub(crate) fn set_columns(connection: &Connection, id: i64, columns: &[String]) -> Result<bool> {
    let columns = serde_json::to_string(columns).unwrap_or_default();
    let sql = "UPDATE tidelog_tables SET columns = ?2 WHERE id = ?1 AND columns <> ?2";
    Ok(connection.execute(sql, params![id, columns])? > 0)
}
