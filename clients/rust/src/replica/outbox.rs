//! The batch on its way: sealed bytes, kept until the server has them or refuses them for good.
//!
//! A batch whose answer is lost is sent again byte for byte, under its own id, and the server takes it once. A batch that is
//! refused is not in the log, so it is dropped: its rows are marked still, and its place in the stream is given to the next one.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use tidelog_protocol::Cursor;

use crate::formats::Stream;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::local::app_rows as content;
use crate::replica::local::database::{Database, begin};
use crate::replica::local::table::Table;
use crate::replica::metadata::clock;
use crate::replica::metadata::dirty_rows as marks;
use crate::replica::metadata::problems::{self, Place, ProblemKind};
use crate::replica::metadata::row_versions::{self as rows, Known};
use crate::replica::metadata::state::State;
use crate::replica::metadata::tombstones as graves;
use crate::replica::values::row::{self, Digest, Stamps, digest};
use crate::replica::values::row_key::RowKey;

/// What an entry of the batch stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) tbl: i64,
    pub(super) row: String,
    /// The mark that it settles.
    pub(super) mark: i64,
    pub(super) stamp: i64,
    pub(super) deleted: bool,
    pub(super) digest: Option<Digest>,
    pub(super) stamps: Stamps,
    /// Columns that the app does not have, as they were sent.
    pub(super) extra: serde_json::Value,
}

/// A batch that is not acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) body: Bytes,
    pub(super) entries: Vec<Sent>,
    /// Where the stream stands after it.
    pub(super) stream: Stream,
}

pub(super) fn load(connection: &Connection) -> Result<Option<Batch>> {
    let sql = "SELECT body, stream, entries FROM tidelog_outbox";
    let found: Option<(Vec<u8>, Vec<u8>, String)> = connection
        .prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((body, stream, entries)) = found else { return Ok(None) };
    let damaged = || ReplicaError::Damaged("tidelog_outbox");
    Ok(Some(Batch {
        body: body.into(),
        stream: Stream::from_bytes(&stream).map_err(|_| damaged())?,
        entries: serde_json::from_str(&entries).map_err(|_| damaged())?,
    }))
}

pub(super) fn put(connection: &Connection, batch: &Batch) -> Result<()> {
    let entries =
        serde_json::to_string(&batch.entries).map_err(|_| ReplicaError::Damaged("tidelog_outbox"))?;
    let sql = "INSERT OR REPLACE INTO tidelog_outbox (id, body, stream, entries) VALUES (1, ?1, ?2, ?3)";
    let stream = batch.stream.to_bytes();
    connection.prepare_cached(sql)?.execute(params![batch.body.as_ref(), stream, entries])?;
    Ok(())
}

/// Whether this very batch is still waiting: another process of the app may have dealt with it.
fn holds(connection: &Connection, batch: &Batch) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidelog_outbox WHERE stream = ?1)";
    let stream = batch.stream.to_bytes();
    Ok(connection.prepare_cached(sql)?.query_row([stream.as_slice()], |row| row.get(0))?)
}

/// Whether a batch is waiting.
pub(super) fn is_taken(connection: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tidelog_outbox)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Drops the batch, which is not in the log and never will be.
pub(super) fn discard(connection: &Connection) -> Result<()> {
    connection.prepare_cached("DELETE FROM tidelog_outbox")?.execute([])?;
    Ok(())
}

impl Database {
    /// The batch is in the log: its last entry at `last_seq`.
    pub(super) fn settle(
        &mut self,
        batch: &Batch,
        cursor: Cursor,
        last_seq: Option<i64>,
        watch: Option<String>,
    ) -> Result<()> {
        let transaction = begin(&mut self.connection)?;
        if !holds(&transaction, batch)? {
            return Ok(());
        }
        let mut state = State::load(&transaction)?;
        // A server that does not tell the place is asked for the entries again.
        let last_seq = last_seq.unwrap_or_else(|| cursor.seq());
        let first = last_seq.saturating_sub(batch.entries.len() as i64 - 1);
        for (seq, sent) in (first..).zip(&batch.entries) {
            settle_one(&transaction, &self.tables, sent, seq, state.pass)?;
        }
        if cursor.seq() >= state.cursor.seq() {
            state.advance(cursor);
        }
        state.stream = Some(batch.stream.clone());
        state.watch = watch.or(state.watch);
        state.save(&transaction)?;
        discard(&transaction)?;
        transaction.commit()?;
        Ok(())
    }

    /// The server has refused the batch, for these of its entries if for any in particular.
    pub(super) fn drop_batch(&mut self, batch: &Batch, at_fault: &[(usize, String)]) -> Result<()> {
        let transaction = begin(&mut self.connection)?;
        if !holds(&transaction, batch)? {
            return Ok(());
        }
        for (index, reason) in at_fault {
            let Some(sent) = batch.entries.get(*index) else { continue };
            let Some(table) = self.tables.iter().find(|table| table.no == sent.tbl) else { continue };
            let key = RowKey::from_literals(&sent.row);
            let row_id = key.to_wire();
            let place = Place { wire_name: &table.wire_name, row: &row_id, seq: None, stamp: sent.stamp };
            problems::put(&transaction, ProblemKind::NotPushed, place, None, reason)?;
            marks::settle(&transaction, sent.tbl, &key, sent.mark)?;
        }
        discard(&transaction)?;
        transaction.commit()?;
        Ok(())
    }
}

fn settle_one(connection: &Connection, tables: &[Table], sent: &Sent, seq: i64, pass: i64) -> Result<()> {
    let key = RowKey::from_literals(&sent.row);
    let (extra, _) = row::from_json(&sent.extra).unwrap_or_default();
    let known = Known {
        seq,
        stamp: sent.stamp,
        deleted: sent.deleted,
        digest: sent.digest,
        stamps: sent.stamps.clone(),
        extra,
    };
    rows::put(connection, sent.tbl, &key, &known, pass)?;
    // A row that another one has replaced since keeps its mark as it was.
    let table = tables.iter().find(|table| table.no == sent.tbl);
    let local = table.map(|table| content::read(connection, table, &key)).transpose()?.flatten();
    if table.is_none() || local.as_ref().map(digest) == sent.digest {
        marks::settle(connection, sent.tbl, &key, sent.mark)?;
    }
    if sent.deleted {
        graves::remove(connection, sent.tbl, &key)?;
    }
    clock::advance(connection, sent.stamp)
}
