//! Entries of tables that this app does not have (yet): the newest of each row is kept for the day on which it does.

use rusqlite::{Connection, params};
use serde_json::Value as Json;

use super::entries::Incoming;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::row::{self, Row, Stamps};

pub(crate) fn keep(connection: &Connection, entry: &Incoming) -> Result<()> {
    let data = entry.content.as_ref().map(|(row, stamps)| row::to_json(row, stamps).to_string());
    let sql = "INSERT INTO tidelog_unknown (wire_name, row_id, seq, stamp, data) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (wire_name, row_id) DO UPDATE SET seq = excluded.seq, stamp = excluded.stamp,
                   data = excluded.data WHERE excluded.seq > seq";
    let Incoming { wire_name, row_id, seq, stamp, .. } = entry;
    connection.prepare_cached(sql)?.execute(params![wire_name, row_id, seq, stamp, data])?;
    Ok(())
}

/// Takes out what was kept for a table, in the order of the log.
pub(crate) fn take(connection: &Connection, wire_name: &str) -> Result<Vec<Incoming>> {
    let sql = "SELECT row_id, seq, stamp, data FROM tidelog_unknown WHERE wire_name = ?1 ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([wire_name])?;
    let mut entries = Vec::new();
    while let Some(found) = rows.next()? {
        let data: Option<String> = found.get(3)?;
        entries.push(Incoming {
            wire_name: wire_name.to_owned(),
            row_id: found.get(0)?,
            seq: found.get(1)?,
            stamp: found.get(2)?,
            content: data.map(|json| parsed(&json)).transpose()?,
        });
    }
    connection.execute("DELETE FROM tidelog_unknown WHERE wire_name = ?1", [wire_name])?;
    Ok(entries)
}

/// Entries beyond this place are of a history that is lost. They count as older than whatever follows.
pub(crate) fn rewind(connection: &Connection, to: i64) -> Result<()> {
    connection.execute("UPDATE tidelog_unknown SET seq = ?1 WHERE seq > ?1", [to])?;
    Ok(())
}

fn parsed(json: &str) -> Result<(Row, Stamps)> {
    let damaged = || ReplicaError::Damaged("tidelog_unknown");
    let json: Json = serde_json::from_str(json).map_err(|_| damaged())?;
    row::from_json(&json).ok_or_else(damaged)
}
