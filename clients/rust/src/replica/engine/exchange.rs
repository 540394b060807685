//! One exchange with the server: pull to the end of the log, merge, push what is left of the local changes, and
//! repeat until nothing is.
//!
//! A batch names the position in the log up to which its writer has merged, and the server refuses it if other
//! devices have written since. So every writer has merged all earlier entries, and the newest entry of a row is the
//! same for all devices. A replica that was at the end of the log pushes without pulling first; if it no longer is at
//! the end, that refusal says so.

use std::sync::Arc;

use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::changes::Origin;
use super::lifecycle;
use super::progress::Progress;
use super::shared::{ExchangeState, Shared};
use crate::formats::Stream;
use crate::outbox::{BatchBuilder, BatchOptions, SealedBatch};
use crate::push::{PushOutcome, Refusal};
use crate::replica::error::Result;
use crate::replica::incoming::entries::newest_of_each_row;
use crate::replica::incoming::pages::{ChangedRows, IncomingPage, apply_page};
use crate::replica::local::database::Database;
use crate::replica::metadata::clock::TimestampBound;
use crate::replica::metadata::dirty_rows;
use crate::replica::metadata::outbox::{self, OutboxBatch, SentRow};
use crate::replica::outgoing::acknowledge::{acknowledge, drop_batch};
use crate::replica::outgoing::seal::seal_next_batch;
use crate::replica::values::row_key::RowKey;
use crate::session::Owner;
use crate::watch::ViewId;
use crate::{PullFilter, SyncKitClient, SyncKitError};

/// How many batches in a row the server may refuse before the exchange fails. Refusals because other devices were
/// faster do not count.
const MAX_REFUSALS: u32 = 20;

/// An exchange in progress.
struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    client: &'a SyncKitClient,
    owner: Owner,
    device_id: Uuid,
    state: &'a mut ExchangeState,
    progress: Progress,
}

/// What became of a batch in the outbox.
enum BatchOutcome {
    Acknowledged,
    /// It was dropped; its rows are sent in another batch.
    Dropped,
    /// It was dropped, and the server would not take another one for now.
    Blocked(SyncKitError),
}

/// Exchanges changes. Does not pull at first if the replica was at the end of the log, unless `others_wrote`: there
/// is reason to believe that other devices have written since.
pub(super) async fn run(
    shared: &Arc<Shared>,
    client: &SyncKitClient,
    device_id: Uuid,
    others_wrote: bool,
) -> Result<()> {
    let mut state = shared.exchange.lock().await;
    let owner = client.owner()?;
    let stored = shared.with_database(move |database| lifecycle::join(database, owner, device_id)).await?;
    if state.watched != Some((owner, device_id)) {
        *state = ExchangeState { watched: Some((owner, device_id)), ..ExchangeState::default() };
        let watch = stored.watch.as_ref().and_then(|json| serde_json::from_str(json).ok());
        if let Some(watch) = watch {
            client.restore_watch(watch);
        }
    }
    let (changed, rebuilding) = shared.with_database(lifecycle::follow_schema).await?;
    shared.tell_changes(Origin::OtherDevices, changed);
    state.caught_up &= !others_wrote && !rebuilding;
    let unsent = shared.with_database(|database| dirty_rows::count(&database.connection)).await?;
    let progress = Progress::new(shared.status.clone(), unsent);
    let mut exchange = Exchange { shared, client, owner, device_id, state: &mut state, progress };
    let outcome = exchange.run().await;
    if outcome.is_err() {
        state.caught_up = false;
    }
    outcome
}

impl Exchange<'_> {
    async fn run(&mut self) -> Result<()> {
        let mut blocked = None;
        loop {
            let pending = self.shared.with_database(|database| outbox::load(&database.connection)).await?;
            if let Some(batch) = pending {
                match self.push(batch).await? {
                    BatchOutcome::Acknowledged => self.state.refusals = 0,
                    BatchOutcome::Dropped => {}
                    BatchOutcome::Blocked(error) => {
                        self.state.caught_up = false;
                        blocked = Some(error);
                    }
                }
            }
            if !self.state.caught_up {
                self.pull().await?;
            }
            if let Some(error) = blocked {
                return Err(error.into());
            }
            if !self.seal().await? {
                return Ok(());
            }
        }
    }

    /// Pulls and applies pages to the end of the log.
    async fn pull(&mut self) -> Result<()> {
        let mut rebuilt = false;
        let mut stored = self.shared.with_database(|database| database.state()).await?;
        loop {
            let filter = PullFilter { include_own: Some(true), ..PullFilter::default() };
            let page = match self.client.pull_page(self.device_id, stored.cursor, filter).await {
                Ok(page) => page,
                Err(SyncKitError::LogRewound { resume_from }) if stored.cursor != Cursor::Start => {
                    let rewind = move |database: &mut Database| lifecycle::rewind(database, resume_from);
                    stored = self.shared.with_database(rewind).await?;
                    continue;
                }
                Err(SyncKitError::LogCompacted) if !rebuilt => {
                    rebuilt = true;
                    stored = self.shared.with_database(lifecycle::rebuild).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (from, cursor, caught_up) = (stored.cursor, page.cursor, !page.has_more);
            self.progress.add_pulled(self.client, from, cursor, page.has_more).await;
            let key = self.client.encryption.key_for(self.owner)?;
            let view = ViewId::new(self.device_id, &key.vault);
            let stream = stored.stream.as_ref().map(Stream::id);
            let own_entries = stream.and_then(|stream| self.client.watch.next_counter(view, stream));
            let (entries, mut unreadable) = newest_of_each_row(page.changes);
            unreadable.extend(page.quarantined.into_iter().map(Into::into));
            let page = IncomingPage {
                entries,
                unreadable,
                from,
                cursor,
                caught_up,
                watch: self.watch_json(),
                own_entries: own_entries.unwrap_or_default(),
            };
            let bound = self.timestamp_bound();
            let apply = move |database: &mut Database| {
                let changed = apply_page(database, &page, bound)?;
                Ok((changed, database.state()?))
            };
            let (changed, state) = self.shared.with_database(apply).await?;
            self.shared.tell_changes(Origin::OtherDevices, changed);
            stored = state;
            if caught_up && stored.cursor == cursor {
                self.state.caught_up = true;
                return Ok(());
            }
        }
    }

    /// Puts the next batch into the outbox. Returns `false` if there is nothing to send.
    async fn seal(&mut self) -> Result<bool> {
        let key = self.client.checked_key(self.owner).await?;
        let limits = self.client.limits().await?;
        let head = self.client.watch.next_head(ViewId::new(self.device_id, &key.vault), &key.vault);
        let (device_id, padding, max_changes) = (self.device_id, self.client.padding, self.state.max_changes);
        let bound = self.timestamp_bound();
        let seal = move |database: &mut Database| {
            let options = BatchOptions {
                vault: &key.vault,
                padding,
                head,
                limits: &limits,
                max_changes,
                device_id,
                expected_cursor: Some(database.state()?.cursor),
            };
            let batch = seal_next_batch(database, bound, |stream| BatchBuilder::new(options, stream))?;
            Ok(batch.map(|batch| sent_rows(database, &batch)))
        };
        let sent = self.shared.with_database(seal).await?;
        let is_any = sent.is_some();
        self.shared.tell_changes(Origin::ThisDevice, sent.unwrap_or_default());
        Ok(is_any)
    }

    /// Sends the batch, and prepares for the next one if the server refuses it.
    async fn push(&mut self, batch: OutboxBatch) -> Result<BatchOutcome> {
        let key = self.client.checked_key(self.owner).await?;
        let view = ViewId::new(self.device_id, &key.vault);
        let sealed = SealedBatch::from_body(&key, batch.body.clone())?;
        let client_outbox = self.client.outbox.lock().await;
        let outcome = self.client.send_batch(&client_outbox, view, sealed, true).await;
        drop(client_outbox);
        let changes = batch.rows.len();
        let (refusal, error) = match outcome {
            PushOutcome::Stored { cursor, last_seq } => {
                let watch = self.watch_json();
                let update =
                    move |database: &mut Database| acknowledge(database, &batch, cursor, last_seq, watch);
                self.shared.with_database(update).await?;
                self.progress.add_pushed(changes);
                return Ok(BatchOutcome::Acknowledged);
            }
            PushOutcome::Refused(refusal, error) => (refusal, error),
            PushOutcome::Unknown(error) => return Err(error.into()),
        };
        if refusal != Refusal::LogMoved {
            self.state.refusals += 1;
        }
        let rejected = rejected_entries(refusal, &error, changes);
        self.shared.with_database(move |database| drop_batch(database, &batch, &rejected)).await?;
        if self.state.refusals > MAX_REFUSALS {
            self.state.refusals = 0;
            return Err(error.into());
        }
        match refusal {
            Refusal::LogMoved => self.state.caught_up = false,
            Refusal::LogRewound { resume_from } => {
                let rewind = move |database: &mut Database| lifecycle::rewind(database, resume_from);
                self.shared.with_database(rewind).await?;
                self.state.caught_up = false;
            }
            Refusal::KeyReplaced { .. } => {
                self.client.encryption.mark_unchecked();
                self.client.refreshed_key(self.owner, |_| false).await?;
            }
            Refusal::TooLarge => self.state.max_changes = (changes / 2).max(1),
            Refusal::InvalidBatch => {}
            Refusal::NotNow => return Ok(BatchOutcome::Blocked(error)),
            Refusal::Rejected => return Err(error.into()),
        }
        Ok(BatchOutcome::Dropped)
    }

    fn watch_json(&self) -> Option<String> {
        self.client.watch_state().and_then(|watch| serde_json::to_string(&watch).ok())
    }

    fn timestamp_bound(&self) -> TimestampBound {
        TimestampBound::new(self.client.transport.server_ahead())
    }
}

/// The rows of a batch, by the names of their tables.
fn sent_rows(database: &Database, batch: &OutboxBatch) -> ChangedRows {
    let name = |id| database.tables.iter().find(|table| table.id == id).map(|table| table.name.clone());
    let row = |sent: &SentRow| Some((name(sent.table_id)?, RowKey::from_literals(&sent.row_key)));
    batch.rows.iter().filter_map(row).collect()
}

/// The entries of a batch that the server would refuse again, with its reasons.
fn rejected_entries(refusal: Refusal, error: &SyncKitError, changes: usize) -> Vec<(usize, String)> {
    match error {
        SyncKitError::InvalidChanges { faults } => {
            faults.iter().map(|fault| (fault.index, format!("{}: {}", fault.field, fault.reason))).collect()
        }
        _ if refusal == Refusal::TooLarge && changes == 1 => {
            vec![(0, String::from("the server does not accept requests of this size"))]
        }
        _ => Vec::new(),
    }
}
