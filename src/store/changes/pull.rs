//! Pulling: one page of one log, in one snapshot.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, Row, Rows};
use tidelog_protocol::limits::{MAX_PAGE_BYTES, MAX_SCANNED_PER_PAGE};
use tidelog_protocol::{Cursor, CursorFormat};
use uuid::Uuid;

use super::rows::{Authors, entry};
use super::tails::TailBatch;
use super::{Device, Log, cursor_at, find_device, find_log};
use crate::error::Fault;
use crate::model::changes::{Delivery, EntrySink, Pull, PullQuery};
use crate::model::cursors::{BASE_SEQ, Epochs};
use crate::model::sessions::Caller;
use crate::store::epochs::newest_seq;
use crate::store::group::WriteTx;
use crate::store::{Shared, Store, devices, sessions};

/// Batches of the log in their order, those of the device itself only up to the seq ?4, and the changes of each.
const ENTRIES: &str = "
    SELECT changes.seq, batches.device, table_name, op, row_id, timestamp, key_version, data
    FROM batches CROSS JOIN changes ON changes.seq BETWEEN max(batches.first_seq, ?2 + 1) AND batches.last_seq
    WHERE batches.log = ?1 AND batches.last_seq > ?2 AND changes.log = ?1
        AND (batches.device <> ?3 OR batches.last_seq <= ?4)
    ORDER BY batches.last_seq, changes.seq";
/// What a device is to get of one batch.
const BATCH_ENTRIES: &str = "
    SELECT seq, ?4, table_name, op, row_id, timestamp, key_version, data FROM changes
    WHERE seq BETWEEN ?1 AND ?2 AND log = ?3 ORDER BY seq";
const NOTE_OWN_UNTIL: &str = "UPDATE devices SET own_until = ?2 WHERE id = ?1 AND own_until < ?2";

/// What came of an attempt to read a page.
enum Attempt<S> {
    Done(Pull, S),
    /// Something is to be written first: the session has not spoken for this device before, or this is a pull from the start,
    /// which gives the device its own entries up to the log's head.
    Unprepared {
        device: i64,
        own_until: Option<i64>,
        sink: S,
    },
}

impl Store {
    /// Gives the sink one page of the caller's log, and tells where the next one starts.
    ///
    /// # Errors
    /// A fault of the database; the sink is lost with what it got.
    pub async fn pull<S: EntrySink>(
        &self,
        caller: Arc<Caller>,
        query: PullQuery,
        sink: S,
    ) -> Result<(Pull, S), Fault> {
        let query = Arc::new(query);
        let mut attempt = self.attempt(&caller, &query, sink, false).await?;
        if let Attempt::Unprepared { device, own_until, sink } = attempt {
            self.prepare_pull(&caller, device, own_until).await?;
            attempt = self.attempt(&caller, &query, sink, true).await?;
        }
        match attempt {
            Attempt::Done(pull, sink) => Ok((pull, sink)),
            Attempt::Unprepared { .. } => Err(Fault::Internal("a prepared pull is not prepared".into())),
        }
    }

    /// Notes that a page has gone out. Until then its device has not been given it: a page that breaks off on its way must
    /// not be skipped.
    pub fn note_delivery(&self, delivery: Delivery) {
        let now_us = self.shared.clock.now_us();
        match delivery.pulled_seq {
            Some(seq) => self.shared.presence.pulled(delivery.device, seq, now_us),
            None => self.shared.presence.touch(delivery.device, now_us),
        }
    }

    async fn attempt<S: EntrySink>(
        &self,
        caller: &Arc<Caller>,
        query: &Arc<PullQuery>,
        sink: S,
        prepared: bool,
    ) -> Result<Attempt<S>, Fault> {
        let (caller, query, shared) = (caller.clone(), query.clone(), self.shared.clone());
        self.read(move |connection| {
            attempt(&Snapshot { connection, shared: &shared }, &caller, &query, sink, prepared)
        })
        .await
    }

    async fn prepare_pull(&self, caller: &Caller, device: i64, own_until: Option<i64>) -> Result<(), Fault> {
        let session = caller.session;
        match self.write_for(caller, 1, move |tx| prepare(tx, session, device, own_until)).await {
            Ok(()) => self.shared.presence.link(session, device),
            // A full disk must not keep anybody from reading what is on it.
            Err(Fault::StorageFull) => {
                if let Some(seq) = own_until {
                    self.shared.presence.own_until(device, seq, self.shared.clock.now_us());
                }
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }
}

fn prepare(tx: &mut WriteTx<'_>, session: Uuid, device: i64, own_until: Option<i64>) -> Result<(), Fault> {
    devices::link_session(tx, session, device)?;
    if let Some(seq) = own_until {
        tx.prepare_cached(NOTE_OWN_UNTIL)?.execute((device, seq))?;
        tx.known.forget_devices();
    }
    Ok(())
}

/// What a page is read from.
struct Snapshot<'c> {
    connection: &'c Connection,
    shared: &'c Shared,
}

fn attempt<S: EntrySink>(
    snapshot: &Snapshot<'_>,
    caller: &Caller,
    query: &PullQuery,
    mut sink: S,
    prepared: bool,
) -> Result<Attempt<S>, Fault> {
    let Snapshot { connection, shared } = *snapshot;
    // Before anything is read, so that all of it is in the snapshot, whether it has been filed by then or not.
    let tail = shared.tails.of(caller.log);
    sessions::require(connection, caller.session)?;
    let device = match find_device(connection, query.device, caller.log)? {
        None => return Ok(Attempt::Done(Pull::UnknownDevice, sink)),
        Some(device) if device.removed => return Ok(Attempt::Done(Pull::RevokedDevice, sink)),
        Some(device) => device.as_seen(shared),
    };
    let log = find_log(connection, caller.log, tail.last().map_or(0, |batch| batch.last_seq))?;
    let own_until =
        Some(log.head.seq).filter(|head| query.cursor == Cursor::Start && *head > device.own_until);
    let linked = devices::is_linked(connection, shared, caller.session, device.id)?;
    if !prepared && (!linked || own_until.is_some()) {
        return Ok(Attempt::Unprepared { device: device.id, own_until, sink });
    }
    let pull = page(snapshot, caller, query, &device, &View { log, tail }, &mut sink)?;
    Ok(Attempt::Done(pull, sink))
}

/// A log as a pull finds it.
struct View {
    log: Log,
    tail: Vec<TailBatch>,
}

fn page(
    snapshot: &Snapshot<'_>,
    caller: &Caller,
    query: &PullQuery,
    device: &Device,
    view: &View,
    sink: &mut impl EntrySink,
) -> Result<Pull, Fault> {
    let epochs = snapshot.shared.epochs()?;
    let Some(from) = resolve(snapshot.connection, snapshot.shared, &epochs, query.cursor)? else {
        return Ok(Pull::LogRewound(cursor_at(&epochs, caller, device.resume_seq(query.cursor))));
    };
    let mut scan = Scan::new(snapshot.connection, query, device, from, sink);
    scan.run(caller.log, &view.tail)?;
    // What is left out at the end of a log, a device's own entries, need not be left out again.
    let reached = if scan.has_more { scan.reached } else { view.log.head.seq.max(from) };
    let unmoved = reached == from && from > BASE_SEQ && is_in_format(query.cursor, caller.cursor_format);
    let cursor = if unmoved { query.cursor } else { cursor_at(&epochs, caller, reached) };
    let pulled_seq = (!query.is_filtered()).then_some(reached);
    let delivery = Delivery { device: device.id, pulled_seq };
    Ok(Pull::Page { cursor, has_more: scan.has_more, delivery })
}

/// Where to go on from. The writer tells its newest seq just after its commit, so for a moment a snapshot may show, and a
/// cursor name, one that has not been told yet.
pub(in crate::store) fn resolve(
    connection: &Connection,
    shared: &Shared,
    epochs: &Epochs,
    cursor: Cursor,
) -> Result<Option<i64>, Fault> {
    let told = epochs.resolve(cursor, shared.head.load(Ordering::SeqCst));
    match told {
        Some(from) => Ok(Some(from)),
        None => Ok(epochs.resolve(cursor, newest_seq(connection)?)),
    }
}

fn is_in_format(cursor: Cursor, format: CursorFormat) -> bool {
    matches!(
        (cursor, format),
        (Cursor::Mark { .. }, CursorFormat::String) | (Cursor::Number(_), CursorFormat::Number)
    )
}

/// A page as it fills.
pub(super) struct Scan<'s, S> {
    connection: &'s Connection,
    query: &'s PullQuery,
    device: &'s Device,
    /// Up to here the device gets its own entries too.
    own_until: i64,
    sink: &'s mut S,
    authors: Authors,
    given: usize,
    bytes: usize,
    scanned: usize,
    pub(super) reached: i64,
    pub(super) has_more: bool,
}

impl<'s, S: EntrySink> Scan<'s, S> {
    pub(super) fn new(
        connection: &'s Connection,
        query: &'s PullQuery,
        device: &'s Device,
        from: i64,
        sink: &'s mut S,
    ) -> Self {
        let own_until = match query.include_own {
            Some(true) => i64::MAX,
            Some(false) => 0,
            None => device.own_until,
        };
        Self {
            connection,
            query,
            device,
            own_until,
            sink,
            authors: Authors::default(),
            given: 0,
            bytes: 0,
            scanned: 0,
            reached: from,
            has_more: false,
        }
    }

    /// Gives the sink what the device is to get, until the page is full or the log ends.
    pub(super) fn run(&mut self, log: i64, tail: &[TailBatch]) -> Result<(), Fault> {
        let mut statement = self.connection.prepare_cached(ENTRIES)?;
        self.take_all(statement.query((log, self.reached, self.device.id, self.own_until))?)?;
        let mut statement = self.connection.prepare_cached(BATCH_ENTRIES)?;
        for batch in tail {
            let is_left_out = batch.device == self.device.id && batch.last_seq > self.own_until;
            // What has been filed since the tail was looked at came with the rest.
            if self.has_more || batch.last_seq <= self.reached || is_left_out {
                continue;
            }
            let first = batch.first_seq.max(self.reached + 1);
            self.take_all(statement.query((first, batch.last_seq, log, batch.device))?)?;
        }
        Ok(())
    }

    fn take_all(&mut self, mut rows: Rows<'_>) -> Result<(), Fault> {
        while let Some(row) = rows.next()? {
            if self.is_full() {
                self.has_more = true;
                break;
            }
            self.scanned += 1;
            self.reached = row.get(0)?;
            if is_wanted(row, self.query)? {
                self.given += 1;
                let author = self.authors.of(self.connection, row.get(1)?)?;
                self.bytes += self.sink.entry(&entry(row, author)?);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let tired = self.query.is_filtered() && self.scanned >= MAX_SCANNED_PER_PAGE;
        self.given >= self.query.limit || self.bytes >= MAX_PAGE_BYTES || tired
    }
}

/// Looks at the short columns only: what is left out must not cost the reading of its data.
fn is_wanted(row: &Row<'_>, query: &PullQuery) -> Result<bool, Fault> {
    Ok(!query.is_filtered() || query.wants(row.get_ref(2)?.as_str().map_err(Fault::internal)?, row.get(5)?))
}
