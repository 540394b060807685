//! The app's database: the replica's connection, and the tables that sync.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::table::Table;
use crate::replica::error::Result;
use crate::replica::metadata::dirty_rows;
use crate::replica::metadata::state::ReplicaState;

pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) tables: Vec<Table>,
}

impl Database {
    pub(crate) fn state(&self) -> Result<ReplicaState> {
        ReplicaState::load(&self.connection)
    }

    /// A number that changes whenever another connection commits.
    pub(crate) fn data_version(&self) -> Result<i64> {
        Ok(self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    /// Begins a transaction that writes. All rows written before it are in `tidelog_dirty_rows`.
    pub(crate) fn begin(&mut self) -> Result<(Transaction<'_>, &[Table])> {
        let Self { connection, tables } = self;
        dirty_rows::flush_inserts_in_steps(connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        dirty_rows::flush_inserts(&transaction)?;
        Ok((transaction, tables))
    }
}
