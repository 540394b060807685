//! Looks at the app's schema, and prepares what is there for syncing: when the database is attached, and whenever the
//! schema has changed since.
//!
//! Nothing is taken for granted: SQLite's own recipe for changing a table drops it together with its triggers, and any
//! connection may follow it at any time.

use rusqlite::Connection;

use super::existing_rows;
use super::introspection::{self, Description};
use super::synced_table::SyncedTable;
use super::table::Table;
use super::triggers;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::metadata::problems::{self, ProblemKind, ProblemSubject};
use crate::replica::metadata::state::ReplicaState;
use crate::replica::metadata::{dirty_rows, synced_tables};

/// What to do about a table that cannot be synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultyTables {
    /// Fail: the app has just asked for it.
    Refuse,
    /// Leave it out, and report it, until the schema changes again: a migration may be under way.
    LeaveOut,
}

/// Prepares the tables, within a transaction, and returns those that sync.
pub(crate) fn prepare(
    connection: &Connection,
    requested: &[SyncedTable],
    faulty: FaultyTables,
) -> Result<Vec<Table>> {
    dirty_rows::flush_inserts(connection)?;
    let Description { mut tables, left_out } = introspection::describe_tables(connection, requested)?;
    for (wire_name, error) in left_out {
        if faulty == FaultyTables::Refuse {
            return Err(error);
        }
        let subject = ProblemSubject { wire_name: &wire_name, row_id: "", seq: None, timestamp: 0 };
        problems::put(connection, ProblemKind::TableLeftOut, subject, None, &error.to_string())?;
    }
    for table in &tables {
        problems::remove_left_out(connection, &table.wire_name)?;
    }
    let mut interrupted = Vec::new();
    for table in &mut tables {
        table.id = synced_tables::find_or_insert(connection, &table.name, &table.key)?;
        if synced_tables::is_detached(connection, table.id)? || !triggers::exist(connection, table)? {
            interrupted.push(table.id);
        }
    }
    triggers::create(connection, &tables)?;
    synced_tables::set_attached(connection, tables.iter().map(|table| table.id))?;
    let mut was_made_anew = false;
    for table in &tables {
        let is_interrupted = interrupted.contains(&table.id);
        if is_interrupted && existing_rows::was_made_anew(connection, table)? {
            existing_rows::forget_log(connection, table)?;
            was_made_anew = true;
        }
        existing_rows::adopt_columns(connection, table)?;
        existing_rows::retry_unpushed(connection, table)?;
        if is_interrupted {
            existing_rows::find_changes(connection, table)?;
        }
    }
    if was_made_anew {
        // Its rows are still in the log.
        let mut state = ReplicaState::load(connection)?;
        state.start_rebuild();
        state.save(connection)?;
    }
    Ok(tables)
}

/// A number that changes whenever the schema does.
pub(crate) fn schema_version(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached("PRAGMA schema_version")?;
    statement.query_row([], |row| row.get(0)).map_err(ReplicaError::from)
}
