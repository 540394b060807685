//! Rows that were written here and may not be in the log yet.
//!
//! A dirty row records that a row was written and when, not what was written: the row itself is read when it is sealed.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, TransactionBehavior, params};

use super::dirty_columns;
use crate::replica::error::Result;
use crate::replica::values::row_key::RowKey;

/// Rows of the insert buffer that are moved in one statement, which takes about a hundredth of a second.
const FLUSH_ROWS: i64 = 10_000;

/// Why a row is dirty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirtyKind {
    /// It was inserted or updated.
    Written,
    /// It was deleted.
    Deleted,
    /// A row that conflicts with it in a unique constraint was written, and may have replaced it.
    MaybeReplaced,
}

impl DirtyKind {
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Written => 0,
            Self::Deleted => 1,
            Self::MaybeReplaced => 2,
        }
    }
}

/// A row that may have to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirtyRow {
    pub(crate) key: RowKey,
    pub(crate) timestamp: i64,
    /// The key as it is stored.
    pub(crate) stored_key: StoredKey,
}

/// The bytes of a key, which need not be UTF-8: SQLite stores any bytes as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey(Vec<u8>);

impl StoredKey {
    /// Comes before all others.
    pub(crate) fn first() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn is_utf8(&self) -> bool {
        std::str::from_utf8(&self.0).is_ok()
    }
}

impl ToSql for StoredKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

/// Empties most of the insert buffer, in transactions of its own, so that the app can write in between.
pub(crate) fn flush_inserts_in_steps(connection: &Connection) -> Result<()> {
    while count_buffered_inserts(connection)? > FLUSH_ROWS {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        flush_some_inserts(&transaction)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Empties the insert buffer. Every transaction that reads dirty rows begins with this.
pub(crate) fn flush_inserts(connection: &Connection) -> Result<()> {
    while count_buffered_inserts(connection)? > 0 {
        flush_some_inserts(connection)?;
    }
    Ok(())
}

/// Ids are consecutive, so the first and the last one give the number of rows without a scan.
fn count_buffered_inserts(connection: &Connection) -> Result<i64> {
    let sql = "SELECT coalesce(max(id) - (SELECT min(id) FROM tidelog_insert_buffer) + 1, 0) FROM tidelog_insert_buffer";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Moves rows in the order of their keys, which is faster. An insert wins over an update or deletion with the same
/// timestamp.
fn flush_some_inserts(connection: &Connection) -> Result<()> {
    let find = "SELECT min(id) + ?1 FROM tidelog_insert_buffer";
    let end: i64 = connection.prepare_cached(find)?.query_row([FLUSH_ROWS], |row| row.get(0))?;
    let sql = "INSERT INTO tidelog_dirty_rows (table_id, row_key, timestamp, kind)
               SELECT table_id, row_key, max(timestamp), 0 FROM tidelog_insert_buffer WHERE id < ?1
               GROUP BY table_id, row_key
               ON CONFLICT (table_id, row_key) DO UPDATE SET timestamp = excluded.timestamp, kind = excluded.kind
               WHERE excluded.timestamp >= timestamp OR kind = 2";
    connection.prepare_cached(sql)?.execute([end])?;
    connection.prepare_cached("DELETE FROM tidelog_insert_buffer WHERE id < ?1")?.execute([end])?;
    Ok(())
}

/// When the row was written here; `None` if it is not dirty.
pub(crate) fn find(connection: &Connection, table_id: i64, key: &RowKey) -> Result<Option<i64>> {
    let sql = "SELECT timestamp FROM tidelog_dirty_rows WHERE table_id = ?1 AND row_key = ?2";
    Ok(connection.prepare_cached(sql)?.query_row(params![table_id, key], |row| row.get(0)).optional()?)
}

pub(crate) fn put(
    connection: &Connection,
    table_id: i64,
    key: &RowKey,
    timestamp: i64,
    kind: DirtyKind,
) -> Result<()> {
    let sql = "INSERT INTO tidelog_dirty_rows (table_id, row_key, timestamp, kind) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (table_id, row_key) DO UPDATE SET timestamp = excluded.timestamp, kind = excluded.kind";
    connection.prepare_cached(sql)?.execute(params![table_id, key, timestamp, kind.code()])?;
    Ok(())
}

/// Makes a row clean, with all of its columns.
pub(crate) fn remove(connection: &Connection, table_id: i64, key: &RowKey) -> Result<()> {
    let sql = "DELETE FROM tidelog_dirty_rows WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key])?;
    dirty_columns::remove_until(connection, table_id, key, i64::MAX)
}

/// Makes all rows of a table clean.
pub(crate) fn remove_all(connection: &Connection, table_id: i64) -> Result<()> {
    connection.execute("DELETE FROM tidelog_dirty_rows WHERE table_id = ?1", [table_id])?;
    connection.execute("DELETE FROM tidelog_dirty_columns WHERE table_id = ?1", [table_id])?;
    Ok(())
}

/// Makes a row clean that cannot be sent as it is. Its columns stay dirty until they are sent.
pub(crate) fn set_aside(connection: &Connection, table_id: i64, key: &StoredKey) -> Result<()> {
    let sql = "DELETE FROM tidelog_dirty_rows WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key])?;
    Ok(())
}

/// Like [`set_aside`], unless the row was written again since `timestamp`.
pub(crate) fn set_aside_if_at(
    connection: &Connection,
    table_id: i64,
    key: &RowKey,
    timestamp: i64,
) -> Result<()> {
    let sql = "DELETE FROM tidelog_dirty_rows WHERE table_id = ?1 AND row_key = ?2 AND timestamp = ?3";
    connection.prepare_cached(sql)?.execute(params![table_id, key, timestamp])?;
    Ok(())
}

/// Makes a row clean once its state at `timestamp` is in the log, unless it was written again since.
pub(crate) fn remove_if_at(
    connection: &Connection,
    table_id: i64,
    key: &RowKey,
    timestamp: i64,
) -> Result<()> {
    set_aside_if_at(connection, table_id, key, timestamp)?;
    dirty_columns::remove_until(connection, table_id, key, timestamp)
}

/// Replaces the timestamp of a row by an earlier one.
pub(crate) fn backdate(connection: &Connection, table_id: i64, key: &RowKey, timestamp: i64) -> Result<()> {
    let sql = "UPDATE tidelog_dirty_rows SET timestamp = ?3 WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key, timestamp])?;
    dirty_columns::backdate(connection, table_id, key, timestamp)
}

/// The dirty rows of a table in the order of their keys, after the key `after`: either those that were written, or with
/// `deletions` those that were deleted or may have been replaced.
pub(crate) fn list(
    connection: &Connection,
    table_id: i64,
    deletions: bool,
    after: &StoredKey,
    limit: usize,
) -> Result<Vec<DirtyRow>> {
    // Two statements: the partial index serves one, the primary key the other.
    let sql = if deletions {
        "SELECT row_key, timestamp FROM tidelog_dirty_rows
         WHERE table_id = ?1 AND kind <> 0 AND row_key > ?2 ORDER BY row_key LIMIT ?3"
    } else {
        "SELECT row_key, timestamp FROM tidelog_dirty_rows
         WHERE table_id = ?1 AND kind = 0 AND row_key > ?2 ORDER BY row_key LIMIT ?3"
    };
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![table_id, after, limit], |row| {
        let stored_key = StoredKey(row.get_ref(0)?.as_bytes()?.to_vec());
        Ok(DirtyRow { key: row.get(0)?, timestamp: row.get(1)?, stored_key })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether there are dirty rows, buffered inserts included.
pub(crate) fn exist(connection: &Connection) -> Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM tidelog_dirty_rows) OR EXISTS (SELECT 1 FROM tidelog_insert_buffer)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Counts the dirty rows, buffered inserts included.
pub(crate) fn count(connection: &Connection) -> Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM tidelog_dirty_rows) +
               (SELECT count(*) FROM (SELECT DISTINCT table_id, row_key FROM tidelog_insert_buffer AS i
                   WHERE NOT EXISTS (SELECT 1 FROM tidelog_dirty_rows AS d
                       WHERE d.table_id = i.table_id AND d.row_key = i.row_key)))";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}
