//! The turning points in the life of a replica's database: attached, joined to an account, rewound, rebuilt, detached.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tidelog_protocol::Cursor;

use crate::replica::error::{ReplicaError, Result};
use crate::replica::incoming::{pages, unknown_tables as unknown};
use crate::replica::local::database::{Database, begin};
use crate::replica::local::table::{self, SyncedTable};
use crate::replica::local::{existing, triggers};
use crate::replica::metadata::state::State;
use crate::replica::metadata::{dirty_rows as marks, row_versions as rows, schema, synced_tables};
use crate::replica::outbox;
use crate::session::Owner;

/// How long a transaction of the app may hold the database before the replica gives up its turn.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Statements that are kept prepared: some for each table, some of the replica's own.
const STATEMENTS: usize = 512;

impl Database {
    /// Adds to the database what is needed to sync these tables, or goes on with what an earlier run has added.
    pub(crate) fn attach(mut connection: Connection, wanted: &[SyncedTable]) -> Result<Self> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Of this connection alone: rows are written as they come, and looked after once all are there.
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.pragma_update(None, "recursive_triggers", false)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::create(&transaction)?;
        marks::gather(&transaction)?;
        let mut tables = table::describe(&transaction, wanted)?;
        for table in &mut tables {
            table.no = synced_tables::number_of(&transaction, &table.name, &table.key)?;
        }
        let unrecorded = synced_tables::list_detached(&transaction)?;
        triggers::create(&transaction, &tables)?;
        synced_tables::note_attached(&transaction, tables.iter().map(|table| table.no))?;
        for table in &tables {
            existing::adopt_columns(&transaction, table)?;
            if unrecorded.contains(&table.no) {
                existing::mark(&transaction, table)?;
            }
        }
        for table in &tables {
            let kept = unknown::take(&transaction, &table.wire_name)?;
            if !kept.is_empty() {
                pages::apply_kept(&transaction, &tables, kept)?;
            }
        }
        transaction.commit()?;
        Ok(Self { connection, tables })
    }

    /// Takes out all that the replica has added.
    pub(crate) fn detach(mut self) -> Result<Connection> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::drop_all(&transaction)?;
        transaction.commit()?;
        self.connection.flush_prepared_statement_cache();
        self.connection.pragma_update(None, "foreign_keys", true)?;
        Ok(self.connection)
    }

    /// Begins to sync with an account, or goes on with the one that it syncs with.
    pub(crate) fn join(&mut self, owner: Owner, device_id: uuid::Uuid) -> Result<State> {
        let state = self.state()?;
        if state.owner.is_some_and(|known| known != owner) {
            return Err(ReplicaError::OtherAccount);
        }
        if state.owner == Some(owner) && state.device_id == Some(device_id) {
            return Ok(state);
        }
        let transaction = begin(&mut self.connection)?;
        let mut state = State::load(&transaction)?;
        if state.device_id != Some(device_id) {
            // What was sealed names the device before.
            outbox::discard(&transaction)?;
            (state.stream, state.watch) = (None, None);
        }
        (state.owner, state.device_id) = (Some(owner), Some(device_id));
        state.save(&transaction)?;
        transaction.commit()?;
        Ok(state)
    }

    /// The server has lost what the cursor stands for, and thinks that this device knows the log up to here.
    pub(crate) fn rewind(&mut self, resume_from: Cursor) -> Result<State> {
        let transaction = begin(&mut self.connection)?;
        let mut state = State::load(&transaction)?;
        state.step_back(resume_from);
        let to = state.cursor.seq();
        outbox::discard(&transaction)?;
        rows::rewind(&transaction, to)?;
        unknown::rewind(&transaction, to)?;
        (state.stream, state.watch) = (None, None);
        state.save(&transaction)?;
        transaction.commit()?;
        Ok(state)
    }

    /// The log has lost deletions that this replica has not seen: it is to be read from its beginning.
    pub(crate) fn rebuild(&mut self) -> Result<()> {
        self.change_state(|state| {
            state.start_over();
            (state.rebuilding, state.unchecked) = (true, true);
            state.pass += 1;
        })?;
        Ok(())
    }
}
