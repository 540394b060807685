//! The tables that sync, as they were when they were last attached.

use rusqlite::{Connection, OptionalExtension, params};

use crate::replica::error::{ReplicaError, Result, TableFault};

/// Returns the id of a table, which it keeps until the database is detached.
pub(crate) fn find_or_insert(connection: &Connection, name: &str, key: &[String]) -> Result<i64> {
    // Names are those of SQLite: it does not tell `Notes` from `notes`.
    let find = "SELECT id FROM tidelog_tables WHERE name = ?1 COLLATE NOCASE";
    let key = serde_json::to_string(key).unwrap_or_default();
    match connection.query_row(find, [name], |row| row.get(0)).optional()? {
        Some(id) => {
            let update = "UPDATE tidelog_tables SET name = ?2, key_columns = ?3 WHERE id = ?1";
            connection.execute(update, params![id, name, key])?;
            Ok(id)
        }
        None => {
            let insert = "INSERT INTO tidelog_tables (name, key_columns) VALUES (?1, ?2)";
            connection.execute(insert, params![name, key])?;
            Ok(connection.last_insert_rowid())
        }
    }
}

/// # Errors
/// [`TableFault::KeyChanged`] if the table was attached with another primary key.
pub(crate) fn check_key(connection: &Connection, name: &str, key: &[String]) -> Result<()> {
    let find = "SELECT key_columns FROM tidelog_tables WHERE name = ?1 COLLATE NOCASE";
    let known: Option<String> = connection.query_row(find, [name], |row| row.get(0)).optional()?;
    let key = serde_json::to_string(key).unwrap_or_default();
    match known {
        Some(known) if !known.eq_ignore_ascii_case(&key) => {
            Err(ReplicaError::Table { table: name.to_owned(), fault: TableFault::KeyChanged })
        }
        _ => Ok(()),
    }
}

/// Whether a table is not attached, so that writes to it have not been recorded.
pub(crate) fn is_detached(connection: &Connection, id: i64) -> Result<bool> {
    Ok(connection
        .query_row("SELECT NOT attached FROM tidelog_tables WHERE id = ?1", [id], |row| row.get(0))?)
}

/// Stores which tables are attached: these, and no others.
pub(crate) fn set_attached(connection: &Connection, ids: impl Iterator<Item = i64>) -> Result<()> {
    connection.execute("UPDATE tidelog_tables SET attached = 0", [])?;
    for id in ids {
        connection.execute("UPDATE tidelog_tables SET attached = 1 WHERE id = ?1", [id])?;
    }
    Ok(())
}

/// The columns that a table had when it was last looked at.
pub(crate) fn columns(connection: &Connection, id: i64) -> Result<Vec<String>> {
    let sql = "SELECT columns FROM tidelog_tables WHERE id = ?1";
    let columns: String = connection.query_row(sql, [id], |row| row.get(0))?;
    serde_json::from_str(&columns).map_err(|_| ReplicaError::Damaged("tidelog_tables"))
}

/// Stores the columns of a table.
pub(crate) fn set_columns(connection: &Connection, id: i64, columns: &[String]) -> Result<()> {
    let columns = serde_json::to_string(columns).unwrap_or_default();
    connection.execute("UPDATE tidelog_tables SET columns = ?2 WHERE id = ?1", params![id, columns])?;
    Ok(())
}
