//! Marks: rows that may have been written here and are not in the log yet.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::Result;
use super::key::RowKey;
use super::row::Stamps;

/// Why a row is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It was inserted or updated.
    Written,
    /// It was deleted.
    Deleted,
    /// Another row was written that must not stand beside it.
    PerhapsGone,
}

impl Kind {
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Written => 0,
            Self::Deleted => 1,
            Self::PerhapsGone => 2,
        }
    }
}

/// A marked row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) row: RowKey,
    pub(super) stamp: i64,
}

/// The row's stamp, if it is marked.
pub(super) fn find(connection: &Connection, tbl: i64, row: &RowKey) -> Result<Option<i64>> {
    let sql = "SELECT stamp FROM tidelog_marks WHERE tbl = ?1 AND row = ?2";
    Ok(connection.prepare_cached(sql)?.query_row(params![tbl, row], |row| row.get(0)).optional()?)
}

pub(super) fn put(connection: &Connection, tbl: i64, row: &RowKey, stamp: i64, kind: Kind) -> Result<()> {
    let sql = "INSERT INTO tidelog_marks (tbl, row, stamp, kind) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (tbl, row) DO UPDATE SET stamp = excluded.stamp, kind = excluded.kind";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp, kind.code()])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, tbl: i64, row: &RowKey) -> Result<()> {
    let sql = "DELETE FROM tidelog_marks WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, row])?;
    let sql = "DELETE FROM tidelog_column_marks WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, row])?;
    Ok(())
}

/// Gives a mark another stamp.
pub(super) fn restamp(connection: &Connection, tbl: i64, row: &RowKey, stamp: i64) -> Result<()> {
    let sql = "UPDATE tidelog_marks SET stamp = ?3 WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp])?;
    let sql = "UPDATE tidelog_column_marks SET stamp = min(stamp, ?3) WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp])?;
    Ok(())
}

/// Removes a mark whose state is in the log, unless the row was written again meanwhile.
pub(super) fn settle(connection: &Connection, tbl: i64, row: &RowKey, stamp: i64) -> Result<()> {
    let sql = "DELETE FROM tidelog_marks WHERE tbl = ?1 AND row = ?2 AND stamp = ?3";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp])?;
    let sql = "DELETE FROM tidelog_column_marks WHERE tbl = ?1 AND row = ?2 AND stamp <= ?3";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp])?;
    Ok(())
}

/// Marked rows of a table, `gone` or not, after `after` in the order of their keys.
pub(super) fn list(
    connection: &Connection,
    tbl: i64,
    gone: bool,
    after: Option<&RowKey>,
    limit: usize,
) -> Result<Vec<Mark>> {
    // Two statements, so that the partial index serves the one and the primary key the other.
    let sql = if gone {
        "SELECT row, stamp FROM tidelog_marks WHERE tbl = ?1 AND kind <> 0 AND row > ?2 ORDER BY row LIMIT ?3"
    } else {
        "SELECT row, stamp FROM tidelog_marks WHERE tbl = ?1 AND kind = 0 AND row > ?2 ORDER BY row LIMIT ?3"
    };
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![tbl, after.map_or("", RowKey::as_str), limit], |row| {
        Ok(Mark { row: row.get(0)?, stamp: row.get(1)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn exist(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidelog_marks)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

pub(super) fn count(connection: &Connection) -> Result<u64> {
    Ok(connection.query_row("SELECT count(*) FROM tidelog_marks", [], |row| row.get(0))?)
}

/// When columns of a row were written here.
pub(super) fn columns(connection: &Connection, tbl: i64, row: &RowKey) -> Result<Stamps> {
    let sql = "SELECT name, stamp FROM tidelog_column_marks WHERE tbl = ?1 AND row = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![tbl, row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn put_column(
    connection: &Connection,
    tbl: i64,
    row: &RowKey,
    name: &str,
    stamp: i64,
) -> Result<()> {
    let sql = "INSERT INTO tidelog_column_marks (tbl, row, name, stamp) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (tbl, row, name) DO UPDATE SET stamp = excluded.stamp";
    connection.prepare_cached(sql)?.execute(params![tbl, row, name, stamp])?;
    Ok(())
}

pub(super) fn remove_column(connection: &Connection, tbl: i64, row: &RowKey, name: &str) -> Result<()> {
    let sql = "DELETE FROM tidelog_column_marks WHERE tbl = ?1 AND row = ?2 AND name = ?3";
    connection.prepare_cached(sql)?.execute(params![tbl, row, name])?;
    Ok(())
}
