//! Pulling: one page of one log, in one snapshot.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::limits::{MAX_PAGE_BYTES, MAX_SCANNED_PER_PAGE};
use tidelog_protocol::{Cursor, CursorFormat};
use uuid::Uuid;

use super::{Device, cursor_at, find_device, find_log};
use crate::error::Fault;
use crate::model::changes::{Delivery, EntrySink, Pull, PullQuery, StoredEntry};
use crate::model::cursors::BASE_SEQ;
use crate::model::sessions::Caller;
use crate::store::group::WriteTx;
use crate::store::{Shared, Store, devices, sessions};

const ENTRIES: &str = "
    SELECT seq, batch, tbl, op, row_id, time, key_version, data FROM changes
    WHERE log = ?1 AND seq > ?2 ORDER BY seq";
const AUTHOR: &str = "
    SELECT devices.id, devices.uuid FROM batches JOIN devices ON devices.id = batches.device WHERE batches.id = ?1";
const NOTE_OWN_UNTIL: &str = "UPDATE devices SET own_until = ?2 WHERE id = ?1 AND own_until < ?2";

/// What a pull needs to know before its page is read.
enum Start {
    Ready,
    /// The session has not spoken for this device before, or this is a pull from the start, which gives the device its own
    /// entries up to the log's head.
    Prepare {
        device: i64,
        own_until: Option<i64>,
    },
    Refused(Pull),
}

impl Store {
    /// Gives the sink one page of the caller's log, and tells where the next one starts.
    ///
    /// # Errors
    /// A fault of the database; the sink is lost with what it got.
    pub async fn pull<S: EntrySink>(
        &self,
        caller: &Caller,
        query: PullQuery,
        sink: S,
    ) -> Result<(Pull, S), Fault> {
        let query = Arc::new(query);
        match self.start_of_pull(caller, query.clone()).await? {
            Start::Ready => {}
            Start::Refused(refusal) => return Ok((refusal, sink)),
            Start::Prepare { device, own_until } => self.prepare_pull(caller, device, own_until).await?,
        }
        self.page(caller, query, sink).await
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

    async fn start_of_pull(&self, caller: &Caller, query: Arc<PullQuery>) -> Result<Start, Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read(move |connection| start(connection, &shared, &caller, &query)).await
    }

    async fn page<S: EntrySink>(
        &self,
        caller: &Caller,
        query: Arc<PullQuery>,
        mut sink: S,
    ) -> Result<(Pull, S), Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read(move |connection| {
            let pull = page(connection, &shared, &caller, &query, &mut sink)?;
            Ok((pull, sink))
        })
        .await
    }
}

fn start(
    connection: &Connection,
    shared: &Shared,
    caller: &Caller,
    query: &PullQuery,
) -> Result<Start, Fault> {
    sessions::require(connection, caller.session)?;
    let Some(device) = find_device(connection, shared, query.device, caller.log)? else {
        return Ok(Start::Refused(Pull::UnknownDevice));
    };
    if device.removed {
        return Ok(Start::Refused(Pull::RevokedDevice));
    }
    let own_until = match query.cursor {
        Cursor::Start => {
            Some(find_log(connection, caller.log)?.head.seq).filter(|head| *head > device.own_until)
        }
        _ => None,
    };
    let linked = devices::is_linked(connection, shared, caller.session, device.id)?;
    if linked && own_until.is_none() {
        Ok(Start::Ready)
    } else {
        Ok(Start::Prepare { device: device.id, own_until })
    }
}

fn prepare(tx: &WriteTx<'_>, session: Uuid, device: i64, own_until: Option<i64>) -> Result<(), Fault> {
    devices::link_session(tx, session, device)?;
    if let Some(seq) = own_until {
        tx.prepare_cached(NOTE_OWN_UNTIL)?.execute((device, seq))?;
    }
    Ok(())
}

fn page(
    connection: &Connection,
    shared: &Shared,
    caller: &Caller,
    query: &PullQuery,
    sink: &mut impl EntrySink,
) -> Result<Pull, Fault> {
    let Some(device) = find_device(connection, shared, query.device, caller.log)? else {
        return Ok(Pull::UnknownDevice);
    };
    if device.removed {
        return Ok(Pull::RevokedDevice);
    }
    let epochs = shared.epochs()?;
    let Some(from) = epochs.resolve(query.cursor, shared.head.load(Ordering::SeqCst)) else {
        return Ok(Pull::LogRewound(cursor_at(&epochs, caller, device.pulled_seq)));
    };
    let scan = scan(connection, caller.log, from, query, &device, sink)?;
    let unmoved = scan.reached == from && from > BASE_SEQ && is_in_format(query.cursor, caller.cursor_format);
    let cursor = if unmoved { query.cursor } else { cursor_at(&epochs, caller, scan.reached) };
    let pulled_seq = (!query.is_filtered()).then_some(scan.reached);
    let delivery = Delivery { device: device.id, pulled_seq };
    Ok(Pull::Page { cursor, has_more: scan.has_more, delivery })
}

fn is_in_format(cursor: Cursor, format: CursorFormat) -> bool {
    matches!(
        (cursor, format),
        (Cursor::Mark { .. }, CursorFormat::String) | (Cursor::Number(_), CursorFormat::Number)
    )
}

/// Where a page ended.
struct Scan {
    reached: i64,
    has_more: bool,
}

/// Gives the sink what the device is to get after `from`, until the page is full or the log ends.
fn scan(
    connection: &Connection,
    log: i64,
    from: i64,
    query: &PullQuery,
    device: &Device,
    sink: &mut impl EntrySink,
) -> Result<Scan, Fault> {
    let mut authors = Authors::default();
    let mut scan = Scan { reached: from, has_more: false };
    let (mut given, mut bytes) = (0, 0);
    let mut statement = connection.prepare_cached(ENTRIES)?;
    let mut rows = statement.query((log, from))?;
    for scanned in 0.. {
        let Some(row) = rows.next()? else { break };
        let tired = query.is_filtered() && scanned >= MAX_SCANNED_PER_PAGE;
        if given >= query.limit || bytes >= MAX_PAGE_BYTES || tired {
            scan.has_more = true;
            break;
        }
        let (author, author_uuid) = authors.of(connection, row.get(1)?)?;
        scan.reached = row.get(0)?;
        let give_own = query.include_own.unwrap_or(scan.reached <= device.own_until);
        if (author != device.id || give_own) && is_wanted(row, query)? {
            given += 1;
            bytes += sink.entry(&entry(row, author_uuid)?);
        }
    }
    Ok(scan)
}

/// Looks at the short columns only: what is left out must not cost the reading of its data.
fn is_wanted(row: &Row<'_>, query: &PullQuery) -> Result<bool, Fault> {
    Ok(!query.is_filtered() || query.wants(row.get_ref(2)?.as_str().map_err(Fault::internal)?, row.get(5)?))
}

fn entry<'a>(row: &'a Row<'_>, device: Uuid) -> Result<StoredEntry<'a>, Fault> {
    let text = |column| row.get_ref(column)?.as_str().map_err(Fault::internal);
    Ok(StoredEntry {
        seq: row.get(0)?,
        device,
        table: text(2)?,
        op: text(3)?,
        row_id: text(4)?,
        time_us: row.get(5)?,
        key_version: row.get(6)?,
        data: row.get_ref(7)?.as_str_or_null().map_err(Fault::internal)?,
    })
}

/// The author of the batch at hand: entries of one batch lie side by side, so most look-ups are of the last one.
#[derive(Default)]
struct Authors {
    last: Option<(i64, (i64, Uuid))>,
}

impl Authors {
    fn of(&mut self, connection: &Connection, batch: i64) -> Result<(i64, Uuid), Fault> {
        if let Some((known, author)) = self.last
            && known == batch
        {
            return Ok(author);
        }
        let from_row = |row: &Row<'_>| Ok((row.get(0)?, Uuid::from_bytes(row.get(1)?)));
        let author = connection.prepare_cached(AUTHOR)?.query_row([batch], from_row).optional()?;
        let author = author.ok_or_else(|| Fault::Internal(format!("batch {batch} has no author")))?;
        self.last = Some((batch, author));
        Ok(author)
    }
}
