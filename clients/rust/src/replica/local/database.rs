//! The app's database, with what the replica keeps in it.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::table::Table;
use crate::replica::error::Result;
use crate::replica::metadata::dirty_rows as marks;
use crate::replica::metadata::state::State;

pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) tables: Vec<Table>,
}

impl Database {
    pub(crate) fn state(&self) -> Result<State> {
        State::load(&self.connection)
    }

    /// Changes the state in a transaction of its own.
    pub(crate) fn change_state(&mut self, change: impl FnOnce(&mut State)) -> Result<State> {
        let transaction = begin(&mut self.connection)?;
        let mut state = State::load(&transaction)?;
        change(&mut state);
        state.save(&transaction)?;
        transaction.commit()?;
        Ok(state)
    }

    /// A number that changes when somebody else has committed something.
    pub(crate) fn version(&self) -> Result<i64> {
        Ok(self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }
}

/// Begins to write, with all that was written before marked.
pub(crate) fn begin(connection: &mut Connection) -> Result<Transaction<'_>> {
    marks::gather_in_turns(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    marks::gather(&transaction)?;
    Ok(transaction)
}
