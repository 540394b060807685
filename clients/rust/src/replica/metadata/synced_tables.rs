//! The tables that sync, as the replica remembers them from one attach to the next.

use rusqlite::{Connection, OptionalExtension, params};

use crate::replica::error::{ReplicaError, Result, TableFault};

/// The number of a table, which it keeps for as long as the database is attached.
pub(crate) fn number_of(connection: &Connection, name: &str, key: &[String]) -> Result<i64> {
    let find = "SELECT no, key_columns FROM tidelog_tables WHERE name = ?1";
    let found: Option<(i64, String)> =
        connection.query_row(find, [name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let key = serde_json::to_string(key).unwrap_or_default();
    match found {
        Some((no, known)) if known == key => Ok(no),
        Some(_) => Err(ReplicaError::Table { table: name.to_owned(), fault: TableFault::KeyChanged }),
        None => {
            let insert = "INSERT INTO tidelog_tables (name, key_columns) VALUES (?1, ?2)";
            connection.execute(insert, params![name, key])?;
            Ok(connection.last_insert_rowid())
        }
    }
}

/// Numbers of the tables in which writes were not recorded until now.
pub(crate) fn list_detached(connection: &Connection) -> Result<Vec<i64>> {
    let mut statement = connection.prepare("SELECT no FROM tidelog_tables WHERE NOT attached")?;
    let detached = statement.query_map([], |row| row.get(0))?;
    Ok(detached.collect::<rusqlite::Result<_>>()?)
}

/// From now on, writes are recorded in these tables and no others.
pub(crate) fn note_attached(connection: &Connection, numbers: impl Iterator<Item = i64>) -> Result<()> {
    connection.execute("UPDATE tidelog_tables SET attached = 0", [])?;
    for no in numbers {
        connection.execute("UPDATE tidelog_tables SET attached = 1 WHERE no = ?1", [no])?;
    }
    Ok(())
}
