//! What a replica adds to the app's database, and takes out again.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::{ReplicaError, Result, TableFault};
use super::names::{PREFIX, identifier};
use super::table::Table;
use super::triggers;

/// Of the tables below.
const FORMAT: i64 = 1;

const TABLES: &str = include_str!("schema.sql");

/// Whether the database was attached before.
pub(super) fn exists(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'tidelog_state')";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Creates the tables, or makes sure that they are of this version.
pub(super) fn create(connection: &Connection) -> Result<()> {
    if !exists(connection)? {
        connection.execute_batch(TABLES)?;
        connection.execute("INSERT INTO tidelog_state (id, format) VALUES (1, ?1)", [FORMAT])?;
        connection.execute("INSERT INTO tidelog_clock (id) VALUES (1)", [])?;
    }
    let format: i64 = connection.query_row("SELECT format FROM tidelog_state", [], |row| row.get(0))?;
    if format > FORMAT { Err(ReplicaError::NewerFormat) } else { Ok(()) }
}

/// Makes the triggers what they should be. Those that are so already stay: replacing them would make every connection prepare
/// its statements again.
pub(super) fn create_triggers(connection: &Connection, tables: &[Table]) -> Result<()> {
    let wanted: Vec<_> = tables.iter().flat_map(triggers::of).collect();
    for name in own("trigger", connection)? {
        if !wanted.iter().any(|(kept, _)| *kept == name) {
            connection.execute_batch(&format!("DROP TRIGGER {}", identifier(&name)))?;
        }
    }
    for (name, sql) in wanted {
        let find = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1";
        let found: Option<String> = connection.query_row(find, [&name], |row| row.get(0)).optional()?;
        if found.as_ref() == Some(&sql) {
            continue;
        }
        connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", identifier(&name)))?;
        connection.execute_batch(&sql)?;
    }
    Ok(())
}

/// The number of a table, which it keeps for as long as the database is attached.
pub(super) fn number_of(connection: &Connection, table: &Table) -> Result<i64> {
    let find = "SELECT no, key_columns FROM tidelog_tables WHERE name = ?1";
    let found: Option<(i64, String)> =
        connection.query_row(find, [&table.name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let key = serde_json::to_string(&table.key).unwrap_or_default();
    match found {
        Some((no, known)) if known == key => Ok(no),
        Some(_) => Err(ReplicaError::Table { table: table.name.clone(), fault: TableFault::KeyChanged }),
        None => {
            let insert = "INSERT INTO tidelog_tables (name, key_columns) VALUES (?1, ?2)";
            connection.execute(insert, params![table.name, key])?;
            Ok(connection.last_insert_rowid())
        }
    }
}

/// Those of these tables in which writes were not recorded until now.
pub(super) fn list_detached(connection: &Connection, tables: &[Table]) -> Result<Vec<i64>> {
    let mut statement = connection.prepare("SELECT no FROM tidelog_tables WHERE NOT attached")?;
    let detached = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    Ok(tables.iter().map(|table| table.no).filter(|no| detached.contains(no)).collect())
}

/// From now on, writes are recorded in these tables and no others.
pub(super) fn note_attached(connection: &Connection, tables: &[Table]) -> Result<()> {
    connection.execute("UPDATE tidelog_tables SET attached = 0", [])?;
    for table in tables {
        connection.execute("UPDATE tidelog_tables SET attached = 1 WHERE no = ?1", [table.no])?;
    }
    Ok(())
}

/// Takes everything out again.
pub(super) fn drop_all(connection: &Connection) -> Result<()> {
    for kind in ["trigger", "table"] {
        for name in own(kind, connection)? {
            connection.execute_batch(&format!("DROP {kind} {}", identifier(&name)))?;
        }
    }
    Ok(())
}

fn own(kind: &str, connection: &Connection) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = ?1 AND substr(name, 1, ?2) = ?3")?;
    let names = statement.query_map(params![kind, PREFIX.len(), PREFIX], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}
