//! The sealed batch that has not been acknowledged yet: it is kept until the server has stored it, or has rejected it
//! for good.
//!
//! A batch whose answer is lost is sent again byte for byte, with its batch id, so the server stores it once.

use bytes::Bytes;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::formats::Stream;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::values::row::{ColumnTimestamps, Digest};

/// The row that an entry of the batch was made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SentRow {
    pub(crate) table_id: i64,
    pub(crate) row_key: String,
    /// The timestamp of the dirty row, to tell whether the row was written again since.
    pub(crate) dirty_timestamp: i64,
    pub(crate) timestamp: i64,
    pub(crate) deleted: bool,
    pub(crate) digest: Option<Digest>,
    pub(crate) column_timestamps: ColumnTimestamps,
    /// Columns that this app does not have.
    pub(crate) extra_columns: serde_json::Value,
}

/// A batch that has not been acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct OutboxBatch {
    /// The request body.
    pub(crate) body: Bytes,
    pub(crate) rows: Vec<SentRow>,
    /// The stream, advanced past this batch. Identifies the batch as well.
    pub(crate) stream: Stream,
}

pub(crate) fn load(connection: &Connection) -> Result<Option<OutboxBatch>> {
    let mut statement = connection.prepare_cached("SELECT body, stream, entries FROM tidelog_outbox")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (body, stream, entries): (Vec<u8>, Vec<u8>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Some(OutboxBatch {
        body: body.into(),
        stream: Stream::from_bytes(&stream).map_err(|_| damaged())?,
        rows: serde_json::from_str(&entries).map_err(|_| damaged())?,
    }))
}

pub(crate) fn put(connection: &Connection, batch: &OutboxBatch) -> Result<()> {
    let entries = serde_json::to_string(&batch.rows).map_err(|_| damaged())?;
    let sql = "INSERT OR REPLACE INTO tidelog_outbox (id, body, stream, entries) VALUES (1, ?1, ?2, ?3)";
    let values = params![batch.body.as_ref(), batch.stream.to_bytes(), entries];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Whether the outbox still holds this batch: another process of the app may have sent it.
pub(crate) fn contains(connection: &Connection, batch: &OutboxBatch) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidelog_outbox WHERE stream = ?1)";
    let stream = batch.stream.to_bytes();
    Ok(connection.prepare_cached(sql)?.query_row([stream.as_slice()], |row| row.get(0))?)
}

pub(crate) fn is_occupied(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidelog_outbox)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Empties the outbox, after the batch was stored, or because it never will be.
pub(crate) fn clear(connection: &Connection) -> Result<()> {
    connection.prepare_cached("DELETE FROM tidelog_outbox")?.execute([])?;
    Ok(())
}

fn damaged() -> ReplicaError {
    ReplicaError::Damaged("tidelog_outbox")
}
