//! What could not be done: kept for the app to show, and out of the way of everything else.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use serde_json::Value as Json;

use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::row::{self, Row, Stamps};
use crate::replica::values::row_key::RowKey;

/// Something that the app, or its user, may want to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// The table, as it is known on the wire.
    pub table: String,
    /// The row, as it is known on the wire.
    pub row: String,
    /// Its place in the log, of what came from there.
    pub seq: Option<i64>,
    /// When it was written.
    pub time: DateTime<Utc>,
    /// What the row held, where it would be lost otherwise.
    pub data: Option<Row>,
    /// Why, for a person.
    pub reason: String,
}

/// What became of something that could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// An entry of the log does not open, or is not what a replica writes. It is skipped.
    Unreadable,
    /// The app's database refuses a row from another device. It is tried again after every pull.
    NotApplied,
    /// The server would refuse a local row. It stays here, and is tried again when it is written again.
    NotPushed,
    /// A row was removed from the table, since another one stood where it must be unique, or the row that it refers to is gone.
    GaveWay,
}

impl ProblemKind {
    const ALL: [Self; 4] = [Self::Unreadable, Self::NotApplied, Self::NotPushed, Self::GaveWay];

    fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotApplied => "not_applied",
            Self::NotPushed => "not_pushed",
            Self::GaveWay => "gave_way",
        }
    }
}

/// Where a problem is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) wire_name: &'a str,
    pub(crate) row: &'a str,
    pub(crate) seq: Option<i64>,
    pub(crate) stamp: i64,
}

pub(crate) fn put(
    connection: &Connection,
    kind: ProblemKind,
    place: Place<'_>,
    data: Option<&(Row, Stamps)>,
    reason: &str,
) -> Result<()> {
    let data = data.map(|(row, stamps)| row::to_json(row, stamps).to_string());
    let sql = "INSERT INTO tidelog_problems (kind, wire_name, row, seq, stamp, data, reason)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (wire_name, row, kind) DO UPDATE SET seq = excluded.seq, stamp = excluded.stamp,
                   data = excluded.data, reason = excluded.reason";
    let Place { wire_name, row, seq, stamp } = place;
    connection.prepare_cached(sql)?.execute(params![
        kind.name(),
        wire_name,
        row,
        seq,
        stamp,
        data,
        reason
    ])?;
    Ok(())
}

/// Forgets a problem that has solved itself.
pub(crate) fn remove(connection: &Connection, kind: ProblemKind, wire_name: &str, row: &str) -> Result<()> {
    let sql = "DELETE FROM tidelog_problems WHERE wire_name = ?1 AND row = ?2 AND kind = ?3";
    connection.prepare_cached(sql)?.execute(params![wire_name, row, kind.name()])?;
    Ok(())
}

/// Forgets those that the app has dealt with. What could not be applied stays: it waits for its turn.
pub(crate) fn dismiss(connection: &Connection) -> Result<()> {
    connection.execute("DELETE FROM tidelog_problems WHERE kind <> ?1", [ProblemKind::NotApplied.name()])?;
    Ok(())
}

pub(crate) fn list(connection: &Connection) -> Result<Vec<Problem>> {
    let sql = "SELECT kind, wire_name, row, seq, stamp, data, reason FROM tidelog_problems ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut problems = Vec::new();
    while let Some(row) = rows.next()? {
        let damaged = || ReplicaError::Damaged("tidelog_problems");
        let name: String = row.get(0)?;
        let kind = ProblemKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(damaged)?;
        let data: Option<String> = row.get(5)?;
        problems.push(Problem {
            kind,
            table: row.get(1)?,
            row: row.get(2)?,
            seq: row.get(3)?,
            time: DateTime::from_timestamp_micros(row.get(4)?).ok_or_else(damaged)?,
            data: data.map(|json| parsed(&json).map(|(row, _)| row)).transpose()?,
            reason: row.get(6)?,
        });
    }
    Ok(problems)
}

/// A row that waits to be applied.
pub(crate) struct Waiting {
    pub(crate) wire_name: String,
    pub(crate) key: RowKey,
    pub(crate) seq: i64,
    pub(crate) stamp: i64,
    pub(crate) row: Row,
}

pub(crate) fn list_not_applied(connection: &Connection) -> Result<Vec<Waiting>> {
    let sql = "SELECT wire_name, row, seq, stamp, data FROM tidelog_problems
               WHERE kind = 'not_applied' AND seq IS NOT NULL AND data IS NOT NULL ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let wire: String = row.get(1)?;
        let key = RowKey::from_wire(&wire).ok_or(ReplicaError::Damaged("tidelog_problems"))?;
        let data: String = row.get(4)?;
        waiting.push(Waiting {
            wire_name: row.get(0)?,
            key,
            seq: row.get(2)?,
            stamp: row.get(3)?,
            row: parsed(&data)?.0,
        });
    }
    Ok(waiting)
}

fn parsed(json: &str) -> Result<(Row, Stamps)> {
    let damaged = || ReplicaError::Damaged("tidelog_problems");
    let json: Json = serde_json::from_str(json).map_err(|_| damaged())?;
    row::from_json(&json).ok_or_else(damaged)
}
