//! What can go wrong with a replica, beside what can go wrong with a client.

use crate::SyncKitError;

/// What a replica's methods fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// The client or the server.
    #[error(transparent)]
    Sync(#[from] SyncKitError),
    /// The app's database.
    #[error("the app's database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A table cannot sync as it is. Nothing was changed.
    #[error("table {table}: {fault}")]
    Table {
        /// The table.
        table: String,
        /// What is wrong with it.
        fault: TableFault,
    },
    /// The database syncs with another account or app. Detach it first: what it holds is then uploaded to the new one.
    #[error("this database syncs with another account")]
    OtherAccount,
    /// The database was attached by a newer version of this library.
    #[error("the database was attached by a newer version of this library")]
    NewerFormat,
    /// The replica was detached.
    #[error("the replica was detached")]
    Detached,
    /// What the replica keeps in the database is not what it wrote.
    #[error("what the replica keeps in the database is damaged: {0}")]
    Damaged(&'static str),
}

/// Why a table cannot sync.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableFault {
    /// There is no such table.
    #[error("there is no such table")]
    Missing,
    /// It is a view, a virtual table, or one of SQLite's or the replica's own.
    #[error("it is not an ordinary table")]
    NotATable,
    /// Rows could not be told apart across devices.
    #[error("it has no primary key, so its rows cannot be told apart across devices")]
    NoPrimaryKey,
    /// Its name cannot travel: give it another one with `known_as`.
    #[error("its name cannot travel ({0}): give it another one with `known_as`")]
    WireName(String),
    /// It was named twice.
    #[error("it was named twice")]
    Twice,
    /// It has a unique index on an expression, so what `REPLACE` removes could not be noticed.
    #[error("its unique index {0} is on an expression")]
    UniqueExpression(String),
    /// Its primary key is not the one that it was attached with: detach first.
    #[error("its primary key has changed since it was attached")]
    KeyChanged,
}

pub(super) type Result<T, E = ReplicaError> = std::result::Result<T, E>;
