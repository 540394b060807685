//! Pulling: one page of one log, in one snapshot.

use std::sync::Arc;

use tidelog_protocol::{Cursor, CursorFormat};

use super::batches::log_state;
use super::scan::{LogScan, Selection};
use crate::error::Fault;
use crate::model::changes::{Delivery, EntrySink, PullOutcome, PullQuery};
use crate::model::cursors::BASE_SEQ;
use crate::model::logs::LogDevice;
use crate::model::sessions::Caller;
use crate::store::batch_buffer::LogSnapshot;
use crate::store::epochs::{cursor_at, resolve};
use crate::store::shared::Shared;
use crate::store::{Store, devices, session_devices, sessions};

const NOTE_OWN_UNTIL: &str = "UPDATE devices SET own_until = ?2 WHERE id = ?1 AND own_until < ?2";

impl Store {
    /// Gives the sink one page of the caller's log, and returns where the next one starts.
    pub async fn pull<S: EntrySink>(
        &self,
        caller: Arc<Caller>,
        query: PullQuery,
        mut sink: S,
    ) -> Result<(PullOutcome, S), Fault> {
        let is_linked = self.shared.session_devices.contains(caller.session, query.device);
        if !is_linked || query.cursor == Cursor::Start {
            self.prepare_pull(&caller, &query).await?;
        }
        let shared = self.shared.clone();
        self.read_log(caller.log, move |log| {
            let outcome = pull_page(&shared, log, &caller, &query, &mut sink)?;
            Ok((outcome, sink))
        })
        .await
    }

    /// Notes that a page was delivered. Until then its device has not received it: a page that breaks off on its way
    /// must not be skipped.
    pub fn note_delivery(&self, delivery: Delivery) {
        let now_us = self.shared.clock.now_us();
        match delivery.pulled_seq {
            Some(seq) => self.shared.progress.note_pulled(delivery.device, seq, now_us),
            None => self.shared.progress.note_seen(delivery.device, now_us),
        }
    }

    /// Links the session to the device, and notes up to where a pull from the start gives the device its own entries.
    /// Does nothing for a device that may not pull.
    async fn prepare_pull(&self, caller: &Arc<Caller>, query: &PullQuery) -> Result<(), Fault> {
        let link = (caller.session, query.device);
        let Some(Preparation { device, is_linked, own_until }) = self.find_preparation(caller, query).await?
        else {
            return Ok(());
        };
        if is_linked && own_until.is_none() {
            self.shared.session_devices.keep([link]);
            return Ok(());
        }
        let written = self.write_for(caller, 1, move |tx| {
            devices::link(tx, link.0, link.1)?;
            if let Some(seq) = own_until {
                tx.prepare_cached(NOTE_OWN_UNTIL)?.execute((device, seq))?;
                tx.cache.drop_devices();
            }
            Ok(())
        });
        match (written.await, own_until) {
            // A full disk must not keep anybody from reading what is on it.
            (Err(Fault::StorageFull), Some(seq)) => {
                self.shared.progress.note_own_until(device, seq, self.shared.clock.now_us());
                Ok(())
            }
            (Ok(()) | Err(Fault::StorageFull), _) => Ok(()),
            (Err(fault), _) => Err(fault),
        }
    }

    async fn find_preparation(
        &self,
        caller: &Arc<Caller>,
        query: &PullQuery,
    ) -> Result<Option<Preparation>, Fault> {
        let (shared, session) = (self.shared.clone(), caller.session);
        let (id, from_start) = (query.device, query.cursor == Cursor::Start);
        self.read_log(caller.log, move |log| {
            let Some(device) = live_device(&shared, log, session, id)?.ok() else { return Ok(None) };
            let head = log_state(log.connection, log.log, log.buffered_head())?.head.seq;
            Ok(Some(Preparation {
                device: device.id,
                is_linked: session_devices::exists(log.connection, (session, id))?,
                own_until: Some(head).filter(|head| from_start && *head > device.own_until),
            }))
        })
        .await
    }
}

/// What is known of a device before its first pull in a session, or before a pull from the start.
struct Preparation {
    /// Its row.
    device: i64,
    is_linked: bool,
    /// Up to where it is to be given its own entries. `None`: as before.
    own_until: Option<i64>,
}

/// The caller's device with its progress. `Ok(Err(_))`: it may not pull.
fn live_device(
    shared: &Shared,
    log: &LogSnapshot<'_>,
    session: uuid::Uuid,
    id: uuid::Uuid,
) -> Result<Result<LogDevice, PullOutcome>, Fault> {
    sessions::require_live(log.connection, session)?;
    Ok(match devices::find_in_log(log.connection, log.log, id)? {
        None => Err(PullOutcome::UnknownDevice),
        Some(device) if device.is_removed => Err(PullOutcome::RevokedDevice),
        Some(device) => Ok(shared.progress.applied_to(device)),
    })
}

fn pull_page(
    shared: &Shared,
    log: &LogSnapshot<'_>,
    caller: &Caller,
    query: &PullQuery,
    sink: &mut impl EntrySink,
) -> Result<PullOutcome, Fault> {
    let device = match live_device(shared, log, caller.session, query.device)? {
        Ok(device) => device,
        Err(refusal) => return Ok(refusal),
    };
    let epochs = shared.epochs()?;
    let Some(from) = resolve(log.connection, shared, &epochs, query.cursor)? else {
        return Ok(PullOutcome::LogRewound(cursor_at(&epochs, caller, device.resume_seq(query.cursor))));
    };
    let own_until = match query.include_own {
        Some(true) => i64::MAX,
        Some(false) => 0,
        None => device.own_until,
    };
    let filters = query.is_filtered().then_some(query);
    let selection = Selection::Pull { device: device.id, own_until, filters };
    let end = LogScan::page(log, selection, from, query.limit, sink)?;
    let reached = if end.has_more {
        end.reached
    } else {
        // A device's own entries that were passed over at the end of the log need not be passed over again.
        log_state(log.connection, log.log, log.buffered_head())?.head.seq.max(from)
    };
    let unmoved = reached == from && from > BASE_SEQ && is_in_format(query.cursor, caller.cursor_format);
    let cursor = if unmoved { query.cursor } else { cursor_at(&epochs, caller, reached) };
    let delivery = Delivery { device: device.id, pulled_seq: (!query.is_filtered()).then_some(reached) };
    Ok(PullOutcome::Page { cursor, has_more: end.has_more, delivery })
}

fn is_in_format(cursor: Cursor, format: CursorFormat) -> bool {
    matches!(
        (cursor, format),
        (Cursor::InEpoch { .. }, CursorFormat::String) | (Cursor::Number(_), CursorFormat::Number)
    )
}
