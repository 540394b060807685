//! Watching the server: what a client has been given so far, so that it notices when the server contradicts itself or
//! other devices.
//!
//! No client can keep a server from withholding the newest entries. Everything else shows in the log: leaving out,
//! repeating, reordering or replacing entries, going back to an earlier state, and showing two devices different
//! pasts. `docs/encryption.md` says exactly what is noticed, when, and what is not.
//!
//! Only pulls without filters are watched, each starting where the one before it ended. A pull from the start builds
//! a new view, which is compared with the old one once it is complete.

mod log_scan;
mod log_view;
mod row_set;
mod state;
mod streams;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tidelog_protocol::Cursor;

pub(crate) use log_scan::{LogScan, ObservedEntry, OwnEntry};
pub(crate) use log_view::{EntryStatus, PageBounds};
pub(crate) use state::ViewId;
pub use state::WatchState;
pub(crate) use streams::{ChainEntry, StreamPosition, Streams};

use crate::evidence::Evidence;
use crate::formats::{Head, Vault};
use crate::{Result, SyncKitError};
use log_view::LogView;

/// Pieces of evidence that are kept for [`evidence`](crate::SyncKitClient::evidence): the first ones tell the story.
const MAX_EVIDENCE: usize = 100;

/// What a client does with evidence against the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TamperPolicy {
    /// Goes on without what cannot be trusted, and reports it: in [`PulledPage`](crate::PulledPage), through
    /// [`evidence`](crate::SyncKitClient::evidence), and as a warning in the log.
    #[default]
    Warn,
    /// Every pull fails with [`Tampered`](crate::SyncKitError::Tampered) and returns nothing until the program calls
    /// [`reset_watch`](crate::SyncKitClient::reset_watch). Entries that some program wrote without sealing them
    /// count, too.
    Refuse,
}

/// The watching side of a client.
#[derive(Default)]
pub(crate) struct Watch {
    policy: TamperPolicy,
    record: Mutex<WatchRecord>,
}

#[derive(Default)]
struct WatchRecord {
    view: Option<LogView>,
    evidence: Vec<Evidence>,
    /// The evidence for which a client under [`TamperPolicy::Refuse`] goes on refusing.
    refused: Vec<Evidence>,
}

impl WatchRecord {
    /// Returns the view of this device and vault; the view of another one is dropped.
    fn view(&mut self, id: ViewId) -> &mut LogView {
        if self.view.as_ref().is_none_or(|view| view.id != id) {
            self.view = None;
        }
        self.view.get_or_insert_with(|| LogView::new(id))
    }
}

impl Watch {
    pub(crate) fn new(policy: TamperPolicy) -> Self {
        Self { policy, record: Mutex::default() }
    }

    fn record(&self) -> MutexGuard<'_, WatchRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails for good once a client that refuses has found something.
    pub(crate) fn check_not_refused(&self) -> Result<()> {
        let refused = self.record().refused.clone();
        if refused.is_empty() { Ok(()) } else { Err(SyncKitError::Tampered { evidence: refused }) }
    }

    /// A pull without filters is being sent: until it is answered, nobody knows whether the server has counted it.
    pub(crate) fn pull_started(&self, id: ViewId, from: Cursor) {
        self.record().view(id).pulling.get_or_insert(from);
    }

    /// A pull is being sent that is not watched, but that the server counts as progress of the device: until the next
    /// watched one, the server's idea of what was pulled is not this client's.
    pub(crate) fn unwatched_pull_started(&self, id: ViewId, from: Cursor) {
        let mut record = self.record();
        let view = record.view(id);
        view.pulling.get_or_insert(view.position.unwrap_or(from));
    }

    /// Checks a page. `entries` are those that opened.
    pub(crate) fn check_page(
        &self,
        id: ViewId,
        vault: &Vault,
        bounds: &PageBounds,
        entries: &[ObservedEntry<'_>],
        evidence: &mut Vec<Evidence>,
    ) -> Result<Vec<EntryStatus>> {
        Ok(self.record().view(id).check_page(vault, bounds, entries, evidence)?)
    }

    /// Keeps what was found.
    ///
    /// # Errors
    /// [`SyncKitError::Tampered`] if the client refuses to go on.
    pub(crate) fn keep_evidence(&self, found: &[Evidence]) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        for piece in found {
            tracing::warn!(evidence = %piece, "the server contradicts itself or another device");
        }
        let mut record = self.record();
        let room = MAX_EVIDENCE.saturating_sub(record.evidence.len());
        record.evidence.extend(found.iter().take(room));
        if self.policy == TamperPolicy::Warn {
            return Ok(());
        }
        record.refused = found.to_vec();
        Err(SyncKitError::Tampered { evidence: found.to_vec() })
    }

    /// Keeps the evidence that an answer is not a page, and returns the error, which is the same under any policy.
    pub(crate) fn reject_page(&self, found: Evidence) -> SyncKitError {
        let refusal = self.keep_evidence(&[found]).err();
        refusal.unwrap_or_else(|| SyncKitError::Tampered { evidence: vec![found] })
    }

    /// Returns the head for the first entry of the next batch, if this client has seen the whole log and something
    /// new in it.
    pub(crate) fn next_head(&self, id: ViewId, vault: &Vault) -> Option<Head> {
        self.record().view(id).next_head(vault)
    }

    /// A batch is being sent.
    pub(crate) fn push_started(&self, id: ViewId) {
        self.record().view(id).pushing = true;
    }

    /// A batch is in the log. Returns the position to pull from, which never skips anything that this client cannot
    /// account for.
    pub(crate) fn batch_stored(
        &self,
        id: ViewId,
        own: Vec<OwnEntry>,
        cursor: Cursor,
        last_seq: Option<i64>,
        is_last_batch: bool,
    ) -> Cursor {
        self.record().view(id).batch_stored(own, cursor, last_seq, is_last_batch)
    }

    /// The server has refused a batch: none of its entries is in the log.
    pub(crate) fn batch_refused(&self, id: ViewId) {
        self.record().view(id).batch_refused();
    }

    /// Batches in doubt were given up: some of their entries may be in the log unseen.
    pub(crate) fn batches_abandoned(&self, id: ViewId) {
        self.record().view(id).batches_abandoned();
    }

    /// The server has said that its history is not the one from before.
    pub(crate) fn forget_view(&self) {
        self.record().view = None;
    }

    /// Returns the streams as this device has seen them.
    pub(crate) fn streams(&self, id: ViewId) -> Option<Streams> {
        let record = self.record();
        record.view.as_ref().filter(|view| view.id == id)?.streams().cloned()
    }

    /// Returns the next counter of a stream, as far as this device has seen it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn next_counter(&self, id: ViewId, stream: crate::formats::StreamId) -> Option<u64> {
        let streams = self.streams(id)?;
        streams.positions().find(|(other, _)| *other == stream).map(|(_, position)| position.next)
    }

    /// Returns the evidence that is kept.
    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        self.record().evidence.clone()
    }

    /// Returns what was seen; `None` before the first pull.
    pub(crate) fn state(&self) -> Option<WatchState> {
        self.record().view.as_ref().and_then(LogView::state)
    }

    /// Goes on from what an earlier run saw.
    pub(crate) fn restore(&self, state: WatchState) {
        self.record().view = Some(LogView::from_state(state));
    }

    /// Forgets what was seen and found.
    pub(crate) fn reset(&self) {
        *self.record() = WatchRecord::default();
    }
}
