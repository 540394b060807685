//! What the log says of each row, as far as it was applied.

use rusqlite::{Connection, OptionalExtension, params};

use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::row::{self, Digest, Row, Stamps};
use crate::replica::values::row_key::RowKey;

/// The newest entry of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) seq: i64,
    pub(crate) stamp: i64,
    pub(crate) deleted: bool,
    /// Of the columns that this app has; `None` where the entry is a deletion or could not be applied.
    pub(crate) digest: Option<Digest>,
    pub(crate) stamps: Stamps,
    /// Columns that this app does not have.
    pub(crate) extra: Row,
}

impl Known {
    /// Whether the table still holds what the entry says.
    pub(crate) fn is_as(&self, local: Option<&Digest>) -> bool {
        match local {
            None => self.deleted,
            Some(digest) => !self.deleted && self.digest.as_ref() == Some(digest),
        }
    }
}

/// Whether a row is as the log has it, whatever its mark says. One that is unknown there and not here is, too.
pub(crate) fn is_unchanged(known: Option<&Known>, local: Option<&Row>) -> bool {
    match known {
        None => local.is_none(),
        Some(known) => known.is_as(local.map(row::digest).as_ref()),
    }
}

pub(crate) fn find(connection: &Connection, tbl: i64, key: &RowKey) -> Result<Option<Known>> {
    let sql =
        "SELECT seq, stamp, deleted, digest, stamps, extra FROM tidelog_rows WHERE tbl = ?1 AND row = ?2";
    type Found = (i64, i64, bool, Option<Digest>, Option<String>, Option<String>);
    let found: Option<Found> = connection
        .prepare_cached(sql)?
        .query_row(params![tbl, key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    let Some((seq, stamp, deleted, digest, stamps, extra)) = found else { return Ok(None) };
    let damaged = |_| ReplicaError::Damaged("tidelog_rows");
    let stamps =
        stamps.map_or_else(|| Ok(Stamps::new()), |json| serde_json::from_str(&json)).map_err(damaged)?;
    let extra = extra
        .map_or_else(|| Ok(serde_json::json!({})), |json| serde_json::from_str(&json))
        .map_err(damaged)?;
    let (extra, _) = row::from_json(&extra).ok_or(ReplicaError::Damaged("tidelog_rows"))?;
    Ok(Some(Known { seq, stamp, deleted, digest, stamps, extra }))
}

/// Notes the newest entry of a row, as seen in this rebuild.
pub(crate) fn put(connection: &Connection, tbl: i64, key: &RowKey, known: &Known, pass: i64) -> Result<()> {
    let stamps = (!known.stamps.is_empty()).then(|| serde_json::to_string(&known.stamps).unwrap_or_default());
    let extra = (!known.extra.is_empty()).then(|| row::to_json(&known.extra, &Stamps::new()).to_string());
    let sql = "INSERT INTO tidelog_rows (tbl, row, seq, stamp, deleted, digest, stamps, extra, pass)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
               ON CONFLICT (tbl, row) DO UPDATE SET seq = excluded.seq, stamp = excluded.stamp,
                   deleted = excluded.deleted, digest = excluded.digest, stamps = excluded.stamps,
                   extra = excluded.extra, pass = excluded.pass";
    connection.prepare_cached(sql)?.execute(params![
        tbl,
        key,
        known.seq,
        known.stamp,
        known.deleted,
        known.digest,
        stamps,
        extra,
        pass
    ])?;
    Ok(())
}

pub(crate) fn remove(connection: &Connection, tbl: i64, key: &RowKey) -> Result<()> {
    let sql = "DELETE FROM tidelog_rows WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, key])?;
    Ok(())
}

/// Keys of rows of which the log says that they are there.
pub(crate) fn list_alive(connection: &Connection, tbl: i64) -> Result<Vec<RowKey>> {
    let sql = "SELECT row FROM tidelog_rows WHERE tbl = ?1 AND NOT deleted AND digest IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([tbl], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Rows that were not seen in this rebuild, some at a time.
pub(crate) fn list_not_seen(connection: &Connection, pass: i64, limit: usize) -> Result<Vec<(i64, RowKey)>> {
    let sql = "SELECT tbl, row FROM tidelog_rows WHERE pass < ?1 LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![pass, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The entry could not be applied, so the table does not hold what it says.
pub(crate) fn forget_digest(connection: &Connection, tbl: i64, key: &RowKey) -> Result<()> {
    let sql = "UPDATE tidelog_rows SET digest = NULL WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, key])?;
    Ok(())
}

/// The entry could be applied after all.
pub(crate) fn put_digest(connection: &Connection, tbl: i64, key: &RowKey, row: &Row) -> Result<()> {
    let sql = "UPDATE tidelog_rows SET digest = ?3 WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, key, row::digest(row)])?;
    Ok(())
}

/// The log does not have the row any more, nor its deletion.
pub(crate) fn note_deleted(connection: &Connection, tbl: i64, key: &RowKey, pass: i64) -> Result<()> {
    let sql = "UPDATE tidelog_rows SET deleted = 1, digest = NULL, stamps = NULL, extra = NULL, pass = ?3
               WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, key, pass])?;
    Ok(())
}

/// Entries beyond this place are of a history that is lost: their rows are marked, each with the stamp of its entry, so that
/// they are sent again. Those that could not be applied are left to others.
pub(crate) fn rewind(connection: &Connection, to: i64) -> Result<()> {
    let sql = "INSERT INTO tidelog_marks (tbl, row, stamp, kind)
               SELECT tbl, row, stamp, deleted FROM tidelog_rows
               WHERE seq > ?1 AND (deleted OR digest IS NOT NULL)
               ON CONFLICT (tbl, row) DO NOTHING";
    connection.execute(sql, [to])?;
    // What the log has now is unknown: nothing there is old news, and nothing here is as there.
    let sql = "UPDATE tidelog_rows SET seq = ?1, deleted = 0, digest = NULL WHERE seq > ?1";
    connection.execute(sql, [to])?;
    Ok(())
}
