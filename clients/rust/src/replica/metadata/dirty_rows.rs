//! Marks: rows that may have been written here and are not in the log yet.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::replica::error::Result;
use crate::replica::values::row::Stamps;
use crate::replica::values::row_key::RowKey;

/// Inserted rows that become marks in one go, which takes about a hundredth of a second.
const TURN: i64 = 10_000;

/// Why a row is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It was inserted or updated.
    Written,
    /// It was deleted.
    Deleted,
    /// Another row was written that must not stand beside it.
    PerhapsGone,
}

impl Kind {
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Written => 0,
            Self::Deleted => 1,
            Self::PerhapsGone => 2,
        }
    }
}

/// A marked row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) row: RowKey,
    pub(crate) stamp: i64,
}

/// Makes marks of the rows that were inserted, in transactions of their own, until few are left: whoever wants to write meanwhile
/// gets a turn.
pub(crate) fn gather_in_turns(connection: &Connection) -> Result<()> {
    while count_inserts(connection)? > TURN {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        gather_some(&transaction)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Makes marks of the rows that were inserted. Every transaction that looks at marks begins with it.
pub(crate) fn gather(connection: &Connection) -> Result<()> {
    while count_inserts(connection)? > 0 {
        gather_some(connection)?;
    }
    Ok(())
}

/// Numbers in the order of their appending; so the first and the last one tell how many there are, without looking at any other.
fn count_inserts(connection: &Connection) -> Result<i64> {
    let sql = "SELECT coalesce(max(id) - (SELECT min(id) FROM tidelog_inserts) + 1, 0) FROM tidelog_inserts";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// In the order of the keys, which is faster; of what happened to a row at the same time the insert counts as the last.
fn gather_some(connection: &Connection) -> Result<()> {
    let find = "SELECT min(id) + ?1 FROM tidelog_inserts";
    let until: i64 = connection.prepare_cached(find)?.query_row([TURN], |row| row.get(0))?;
    let sql = "INSERT INTO tidelog_marks (tbl, row, stamp, kind)
               SELECT tbl, row, max(stamp), 0 FROM tidelog_inserts WHERE id < ?1 GROUP BY tbl, row
               ON CONFLICT (tbl, row) DO UPDATE SET stamp = excluded.stamp, kind = excluded.kind
               WHERE excluded.stamp >= stamp OR kind = 2";
    connection.prepare_cached(sql)?.execute([until])?;
    connection.prepare_cached("DELETE FROM tidelog_inserts WHERE id < ?1")?.execute([until])?;
    Ok(())
}

/// The row's stamp, if it is marked.
pub(crate) fn find(connection: &Connection, tbl: i64, row: &RowKey) -> Result<Option<i64>> {
    let sql = "SELECT stamp FROM tidelog_marks WHERE tbl = ?1 AND row = ?2";
    Ok(connection.prepare_cached(sql)?.query_row(params![tbl, row], |row| row.get(0)).optional()?)
}

pub(crate) fn put(connection: &Connection, tbl: i64, row: &RowKey, stamp: i64, kind: Kind) -> Result<()> {
    let sql = "INSERT INTO tidelog_marks (tbl, row, stamp, kind) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (tbl, row) DO UPDATE SET stamp = excluded.stamp, kind = excluded.kind";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp, kind.code()])?;
    Ok(())
}

pub(crate) fn remove(connection: &Connection, tbl: i64, row: &RowKey) -> Result<()> {
    let sql = "DELETE FROM tidelog_marks WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, row])?;
    let sql = "DELETE FROM tidelog_column_marks WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, row])?;
    Ok(())
}

/// Gives a mark another stamp.
pub(crate) fn restamp(connection: &Connection, tbl: i64, row: &RowKey, stamp: i64) -> Result<()> {
    let sql = "UPDATE tidelog_marks SET stamp = ?3 WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp])?;
    let sql = "UPDATE tidelog_column_marks SET stamp = min(stamp, ?3) WHERE tbl = ?1 AND row = ?2";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp])?;
    Ok(())
}

/// Removes a mark whose state is in the log, unless the row was written again meanwhile.
pub(crate) fn settle(connection: &Connection, tbl: i64, row: &RowKey, stamp: i64) -> Result<()> {
    let sql = "DELETE FROM tidelog_marks WHERE tbl = ?1 AND row = ?2 AND stamp = ?3";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp])?;
    let sql = "DELETE FROM tidelog_column_marks WHERE tbl = ?1 AND row = ?2 AND stamp <= ?3";
    connection.prepare_cached(sql)?.execute(params![tbl, row, stamp])?;
    Ok(())
}

/// Marked rows of a table, `gone` or not, after `after` in the order of their keys.
pub(crate) fn list(
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

/// Whether anything is marked, or about to be.
pub(crate) fn exist(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidelog_marks) OR EXISTS (SELECT 1 FROM tidelog_inserts)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// How many rows are marked, or about to be.
pub(crate) fn count(connection: &Connection) -> Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM tidelog_marks) +
               (SELECT count(*) FROM (SELECT DISTINCT tbl, row FROM tidelog_inserts AS i WHERE NOT EXISTS
                   (SELECT 1 FROM tidelog_marks AS m WHERE m.tbl = i.tbl AND m.row = i.row)))";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// When columns of a row were written here.
pub(crate) fn columns(connection: &Connection, tbl: i64, row: &RowKey) -> Result<Stamps> {
    let sql = "SELECT name, stamp FROM tidelog_column_marks WHERE tbl = ?1 AND row = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![tbl, row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn put_column(
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

pub(crate) fn remove_column(connection: &Connection, tbl: i64, row: &RowKey, name: &str) -> Result<()> {
    let sql = "DELETE FROM tidelog_column_marks WHERE tbl = ?1 AND row = ?2 AND name = ?3";
    connection.prepare_cached(sql)?.execute(params![tbl, row, name])?;
    Ok(())
}
