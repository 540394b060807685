//! The app's database: the replica's connection, and the tables that sync.

use std::path::PathBuf;

use rusqlite::{Connection, Transaction, TransactionBehavior, ffi};

use super::attachment::{self, FaultyTables};
use super::synced_table::SyncedTable;
use super::table::Table;
use crate::replica::error::Result;
use crate::replica::metadata::dirty_rows;
use crate::replica::metadata::state::ReplicaState;

pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) tables: Vec<Table>,
    /// What the app wants to sync.
    pub(crate) requested: Vec<SyncedTable>,
    /// The schema's version when the tables were last looked at.
    pub(crate) schema_version: i64,
}

impl Database {
    pub(crate) fn state(&self) -> Result<ReplicaState> {
        ReplicaState::load(&self.connection)
    }

    /// The file; `None` if the database is in memory.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.connection.path().filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// A number that changes whenever another connection commits.
    pub(crate) fn data_version(&self) -> Result<i64> {
        Ok(self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    /// Whether the schema is still the one that was last looked at.
    pub(crate) fn is_current(&self) -> Result<bool> {
        Ok(attachment::schema_version(&self.connection)? == self.schema_version)
    }

    /// Looks at the app's schema again.
    fn refresh(&mut self) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tables = attachment::prepare(&transaction, &self.requested, FaultyTables::LeaveOut)?;
        let schema_version = attachment::schema_version(&transaction)?;
        transaction.commit()?;
        (self.tables, self.schema_version) = (tables, schema_version);
        Ok(())
    }

    /// Begins a transaction that writes. The tables are as the schema is now. All rows written before it are in `tidelog_dirty_rows`.
    pub(crate) fn begin(&mut self) -> Result<(Transaction<'_>, &[Table])> {
        dirty_rows::flush_inserts_in_steps(&self.connection)?;
        if !self.is_current()? {
            self.refresh()?;
        }
        let Self { connection, tables, schema_version, .. } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if attachment::schema_version(&transaction)? != *schema_version {
            // Another connection has changed it just now.
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_SCHEMA), None).into());
        }
        dirty_rows::flush_inserts(&transaction)?;
        Ok((transaction, tables))
    }
}
