//! What a replica adds to the app's database, and takes out again.

use rusqlite::{Connection, params};

use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::sql::{PREFIX, identifier};

/// Of the tables below.
const FORMAT: i64 = 1;

const TABLES: &str = include_str!("schema.sql");

/// Whether the database was attached before.
pub(crate) fn exists(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'tidelog_state')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Creates the tables, or makes sure that they are of this version.
pub(crate) fn create(connection: &Connection) -> Result<()> {
    if !exists(connection)? {
        connection.execute_batch(TABLES)?;
        connection.execute("INSERT INTO tidelog_state (id, format) VALUES (1, ?1)", [FORMAT])?;
        connection.execute("INSERT INTO tidelog_clock (id) VALUES (1)", [])?;
    }
    let format: i64 = connection.query_row("SELECT format FROM tidelog_state", [], |row| row.get(0))?;
    if format > FORMAT { Err(ReplicaError::NewerFormat) } else { Ok(()) }
}

/// Takes everything out again.
pub(crate) fn drop_all(connection: &Connection) -> Result<()> {
    for kind in ["trigger", "table"] {
        for name in own(kind, connection)? {
            connection.execute_batch(&format!("DROP {kind} {}", identifier(&name)))?;
        }
    }
    Ok(())
}

pub(crate) fn own(kind: &str, connection: &Connection) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = ?1 AND substr(name, 1, ?2) = ?3")?;
    let names = statement.query_map(params![kind, PREFIX.len(), PREFIX], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}
