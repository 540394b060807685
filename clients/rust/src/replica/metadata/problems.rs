//! Problems that the app may want to show: entries and rows that could not be processed, and did not hold up anything
//! else.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::row::{self, ColumnTimestamps, Row};
use crate::replica::values::row_key::RowKey;

/// An entry or a row that could not be processed.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What happened.
    pub kind: ProblemKind,
    /// The table's name on the wire.
    pub table: String,
    /// The row's id on the wire.
    pub row: String,
    /// The entry's number in the log; `None` if the problem is not about an entry.
    pub seq: Option<i64>,
    /// When the row was written.
    pub time: DateTime<Utc>,
    /// The row's contents, if they would be lost otherwise.
    pub data: Option<Row>,
    /// An explanation for people.
    pub reason: String,
}

/// What happened to an entry or a row that could not be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// An entry of the log could not be decrypted, or was not written by a replica. It was skipped.
    Unreadable,
    /// The app's database rejected a row from another device, or its deletion ([`Problem::data`] is `None` then). The
    /// row is still as it was. It is tried again after every pull.
    NotApplied,
    /// A local row cannot be pushed, because the server would reject it. It stays in its table, and is tried again
    /// when it is written again, and when the table is attached again. If what another device has written takes its
    /// place, its contents are kept in [`Problem::data`].
    NotPushed,
    /// A row was deleted, here and on all devices, because another row took its value in a unique column, or because
    /// the row that it referred to was deleted.
    RemovedByConstraint,
    /// A table has changed while the replica was attached so that it cannot be synced any more: it was dropped, or has
    /// another primary key. The others sync, and so does this one once the schema allows it again. What was written
    /// meanwhile is found then.
    TableLeftOut,
}

impl ProblemKind {
    const ALL: [Self; 5] =
        [Self::Unreadable, Self::NotApplied, Self::NotPushed, Self::RemovedByConstraint, Self::TableLeftOut];

    fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotApplied => "not_applied",
            Self::NotPushed => "not_pushed",
            Self::RemovedByConstraint => "removed_by_constraint",
            Self::TableLeftOut => "table_left_out",
        }
    }
}

/// The row and the entry that a problem is about.
#[derive(Clone, Copy)]
pub(crate) struct ProblemSubject<'a> {
    pub(crate) wire_name: &'a str,
    pub(crate) row_id: &'a str,
    pub(crate) seq: Option<i64>,
    pub(crate) timestamp: i64,
}

/// A row from another device that waits to be written or deleted.
pub(crate) struct UnappliedRow {
    pub(crate) wire_name: String,
    pub(crate) key: RowKey,
    pub(crate) seq: i64,
    pub(crate) timestamp: i64,
    /// `None`: it waits to be deleted.
    pub(crate) row: Option<Row>,
}

/// Stores a problem, in place of an earlier one of the same kind with the same row.
pub(crate) fn put(
    connection: &Connection,
    kind: ProblemKind,
    subject: ProblemSubject<'_>,
    data: Option<&Row>,
    reason: &str,
) -> Result<()> {
    let ProblemSubject { wire_name, row_id, seq, timestamp } = subject;
    let data = data.map(|row| row::to_json(row, &ColumnTimestamps::new()).to_string());
    let sql = "INSERT INTO tidelog_problems (kind, wire_name, row_id, seq, timestamp, data, reason)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (wire_name, row_id, kind) DO UPDATE SET seq = excluded.seq,
                   timestamp = excluded.timestamp, data = excluded.data, reason = excluded.reason";
    let values = params![kind.name(), wire_name, row_id, seq, timestamp, data, reason];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Removes a problem that was resolved.
pub(crate) fn remove(
    connection: &Connection,
    kind: ProblemKind,
    wire_name: &str,
    row_id: &str,
) -> Result<()> {
    let sql = "DELETE FROM tidelog_problems WHERE wire_name = ?1 AND row_id = ?2 AND kind = ?3";
    connection.prepare_cached(sql)?.execute(params![wire_name, row_id, kind.name()])?;
    Ok(())
}

/// Removes the report of a table that can be synced again.
pub(crate) fn remove_left_out(connection: &Connection, wire_name: &str) -> Result<()> {
    let sql = "DELETE FROM tidelog_problems WHERE wire_name = ?1 COLLATE NOCASE AND kind = ?2";
    connection.prepare_cached(sql)?.execute(params![wire_name, ProblemKind::TableLeftOut.name()])?;
    Ok(())
}

/// Removes all problems, except for rows that wait to be applied or pushed.
pub(crate) fn dismiss(connection: &Connection) -> Result<()> {
    let sql = "DELETE FROM tidelog_problems
               WHERE kind NOT IN (?1, ?2) AND NOT (kind = ?3 AND data IS NULL)";
    let [not_applied, left_out, not_pushed] =
        [ProblemKind::NotApplied, ProblemKind::TableLeftOut, ProblemKind::NotPushed].map(ProblemKind::name);
    connection.execute(sql, [not_applied, left_out, not_pushed])?;
    Ok(())
}

/// All problems, oldest first.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Problem>> {
    let sql =
        "SELECT kind, wire_name, row_id, seq, timestamp, data, reason FROM tidelog_problems ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut problems = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let data: Option<String> = row.get(5)?;
        problems.push(Problem {
            kind: ProblemKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(damaged)?,
            table: row.get(1)?,
            row: row.get(2)?,
            seq: row.get(3)?,
            time: DateTime::from_timestamp_micros(row.get(4)?).ok_or_else(damaged)?,
            data: data.map(|text| row_from_text(&text)).transpose()?,
            reason: row.get(6)?,
        });
    }
    Ok(problems)
}

/// Whether there is a problem of this kind.
pub(crate) fn exist(connection: &Connection, kind: ProblemKind) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidelog_problems WHERE kind = ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([kind.name()], |row| row.get(0))?)
}

/// When a row was written that cannot be pushed as it is; `None` if it can, or if it is no longer in its table.
pub(crate) fn find_unpushed(connection: &Connection, wire_name: &str, key: &RowKey) -> Result<Option<i64>> {
    let sql = "SELECT timestamp FROM tidelog_problems
               WHERE wire_name = ?1 AND row_id = ?2 AND kind = ?3 AND data IS NULL";
    let values = params![wire_name, key.to_wire(), ProblemKind::NotPushed.name()];
    Ok(connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?)
}

/// The contents of a row that was removed by a constraint.
pub(crate) fn find_removed(connection: &Connection, wire_name: &str, key: &RowKey) -> Result<Option<Row>> {
    let sql = "SELECT data FROM tidelog_problems WHERE wire_name = ?1 AND row_id = ?2 AND kind = ?3";
    let values = params![wire_name, key.to_wire(), ProblemKind::RemovedByConstraint.name()];
    let data: Option<Option<String>> =
        connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    data.flatten().map(|text| row_from_text(&text)).transpose()
}

/// Keeps the contents of a row that could not be pushed, and has to give way to what another device has written.
pub(crate) fn keep_unpushed(
    connection: &Connection,
    wire_name: &str,
    key: &RowKey,
    lost: &Row,
) -> Result<()> {
    let data = row::to_json(lost, &ColumnTimestamps::new()).to_string();
    let sql = "UPDATE tidelog_problems SET data = ?4 WHERE wire_name = ?1 AND row_id = ?2 AND kind = ?3";
    let values = params![wire_name, key.to_wire(), ProblemKind::NotPushed.name(), data];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The rows of a table that could not be pushed, each with the time at which it was written.
pub(crate) fn list_unpushed(connection: &Connection, wire_name: &str) -> Result<Vec<(RowKey, i64)>> {
    let sql = "SELECT row_id, timestamp FROM tidelog_problems
               WHERE wire_name = ?1 AND kind = ?2 AND data IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![wire_name, ProblemKind::NotPushed.name()])?;
    let mut unpushed = Vec::new();
    while let Some(row) = rows.next()? {
        // A key that cannot be sent at all is not one that could be read back, either.
        if let Some(key) = RowKey::from_wire(&row.get::<_, String>(0)?) {
            unpushed.push((key, row.get(1)?));
        }
    }
    Ok(unpushed)
}

/// The rows that wait to be applied, in the order of the log.
pub(crate) fn list_not_applied(connection: &Connection) -> Result<Vec<UnappliedRow>> {
    let sql = "SELECT wire_name, row_id, seq, timestamp, data FROM tidelog_problems
               WHERE kind = 'not_applied' AND seq IS NOT NULL ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut unapplied = Vec::new();
    while let Some(row) = rows.next()? {
        let row_id: String = row.get(1)?;
        let data: Option<String> = row.get(4)?;
        unapplied.push(UnappliedRow {
            wire_name: row.get(0)?,
            key: RowKey::from_wire(&row_id).ok_or_else(damaged)?,
            seq: row.get(2)?,
            timestamp: row.get(3)?,
            row: data.map(|text| row_from_text(&text)).transpose()?,
        });
    }
    Ok(unapplied)
}

fn row_from_text(text: &str) -> Result<Row> {
    row::from_text(text).map(|(row, _)| row).ok_or_else(damaged)
}

fn damaged() -> ReplicaError {
    ReplicaError::Damaged("tidelog_problems")
}
