//! Entries of tables that this app does not have (yet). The newest entry of each row is kept until the app has the
//! table.

use rusqlite::{Connection, params};

use super::entries::IncomingEntry;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::row;

pub(crate) fn put(connection: &Connection, entry: &IncomingEntry) -> Result<()> {
    let IncomingEntry { wire_name, row_id, seq, timestamp, content, .. } = entry;
    let data = content.as_ref().map(|(row, timestamps)| row::to_json(row, timestamps).to_string());
    let sql = "INSERT INTO tidelog_unknown_tables (wire_name, row_id, seq, timestamp, data)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (wire_name, row_id) DO UPDATE SET seq = excluded.seq, timestamp = excluded.timestamp,
                   data = excluded.data WHERE excluded.seq > seq";
    connection.prepare_cached(sql)?.execute(params![wire_name, row_id, seq, timestamp, data])?;
    Ok(())
}

/// Removes and returns the entries of a table, in the order of the log.
pub(crate) fn take(connection: &Connection, wire_name: &str) -> Result<Vec<IncomingEntry>> {
    let sql = "SELECT row_id, seq, timestamp, data FROM tidelog_unknown_tables WHERE wire_name = ?1 COLLATE NOCASE ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([wire_name])?;
    let mut entries = Vec::new();
    while let Some(found) = rows.next()? {
        let damaged = || ReplicaError::Damaged("tidelog_unknown_tables");
        let data: Option<String> = found.get(3)?;
        entries.push(IncomingEntry {
            wire_name: wire_name.to_owned(),
            row_id: found.get(0)?,
            seq: found.get(1)?,
            timestamp: found.get(2)?,
            is_new: false,
            content: data.map(|text| row::from_text(&text).ok_or_else(damaged)).transpose()?,
        });
    }
    connection
        .execute("DELETE FROM tidelog_unknown_tables WHERE wire_name = ?1 COLLATE NOCASE", [wire_name])?;
    Ok(entries)
}

/// Makes the entries after `seq`, which the server has lost, count as older than any entry that follows.
pub(crate) fn rewind(connection: &Connection, seq: i64) -> Result<()> {
    connection.execute("UPDATE tidelog_unknown_tables SET seq = ?1 WHERE seq > ?1", [seq])?;
    Ok(())
}
