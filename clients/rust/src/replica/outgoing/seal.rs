//! Seals dirty rows into the next batch.
//!
//! Deletions come first, referring rows before the rows that they refer to. Then come written rows, in the opposite
//! order. So what has arrived of a longer upload is consistent at any moment.

use chrono::DateTime;
use rusqlite::Connection;
use tidelog_protocol::Op;

use crate::ChangeEntry;
use crate::formats::Stream;
use crate::outbox::{Added, BatchBuilder, payload_of};
use crate::replica::error::Result;
use crate::replica::local::app_rows;
use crate::replica::local::database::Database;
use crate::replica::local::table::Table;
use crate::replica::metadata::clock::{self, TimestampBound};
use crate::replica::metadata::dirty_columns;
use crate::replica::metadata::dirty_rows::{self, DirtyRow, StoredKey};
use crate::replica::metadata::outbox::{self, OutboxBatch, SentRow};
use crate::replica::metadata::problems::{self, ProblemKind, ProblemSubject};
use crate::replica::metadata::row_versions::{self, RowVersion, is_unchanged};
use crate::replica::metadata::state::ReplicaState;
use crate::replica::values::row::{self, ColumnTimestamps, Row, digest};
use crate::replica::values::row_key::RowKey;

/// Dirty rows that are read at a time.
const CHUNK_ROWS: usize = 500;

/// Puts the next batch into the outbox, and returns it; `None` if there is nothing to send. A batch that another
/// process of the app has put there comes first.
///
/// `new_builder` is given the stream to seal on.
pub(crate) fn seal_next_batch<'s>(
    database: &mut Database,
    bound: TimestampBound,
    new_builder: impl FnOnce(Stream) -> BatchBuilder<'s>,
) -> Result<Option<OutboxBatch>> {
    let (transaction, tables) = database.begin()?;
    if outbox::is_occupied(&transaction)? {
        return outbox::load(&transaction);
    }
    let stream = match ReplicaState::load(&transaction)?.stream {
        Some(stream) => stream,
        None => Stream::generate().map_err(crate::SyncKitError::from)?,
    };
    let builder = new_builder(stream);
    let mut filler =
        BatchFiller { connection: &transaction, bound, builder, rows: Vec::new(), is_full: false };
    let mut ranked: Vec<_> = tables.iter().collect();
    ranked.sort_by_key(|table| table.rank);
    for table in ranked.iter().rev() {
        filler.add_dirty_rows(table, true)?;
    }
    for table in &ranked {
        filler.add_dirty_rows(table, false)?;
    }
    let batch = filler.finish()?;
    if let Some(batch) = &batch {
        outbox::put(&transaction, batch)?;
    }
    transaction.commit()?;
    Ok(batch)
}

/// Fills one batch.
struct BatchFiller<'a, 's> {
    connection: &'a Connection,
    bound: TimestampBound,
    builder: BatchBuilder<'s>,
    rows: Vec<SentRow>,
    is_full: bool,
}

/// What to do with a dirty row.
enum DirtyRowAction {
    /// It is as the log has it: nothing to send.
    Clean,
    /// It can never be sent as it is.
    SetAside(String),
    Send(Box<(ChangeEntry, SentRow)>),
}

impl BatchFiller<'_, '_> {
    fn add_dirty_rows(&mut self, table: &Table, deletions: bool) -> Result<()> {
        let mut after = StoredKey::first();
        while !self.is_full {
            let chunk = dirty_rows::list(self.connection, table.id, deletions, &after, CHUNK_ROWS)?;
            let Some(last) = chunk.last() else { return Ok(()) };
            after = last.stored_key.clone();
            for dirty in chunk {
                if self.is_full {
                    return Ok(());
                }
                self.add(table, &dirty)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, table: &Table, dirty: &DirtyRow) -> Result<()> {
        let wire_name = &table.wire_name;
        let (change, sent) = match self.decide(table, dirty)? {
            DirtyRowAction::Clean => {
                problems::remove(self.connection, ProblemKind::NotPushed, wire_name, &dirty.key.to_wire())?;
                return dirty_rows::remove(self.connection, table.id, &dirty.key);
            }
            DirtyRowAction::SetAside(reason) => return self.set_aside(table, dirty, &reason),
            DirtyRowAction::Send(found) => *found,
        };
        match self.builder.add(&change, &payload_of(&change)?)? {
            Added::Yes => {
                if sent.dirty_timestamp != dirty.timestamp {
                    // The clock ran ahead, and could give the next write of the row the same timestamp again.
                    dirty_rows::backdate(self.connection, table.id, &dirty.key, sent.dirty_timestamp)?;
                }
                problems::remove(self.connection, ProblemKind::NotPushed, &change.table, &change.row_id)?;
                clock::advance(self.connection, sent.timestamp)?;
                self.rows.push(sent);
                Ok(())
            }
            Added::Full => {
                self.is_full = true;
                Ok(())
            }
            Added::TooLarge { limit } => {
                self.set_aside(table, dirty, &format!("it is larger than {limit} bytes when sealed"))
            }
        }
    }

    fn decide(&self, table: &Table, dirty: &DirtyRow) -> Result<DirtyRowAction> {
        if !dirty.stored_key.is_utf8() {
            return Ok(DirtyRowAction::SetAside(String::from("its key is not UTF-8")));
        }
        let local = app_rows::read(self.connection, table, &dirty.key)?;
        let version = row_versions::find(self.connection, table.id, &dirty.key)?;
        if is_unchanged(version.as_ref(), local.as_ref()) {
            return Ok(DirtyRowAction::Clean);
        }
        let row_id = dirty.key.to_wire();
        if let Err(reason) = tidelog_protocol::rules::check_row_id(&row_id) {
            return Ok(DirtyRowAction::SetAside(format!("its key is not allowed on the wire: it {reason}")));
        }
        let after = version.as_ref().map_or(0, |version| version.timestamp);
        let timestamp = self.bound.clamp_local(dirty.timestamp, after);
        let Some(time) = DateTime::from_timestamp_micros(timestamp) else {
            return Ok(DirtyRowAction::SetAside(String::from("its time is not allowed on the wire")));
        };
        let column_timestamps =
            self.column_timestamps(table, &dirty.key, version.as_ref(), local.as_ref(), timestamp)?;
        let is_in_log = version.as_ref().is_some_and(|version| !version.deleted);
        let extra_columns =
            version.filter(|_| local.is_some()).map(|version| version.extra_columns).unwrap_or_default();
        let sent = SentRow {
            table_id: table.id,
            row_key: dirty.key.as_str().to_owned(),
            dirty_timestamp: dirty.timestamp.min(timestamp),
            timestamp,
            deleted: local.is_none(),
            digest: local.as_ref().map(digest),
            column_timestamps: column_timestamps.clone(),
            extra_columns: row::to_json(&extra_columns, &ColumnTimestamps::new()),
        };
        let (op, data) = match local {
            None => (Op::Delete, None),
            Some(local) => {
                let whole: Row = local.into_iter().chain(extra_columns).collect();
                let op = if is_in_log { Op::Update } else { Op::Insert };
                (op, Some(row::to_json(&whole, &column_timestamps)))
            }
        };
        let change = ChangeEntry { table: table.wire_name.clone(), op, row_id, timestamp: time, data };
        Ok(DirtyRowAction::Send(Box::new((change, sent))))
    }

    /// When the columns of a row were written, where that differs from the row's `timestamp`.
    fn column_timestamps(
        &self,
        table: &Table,
        key: &RowKey,
        version: Option<&RowVersion>,
        local: Option<&Row>,
        timestamp: i64,
    ) -> Result<ColumnTimestamps> {
        let mut timestamps = ColumnTimestamps::new();
        let (Some(local), Some(version)) = (local, version.filter(|version| !version.deleted)) else {
            return Ok(timestamps);
        };
        if !table.rule.is_by_column() {
            return Ok(timestamps);
        }
        let dirty_columns = dirty_columns::list(self.connection, table.id, key)?;
        for name in local.keys().chain(version.extra_columns.keys()) {
            let column = match dirty_columns.get(name) {
                Some(dirty) => self.bound.clamp_local(*dirty, 0).min(timestamp),
                None => version.column_timestamps.get(name).copied().unwrap_or(version.timestamp),
            };
            if column != timestamp {
                timestamps.insert(name.clone(), column);
            }
        }
        Ok(timestamps)
    }

    /// Reports a row that can never be sent as it is. It becomes dirty again when it is written again.
    fn set_aside(&self, table: &Table, dirty: &DirtyRow, reason: &str) -> Result<()> {
        let (wire_name, row_id) = (&table.wire_name, &dirty.key.to_wire());
        let subject = ProblemSubject { wire_name, row_id, seq: None, timestamp: dirty.timestamp };
        problems::put(self.connection, ProblemKind::NotPushed, subject, None, reason)?;
        dirty_rows::set_aside(self.connection, table.id, &dirty.stored_key)
    }

    fn finish(mut self) -> Result<Option<OutboxBatch>> {
        let Some(sealed) = self.builder.take_batch()? else { return Ok(None) };
        Ok(Some(OutboxBatch { body: sealed.body, rows: self.rows, stream: self.builder.into_stream() }))
    }
}
