//! Creates the replica's own tables, and drops them again.

use rusqlite::{Connection, params};

use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::sql::{PREFIX, identifier};

/// The version of the tables in `schema.sql`.
const FORMAT: i64 = 2;

const TABLES: &str = include_str!("schema.sql");

/// Creates the tables, or makes sure that the existing ones have this version.
///
/// # Errors
/// [`ReplicaError::OlderFormat`] and [`ReplicaError::NewerFormat`] if another version of this library created them.
pub(crate) fn create(connection: &Connection) -> Result<()> {
    if !exists(connection)? {
        connection.execute_batch(TABLES)?;
        connection.execute("INSERT INTO tidelog_state (id, format) VALUES (1, ?1)", [FORMAT])?;
        connection.execute("INSERT INTO tidelog_clock (id) VALUES (1)", [])?;
        return Ok(());
    }
    match connection.query_row("SELECT format FROM tidelog_state", [], |row| row.get::<_, i64>(0))? {
        FORMAT => Ok(()),
        older if older < FORMAT => Err(ReplicaError::OlderFormat),
        _ => Err(ReplicaError::NewerFormat),
    }
}

fn exists(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'tidelog_state')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Drops all triggers and tables of the replica.
pub(crate) fn drop_all(connection: &Connection) -> Result<()> {
    for kind in ["trigger", "table"] {
        for name in list_own(connection, kind)? {
            connection.execute_batch(&format!("DROP {kind} {}", identifier(&name)))?;
        }
    }
    Ok(())
}

/// The names of the replica's own tables or triggers: `kind` is `table` or `trigger`.
pub(crate) fn list_own(connection: &Connection, kind: &str) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = ?1 AND substr(name, 1, ?2) = ?3")?;
    let names = statement.query_map(params![kind, PREFIX.len(), PREFIX], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}
