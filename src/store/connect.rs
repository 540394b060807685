//! Opening connections. Pragmas belong to a connection, not to a file, so this is the one place that sets them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use crate::error::Fault;

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// Once it is on disk: survives a power cut.
    #[default]
    Full,
    /// Once the operating system has it: survives a crash of the program, not of the machine.
    Normal,
}

/// The oldest SQLite that this program runs with: 3.51.3 fixed a corruption of write-ahead logs.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long to wait for the locks that SQLite takes for short moments; see `SQLITE_BUSY`. With a single writer, nothing
/// normally waits.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages of the write-ahead log after which a commit also checkpoints: 4,000 pages of 4 KiB are 16 MiB.
const CHECKPOINT_PAGES: i32 = 4_000;

/// Size to which a checkpointed write-ahead log is cut back, in bytes.
const WAL_LIMIT_BYTES: i64 = 32 * 1024 * 1024;

/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: i64 = 8 * 1024;

/// Page cache of each reader, in KiB.
const READER_CACHE_KIB: i64 = 2 * 1024;

/// Prepared statements kept for each connection: more than the store has.
const MAX_STATEMENTS: usize = 128;

/// Opens the connection that writes, in WAL mode.
pub(super) fn writer(path: &Path, synchronous: Synchronous) -> Result<Connection, Fault> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(Fault::Internal(format!(
            "SQLite {} is too old: it can corrupt a write-ahead log",
            rusqlite::version()
        )));
    }
    let connection = Connection::open(path).map_err(fault)?;
    prepare(&connection, WRITER_CACHE_KIB)?;
    let set = |name, value: &dyn rusqlite::ToSql| connection.pragma_update(None, name, value);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(fault)?;
    if mode != "wal" {
        return Err(Fault::Internal(format!(
            "the file system does not support write-ahead logs (mode {mode})"
        )));
    }
    let level = match synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    set("synchronous", &level).map_err(fault)?;
    // macOS flushes a disk's own cache only when asked in this way; elsewhere these have no effect.
    set("fullfsync", &true).map_err(fault)?;
    set("checkpoint_fullfsync", &true).map_err(fault)?;
    set("wal_autocheckpoint", &CHECKPOINT_PAGES).map_err(fault)?;
    set("journal_size_limit", &WAL_LIMIT_BYTES).map_err(fault)?;
    // Overwrites deleted content in the file, too.
    set("secure_delete", &true).map_err(fault)?;
    set("foreign_keys", &true).map_err(fault)?;
    Ok(connection)
}

/// Opens a connection that can only read.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    // Not SQLITE_OPEN_READ_ONLY: a reader may be the one that has to recover a write-ahead log.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(MAX_STATEMENTS);
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Runs `work` with another timeout for locks.
pub(super) fn with_busy_timeout<T>(
    connection: &Connection,
    timeout: Duration,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(timeout)?;
    let result = work(connection);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    result
}

fn prepare(connection: &Connection, cache_kib: i64) -> Result<(), Fault> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(MAX_STATEMENTS);
    connection.pragma_update(None, "cache_size", -cache_kib).map_err(fault)?;
    Ok(())
}

/// Translates an error of SQLite.
pub(super) fn fault(error: rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => Fault::StorageFull,
        Some(rusqlite::ErrorCode::DatabaseBusy) => {
            Fault::Unavailable("another process has locked the database")
        }
        _ => Fault::internal(error),
    }
}

/// For `?`.
impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        fault(error)
    }
}
