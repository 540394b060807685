//! The stages in the life of a replica's database: it is attached, joined to an account, now and then rewound or
//! rebuilt, and finally detached.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tidelog_protocol::Cursor;
use uuid::Uuid;

use crate::replica::error::{ReplicaError, Result};
use crate::replica::incoming::pages::{self, ChangedRows};
use crate::replica::incoming::unknown_tables;
use crate::replica::local::attachment::{self, FaultyTables};
use crate::replica::local::database::Database;
use crate::replica::local::synced_table::SyncedTable;
use crate::replica::local::table::Table;
use crate::replica::metadata::state::ReplicaState;
use crate::replica::metadata::{outbox, row_versions, schema};
use crate::session::Owner;

/// How long the replica waits for a transaction of the app before it gives up for now.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Statements that are kept prepared: some for each table, and the replica's own.
const MAX_CACHED_STATEMENTS: usize = 512;

/// Adds what is needed to sync these tables, or continues with what an earlier run has added.
pub(super) fn attach(mut connection: Connection, requested: &[SyncedTable]) -> Result<Database> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
    // Only on this connection: rows are applied as they arrive, and their references are checked once all have arrived.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "recursive_triggers", false)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::create(&transaction)?;
    let tables = attachment::prepare(&transaction, requested, FaultyTables::Refuse)?;
    apply_kept_entries(&transaction, &tables)?;
    let schema_version = attachment::schema_version(&transaction)?;
    transaction.commit()?;
    Ok(Database { connection, tables, requested: requested.to_vec(), schema_version })
}

/// Looks at the app's schema again if it has changed, and applies what was kept for tables that it did not have before.
/// Returns the rows that this has changed, and whether the log has to be read again from its start.
pub(super) fn follow_schema(database: &mut Database) -> Result<(ChangedRows, bool)> {
    let mut changed = Vec::new();
    if !database.is_current()? {
        let (transaction, tables) = database.begin()?;
        changed = apply_kept_entries(&transaction, tables)?;
        transaction.commit()?;
    }
    Ok((changed, database.state()?.rebuilding))
}

fn apply_kept_entries(connection: &Connection, tables: &[Table]) -> Result<ChangedRows> {
    let mut changed = Vec::new();
    for table in tables {
        let kept = unknown_tables::take(connection, &table.wire_name)?;
        if !kept.is_empty() {
            changed.extend(pages::apply_kept_entries(connection, tables, kept)?);
        }
    }
    Ok(changed)
}

/// Removes everything that the replica has added.
pub(super) fn detach(database: Database) -> Result<Connection> {
    let mut connection = database.connection;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::drop_all(&transaction)?;
    transaction.commit()?;
    connection.flush_prepared_statement_cache();
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Begins to sync with an account, or continues with the one that the database already syncs with.
///
/// # Errors
/// [`ReplicaError::OtherAccount`] if it syncs with another one.
pub(super) fn join(database: &mut Database, owner: Owner, device_id: Uuid) -> Result<ReplicaState> {
    let state = database.state()?;
    if state.owner.is_some_and(|current| current != owner) {
        return Err(ReplicaError::OtherAccount);
    }
    if state.owner == Some(owner) && state.device_id == Some(device_id) {
        return Ok(state);
    }
    let (transaction, _) = database.begin()?;
    let mut state = ReplicaState::load(&transaction)?;
    if state.device_id != Some(device_id) {
        // The sealed batch names the previous device.
        outbox::clear(&transaction)?;
        (state.stream, state.watch) = (None, None);
    }
    (state.owner, state.device_id) = (Some(owner), Some(device_id));
    state.save(&transaction)?;
    transaction.commit()?;
    Ok(state)
}

/// Goes back to a position that the server still has, after it has lost a part of its history. `resume_from` is its
/// proposal.
pub(super) fn rewind(database: &mut Database, resume_from: Cursor) -> Result<ReplicaState> {
    let (transaction, _) = database.begin()?;
    let mut state = ReplicaState::load(&transaction)?;
    state.step_back(resume_from);
    let seq = state.cursor.seq();
    outbox::clear(&transaction)?;
    row_versions::rewind(&transaction, seq)?;
    unknown_tables::rewind(&transaction, seq)?;
    (state.stream, state.watch) = (None, None);
    state.save(&transaction)?;
    transaction.commit()?;
    Ok(state)
}

/// Begins to read the log again from its start, after it has lost deletions that this replica has not seen.
pub(super) fn rebuild(database: &mut Database) -> Result<ReplicaState> {
    let (transaction, _) = database.begin()?;
    let mut state = ReplicaState::load(&transaction)?;
    state.start_rebuild();
    state.save(&transaction)?;
    transaction.commit()?;
    Ok(state)
}
