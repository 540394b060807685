//! Seals what was written here into the next batch.
//!
//! Deletions come first, referring rows before those that they refer to; then what was written, the other way round. So what has
//! arrived of a longer upload fits together at any moment.

use chrono::DateTime;
use rusqlite::Connection;
use tidelog_protocol::Op;

use crate::ChangeEntry;
use crate::formats::Stream;
use crate::push::{Added, BatchBuilder, payload_of};
use crate::replica::error::Result;
use crate::replica::local::app_rows as content;
use crate::replica::local::database::{Database, begin};
use crate::replica::local::table::Table;
use crate::replica::metadata::clock::{self, Ceiling};
use crate::replica::metadata::dirty_rows::{self as marks, Mark};
use crate::replica::metadata::problems::{self, Place, ProblemKind};
use crate::replica::metadata::row_versions::is_unchanged;
use crate::replica::metadata::row_versions::{self as rows, Known};
use crate::replica::metadata::state::State;
use crate::replica::outbox::{self, Batch, Sent};
use crate::replica::values::row::{self, Row, Stamps, digest};
use crate::replica::values::row_key::RowKey;

/// Marks that are read at a time.
const CHUNK: usize = 500;

/// What became of a mark.
enum Candidate {
    /// The row is as the log has it.
    Unchanged,
    /// The row's key cannot travel.
    Unfit(String),
    /// To be sent.
    Changed(Box<(ChangeEntry, Sent)>),
}

impl Database {
    /// Seals the next batch, if there is anything to send, and keeps it.
    ///
    /// `builder` is given the stream to seal on.
    pub(super) fn collect<'s>(
        &mut self,
        ceiling: Ceiling,
        builder: impl FnOnce(Stream) -> BatchBuilder<'s>,
    ) -> Result<Option<Batch>> {
        let transaction = begin(&mut self.connection)?;
        if outbox::is_taken(&transaction)? {
            // By another process of the app. It is to be sent first.
            return outbox::load(&transaction);
        }
        let state = State::load(&transaction)?;
        let stream = match state.stream {
            Some(stream) => stream,
            None => Stream::generate().map_err(crate::SyncKitError::from)?,
        };
        let mut filling = Filling {
            connection: &transaction,
            ceiling,
            builder: builder(stream),
            sent: Vec::new(),
            is_full: false,
        };
        let mut tables: Vec<_> = self.tables.iter().collect();
        tables.sort_by_key(|table| table.rank);
        for table in tables.iter().rev() {
            filling.add_marked(table, true)?;
        }
        for table in &tables {
            filling.add_marked(table, false)?;
        }
        let Filling { mut builder, sent, .. } = filling;
        let batch = match builder.take_batch()? {
            Some(sealed) => {
                let batch = Batch { body: sealed.body, entries: sent, stream: builder.into_stream() };
                outbox::put(&transaction, &batch)?;
                Some(batch)
            }
            None => None,
        };
        transaction.commit()?;
        Ok(batch)
    }
}

/// A batch that is being filled.
struct Filling<'a, 's> {
    connection: &'a Connection,
    ceiling: Ceiling,
    builder: BatchBuilder<'s>,
    sent: Vec<Sent>,
    is_full: bool,
}

impl Filling<'_, '_> {
    fn add_marked(&mut self, table: &Table, gone: bool) -> Result<()> {
        let mut after: Option<RowKey> = None;
        while !self.is_full {
            let marks = marks::list(self.connection, table.no, gone, after.as_ref(), CHUNK)?;
            let Some(last) = marks.last() else { return Ok(()) };
            after = Some(last.row.clone());
            for mark in marks {
                if self.is_full {
                    return Ok(());
                }
                self.add(table, &mark)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, table: &Table, mark: &Mark) -> Result<()> {
        match self.candidate(table, mark)? {
            Candidate::Unchanged => marks::remove(self.connection, table.no, &mark.row),
            Candidate::Unfit(reason) => self.park(table, mark, &reason),
            Candidate::Changed(found) => match self.builder.add(&found.0, &payload_of(&found.0)?)? {
                Added::Yes => {
                    let (change, sent) = *found;
                    if sent.mark != mark.stamp {
                        // A clock that runs ahead could give the next write of the row this very stamp again.
                        marks::restamp(self.connection, table.no, &mark.row, sent.mark)?;
                    }
                    problems::remove(self.connection, ProblemKind::NotPushed, &change.table, &change.row_id)?;
                    clock::advance(self.connection, sent.stamp)?;
                    self.sent.push(sent);
                    Ok(())
                }
                Added::Full => {
                    self.is_full = true;
                    Ok(())
                }
                Added::TooLarge { limit } => {
                    self.park(table, mark, &format!("it is larger than {limit} bytes once it is sealed"))
                }
            },
        }
    }

    fn candidate(&self, table: &Table, mark: &Mark) -> Result<Candidate> {
        let local = content::read(self.connection, table, &mark.row)?;
        let known = rows::find(self.connection, table.no, &mark.row)?;
        if is_unchanged(known.as_ref(), local.as_ref()) {
            return Ok(Candidate::Unchanged);
        }
        let row_id = mark.row.to_wire();
        if let Err(reason) = tidelog_protocol::rules::check_row_id(&row_id) {
            return Ok(Candidate::Unfit(format!("its key cannot travel: it {reason}")));
        }
        let after = known.as_ref().map_or(0, |known| known.stamp);
        let stamp = self.ceiling.of_local(mark.stamp, after);
        let Some(timestamp) = DateTime::from_timestamp_micros(stamp) else {
            return Ok(Candidate::Unfit(String::from("its time cannot travel")));
        };
        let stamps = self.stamps(table, mark, known.as_ref(), local.as_ref(), stamp)?;
        let extra = known.as_ref().filter(|_| local.is_some()).map(|known| known.extra.clone());
        let extra = extra.unwrap_or_default();
        let sent = Sent {
            tbl: table.no,
            row: mark.row.as_str().to_owned(),
            mark: mark.stamp.min(stamp),
            stamp,
            deleted: local.is_none(),
            digest: local.as_ref().map(digest),
            stamps: stamps.clone(),
            extra: row::to_json(&extra, &Stamps::new()),
        };
        let is_in_log = known.is_some_and(|known| !known.deleted);
        let (op, data) = match local {
            None => (Op::Delete, None),
            Some(local) => {
                let whole: Row = local.into_iter().chain(extra).collect();
                let op = if is_in_log { Op::Update } else { Op::Insert };
                (op, Some(row::to_json(&whole, &stamps)))
            }
        };
        let change = ChangeEntry { table: table.wire_name.clone(), op, row_id, timestamp, data };
        Ok(Candidate::Changed(Box::new((change, sent))))
    }

    /// When the columns of a row were written, where that is not with the row.
    fn stamps(
        &self,
        table: &Table,
        mark: &Mark,
        known: Option<&Known>,
        local: Option<&Row>,
        stamp: i64,
    ) -> Result<Stamps> {
        let (Some(local), Some(known)) = (local, known.filter(|known| !known.deleted)) else {
            return Ok(Stamps::new());
        };
        if !table.rule.is_by_column() {
            return Ok(Stamps::new());
        }
        let written = marks::columns(self.connection, table.no, &mark.row)?;
        let mut stamps = Stamps::new();
        for name in local.keys().chain(known.extra.keys()) {
            let column = match written.get(name) {
                Some(written) => self.ceiling.of_local(*written, 0).min(stamp),
                None => known.stamps.get(name).copied().unwrap_or(known.stamp),
            };
            if column != stamp {
                stamps.insert(name.clone(), column);
            }
        }
        Ok(stamps)
    }

    /// Puts aside what can never be sent, until it is written again.
    fn park(&self, table: &Table, mark: &Mark, reason: &str) -> Result<()> {
        let row_id = mark.row.to_wire();
        let place = Place { wire_name: &table.wire_name, row: &row_id, seq: None, stamp: mark.stamp };
        problems::put(self.connection, ProblemKind::NotPushed, place, None, reason)?;
        marks::remove(self.connection, table.no, &mark.row)
    }
}
