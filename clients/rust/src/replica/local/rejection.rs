//! Tells a row that the app's database refuses from a database that does not work.
//!
//! A row may be refused by a constraint, by one of the app's triggers, or because a trigger calls a function that this
//! connection does not have. That is one row's problem, and holds up no other. A full disk, a lock or a damaged file
//! concerns all of them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, Error, ErrorCode, ffi};

use super::table::Table;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::row_key::RowKey;

/// Whether the app's database accepted a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    Written,
    /// The row as it is cannot be written, or must not be deleted.
    Rejected(Rejection),
}

/// Why a row is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// An explanation for people.
    pub(crate) reason: String,
    /// Whether another row has its values in unique columns.
    pub(crate) is_about_uniqueness: bool,
}

/// Rows whose refusal rolled back the whole transaction, by `RAISE(ROLLBACK)` or `ON CONFLICT ROLLBACK`. When the
/// transaction runs again, they are refused without an attempt.
#[derive(Default)]
pub(crate) struct Rejections(RefCell<BTreeMap<(i64, RowKey), Rejection>>);

impl Rejections {
    /// The number of rows that rolled back the transaction.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Runs a write of a row, and undoes what it did if the row is refused.
    ///
    /// # Errors
    /// The database does not work, or the transaction was rolled back: run it again.
    pub(super) fn catch(
        &self,
        connection: &Connection,
        table: &Table,
        key: &RowKey,
        write: impl FnOnce() -> rusqlite::Result<()>,
    ) -> Result<WriteOutcome> {
        if let Some(known) = self.known(table, key) {
            return Ok(WriteOutcome::Rejected(known));
        }
        // `RAISE(FAIL)` leaves what was done before it. Without triggers, a statement undoes itself.
        if table.has_triggers {
            connection.prepare_cached("SAVEPOINT tidelog_row")?.execute([])?;
        }
        let outcome = write();
        if connection.is_autocommit() {
            let error = outcome.err().unwrap_or(Error::InvalidQuery);
            if let Some(rejection) = rejection(&error) {
                self.0.borrow_mut().insert((table.id, key.clone()), rejection);
            }
            return Err(error.into());
        }
        if table.has_triggers {
            if outcome.is_err() {
                connection.prepare_cached("ROLLBACK TO tidelog_row")?.execute([])?;
            }
            connection.prepare_cached("RELEASE tidelog_row")?.execute([])?;
        }
        match outcome {
            Ok(()) => Ok(WriteOutcome::Written),
            Err(error) => match rejection(&error) {
                Some(rejection) => Ok(WriteOutcome::Rejected(rejection)),
                None => Err(ReplicaError::Sqlite(error)),
            },
        }
    }

    fn known(&self, table: &Table, key: &RowKey) -> Option<Rejection> {
        let all = self.0.borrow();
        if all.is_empty() { None } else { all.get(&(table.id, key.clone())).cloned() }
    }
}

/// `None`: the error is about the database, not about the row.
fn rejection(error: &Error) -> Option<Rejection> {
    let code = match error {
        Error::SqliteFailure(failure, _) => *failure,
        Error::SqlInputError { error, .. } => *error,
        _ => return None,
    };
    let is_about_row = matches!(
        code.code,
        ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            // What a trigger does that cannot be done: its own errors, missing functions, tables and columns.
            | ErrorCode::Unknown
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::ParameterOutOfRange
    );
    let is_about_uniqueness = matches!(
        code.extended_code,
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID
    );
    is_about_row.then(|| Rejection { reason: reason(error), is_about_uniqueness })
}

fn reason(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        _ => error.to_string(),
    }
}
