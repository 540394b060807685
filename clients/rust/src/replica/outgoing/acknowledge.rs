//! Updates the replica after the server has answered a batch.

use rusqlite::Connection;
use tidelog_protocol::Cursor;

use crate::replica::error::Result;
use crate::replica::local::app_rows;
use crate::replica::local::database::Database;
use crate::replica::local::table::Table;
use crate::replica::metadata::outbox::{self, OutboxBatch, SentRow};
use crate::replica::metadata::problems::{self, ProblemKind, ProblemSubject};
use crate::replica::metadata::row_versions::{self, RowVersion};
use crate::replica::metadata::state::ReplicaState;
use crate::replica::metadata::{clock, dirty_rows, tombstones};
use crate::replica::values::row::{self, digest};
use crate::replica::values::row_key::RowKey;

/// Notes that a batch is in the log. `last_seq` is the number of its last entry, `cursor` the position to pull from,
/// and `watch` what the client has verified of the log.
pub(crate) fn acknowledge(
    database: &mut Database,
    batch: &OutboxBatch,
    cursor: Cursor,
    last_seq: Option<i64>,
    watch: Option<String>,
) -> Result<()> {
    let (transaction, tables) = database.begin()?;
    if !outbox::contains(&transaction, batch)? {
        return Ok(());
    }
    let mut state = ReplicaState::load(&transaction)?;
    // If the server does not say, the entries are pulled again.
    let last_seq = last_seq.unwrap_or_else(|| cursor.seq());
    let first_seq = last_seq.saturating_sub(batch.rows.len() as i64 - 1);
    for (seq, sent) in (first_seq..).zip(&batch.rows) {
        acknowledge_row(&transaction, tables, sent, seq, state.generation)?;
    }
    if cursor.seq() >= state.cursor.seq() {
        state.advance(cursor);
    }
    state.stream = Some(batch.stream.clone());
    state.watch = watch.or(state.watch);
    state.save(&transaction)?;
    outbox::clear(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Drops a batch that the server has refused, so that it is not in the log. Its rows stay dirty, and the next batch
/// takes its place in the stream. `rejected`: indexes of entries that the server would refuse again, with its
/// reasons; their rows are set aside.
pub(crate) fn drop_batch(
    database: &mut Database,
    batch: &OutboxBatch,
    rejected: &[(usize, String)],
) -> Result<()> {
    let (transaction, tables) = database.begin()?;
    if !outbox::contains(&transaction, batch)? {
        return Ok(());
    }
    for (index, reason) in rejected {
        let Some(sent) = batch.rows.get(*index) else { continue };
        let Some(table) = tables.iter().find(|table| table.id == sent.table_id) else { continue };
        let key = RowKey::from_literals(&sent.row_key);
        let (wire_name, row_id) = (&table.wire_name, &key.to_wire());
        let subject = ProblemSubject { wire_name, row_id, seq: None, timestamp: sent.timestamp };
        problems::put(&transaction, ProblemKind::NotPushed, subject, None, reason)?;
        dirty_rows::set_aside_if_at(&transaction, sent.table_id, &key, sent.dirty_timestamp)?;
    }
    outbox::clear(&transaction)?;
    transaction.commit()?;
    Ok(())
}

fn acknowledge_row(
    connection: &Connection,
    tables: &[Table],
    sent: &SentRow,
    seq: i64,
    generation: i64,
) -> Result<()> {
    let key = RowKey::from_literals(&sent.row_key);
    let (extra_columns, _) = row::from_json(&sent.extra_columns).unwrap_or_default();
    let version = RowVersion {
        seq,
        timestamp: sent.timestamp,
        deleted: sent.deleted,
        digest: sent.digest,
        column_timestamps: sent.column_timestamps.clone(),
        extra_columns,
    };
    row_versions::put(connection, sent.table_id, &key, &version, generation)?;
    // A row that another one has replaced since stays dirty, though its timestamp is the same.
    let is_as_sent = match tables.iter().find(|table| table.id == sent.table_id) {
        Some(table) => app_rows::read(connection, table, &key)?.as_ref().map(digest) == sent.digest,
        None => true,
    };
    if is_as_sent {
        dirty_rows::remove_if_at(connection, sent.table_id, &key, sent.dirty_timestamp)?;
    }
    if sent.deleted {
        tombstones::remove(connection, sent.table_id, &key)?;
    }
    clock::advance(connection, sent.timestamp)
}
