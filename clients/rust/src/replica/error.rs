//! Errors of a replica, in addition to those of the client.

use crate::SyncKitError;

/// An error of a [`Replica`](super::Replica).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// An error of the client or the server.
    #[error(transparent)]
    Sync(#[from] SyncKitError),
    /// An error of the app's database.
    #[error("the app's database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A table cannot be synced as it is. The database was not changed.
    #[error("table {table}: {fault}")]
    Table {
        /// The table's name.
        table: String,
        /// Why it cannot be synced.
        fault: TableFault,
    },
    /// The database syncs with another account or app. Detach it first; its rows are then uploaded to the new account.
    #[error("this database syncs with another account")]
    OtherAccount,
    /// The database was attached by a newer version of this library.
    #[error("the database was attached by a newer version of this library")]
    NewerFormat,
    /// The database was attached by an earlier version of this library, which stored its metadata in another format.
    /// The database was not changed.
    ///
    /// Drop the triggers and tables whose names begin with `tidelog_` and attach again, or start from a fresh copy of
    /// the database. Rows that were not pushed yet are then uploaded, but lose against any newer version in the log.
    #[error(
        "the database was attached by an earlier version of this library, whose format is no longer supported: drop the triggers \
         and tables whose names begin with `tidelog_` and attach again, or start from a fresh copy of the database"
    )]
    OlderFormat,
    /// The replica was detached.
    #[error("the replica was detached")]
    Detached,
    /// One of the replica's own tables holds something that the replica did not write.
    #[error("the replica's table {0} is damaged")]
    Damaged(&'static str),
}

/// Why a table cannot be synced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableFault {
    /// The table does not exist.
    #[error("there is no such table")]
    Missing,
    /// It is a view, a virtual table, or a table that belongs to SQLite or the replica.
    #[error("it is not an ordinary table")]
    NotATable,
    /// It has no primary key, so its rows cannot be matched across devices.
    #[error("it has no primary key, so its rows cannot be matched across devices")]
    NoPrimaryKey,
    /// Its name is not allowed on the wire: choose another one with
    /// [`SyncedTable::known_as`](super::SyncedTable::known_as).
    #[error("its name is not allowed on the wire ({0}): choose another one with `known_as`")]
    WireName(String),
    /// It was listed twice.
    #[error("it was listed twice")]
    Duplicate,
    /// It has a unique index on an expression, so rows that `REPLACE` removes could go unnoticed.
    #[error("its unique index {0} is on an expression")]
    UniqueExpression(String),
    /// Its primary key has changed since it was attached: detach first.
    #[error("its primary key has changed since it was attached")]
    KeyChanged,
}

pub(super) type Result<T, E = ReplicaError> = std::result::Result<T, E>;
