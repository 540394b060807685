//! The newest log entry of each row, as far as the log has been applied.

use rusqlite::{Connection, params};

use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::row::{self, ColumnTimestamps, Digest, Row};
use crate::replica::values::row_key::RowKey;

/// The newest log entry of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RowVersion {
    pub(crate) seq: i64,
    pub(crate) timestamp: i64,
    pub(crate) deleted: bool,
    /// A hash of the columns that this app has; `None` if the entry is a deletion or could not be applied.
    pub(crate) digest: Option<Digest>,
    pub(crate) column_timestamps: ColumnTimestamps,
    /// Columns that this app does not have.
    pub(crate) extra_columns: Row,
}

/// Whether the local row is what the log says, even if it is dirty. A row that neither the log nor the table has is
/// unchanged.
pub(crate) fn is_unchanged(version: Option<&RowVersion>, local: Option<&Row>) -> bool {
    match (version, local) {
        (None, local) => local.is_none(),
        (Some(version), None) => version.deleted,
        (Some(version), Some(local)) => !version.deleted && version.digest == Some(row::digest(local)),
    }
}

pub(crate) fn find(connection: &Connection, table_id: i64, key: &RowKey) -> Result<Option<RowVersion>> {
    let sql = "SELECT seq, timestamp, deleted, digest, column_timestamps, extra_columns
               FROM tidelog_row_versions WHERE table_id = ?1 AND row_key = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![table_id, key])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let column_timestamps: Option<String> = found.get(4)?;
    let extra_columns: Option<String> = found.get(5)?;
    Ok(Some(RowVersion {
        seq: found.get(0)?,
        timestamp: found.get(1)?,
        deleted: found.get(2)?,
        digest: found.get(3)?,
        column_timestamps: match column_timestamps {
            Some(json) => serde_json::from_str(&json).map_err(|_| damaged())?,
            None => ColumnTimestamps::new(),
        },
        extra_columns: match extra_columns {
            Some(text) => row::from_text(&text).ok_or_else(damaged)?.0,
            None => Row::new(),
        },
    }))
}

/// Stores the newest entry of a row, as seen in this generation.
pub(crate) fn put(
    connection: &Connection,
    table_id: i64,
    key: &RowKey,
    version: &RowVersion,
    generation: i64,
) -> Result<()> {
    let RowVersion { seq, timestamp, deleted, digest, column_timestamps, extra_columns } = version;
    let column_timestamps =
        (!column_timestamps.is_empty()).then(|| serde_json::to_string(column_timestamps).unwrap_or_default());
    let extra_columns = (!extra_columns.is_empty())
        .then(|| row::to_json(extra_columns, &ColumnTimestamps::new()).to_string());
    let sql = "INSERT INTO tidelog_row_versions
                   (table_id, row_key, seq, timestamp, deleted, digest, column_timestamps, extra_columns, generation)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
               ON CONFLICT (table_id, row_key) DO UPDATE SET seq = excluded.seq, timestamp = excluded.timestamp,
                   deleted = excluded.deleted, digest = excluded.digest,
                   column_timestamps = excluded.column_timestamps, extra_columns = excluded.extra_columns,
                   generation = excluded.generation";
    connection.prepare_cached(sql)?.execute(params![
        table_id,
        key,
        seq,
        timestamp,
        deleted,
        digest,
        column_timestamps,
        extra_columns,
        generation
    ])?;
    Ok(())
}

pub(crate) fn remove(connection: &Connection, table_id: i64, key: &RowKey) -> Result<()> {
    let sql = "DELETE FROM tidelog_row_versions WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key])?;
    Ok(())
}

/// The keys of all rows of a table that exist in the log and were applied.
pub(crate) fn list_existing(connection: &Connection, table_id: i64) -> Result<Vec<RowKey>> {
    let sql = "SELECT row_key FROM tidelog_row_versions
               WHERE table_id = ?1 AND NOT deleted AND digest IS NOT NULL";
    keys(connection, sql, table_id)
}

/// The keys of all rows of a table that exist in the log and have columns that this app did not have.
pub(crate) fn list_with_extra_columns(connection: &Connection, table_id: i64) -> Result<Vec<RowKey>> {
    let sql = "SELECT row_key FROM tidelog_row_versions
               WHERE table_id = ?1 AND NOT deleted AND extra_columns IS NOT NULL";
    keys(connection, sql, table_id)
}

/// Forgets all entries of a table.
pub(crate) fn remove_all(connection: &Connection, table_id: i64) -> Result<()> {
    connection.execute("DELETE FROM tidelog_row_versions WHERE table_id = ?1", [table_id])?;
    Ok(())
}

/// Rows that were not seen in this generation, at most `limit`, each with its table's id.
pub(crate) fn list_not_seen(
    connection: &Connection,
    generation: i64,
    limit: usize,
) -> Result<Vec<(i64, RowKey)>> {
    let sql = "SELECT table_id, row_key FROM tidelog_row_versions WHERE generation < ?1 LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![generation, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Notes that the entry could not be applied, so that the table does not hold what it says.
pub(crate) fn remove_digest(connection: &Connection, table_id: i64, key: &RowKey) -> Result<()> {
    let sql = "UPDATE tidelog_row_versions SET digest = NULL WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key])?;
    Ok(())
}

/// Notes that the entry, which could not be applied at first, was applied.
pub(crate) fn put_digest(connection: &Connection, table_id: i64, key: &RowKey, row: &Row) -> Result<()> {
    let sql = "UPDATE tidelog_row_versions SET digest = ?3 WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key, row::digest(row)])?;
    Ok(())
}

/// Notes that the log has neither the row nor its deletion any more.
pub(crate) fn put_deleted(
    connection: &Connection,
    table_id: i64,
    key: &RowKey,
    generation: i64,
) -> Result<()> {
    let sql = "UPDATE tidelog_row_versions
               SET deleted = 1, digest = NULL, column_timestamps = NULL, extra_columns = NULL, generation = ?3
               WHERE table_id = ?1 AND row_key = ?2";
    connection.prepare_cached(sql)?.execute(params![table_id, key, generation])?;
    Ok(())
}

/// Forgets the entries after `seq`, which the server has lost. Their rows become dirty, each with the timestamp of
/// its entry, and are sent again. Entries that could not be applied are left to other devices.
pub(crate) fn rewind(connection: &Connection, seq: i64) -> Result<()> {
    let sql = "INSERT INTO tidelog_dirty_rows (table_id, row_key, timestamp, kind)
               SELECT table_id, row_key, timestamp, deleted FROM tidelog_row_versions
               WHERE seq > ?1 AND (deleted OR digest IS NOT NULL)
               ON CONFLICT (table_id, row_key) DO NOTHING";
    connection.execute(sql, [seq])?;
    // What the log has now is unknown: any entry that follows is newer, and no row matches the log.
    let sql = "UPDATE tidelog_row_versions SET seq = ?1, deleted = 0, digest = NULL WHERE seq > ?1";
    connection.execute(sql, [seq])?;
    Ok(())
}

fn keys(connection: &Connection, sql: &str, table_id: i64) -> Result<Vec<RowKey>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([table_id], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn damaged() -> ReplicaError {
    ReplicaError::Damaged("tidelog_row_versions")
}
