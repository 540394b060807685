//! Watching the server: what a client has been given, so that it notices when the server contradicts itself or others.
//!
//! Nothing here keeps a server from withholding the newest entries. What it keeps it from is everything else that shows in
//! the log: leaving out, repeating, reordering or replacing entries, going back to an earlier state, and showing two devices
//! different pasts. `docs/encryption.md` says exactly what is noticed, when, and what is not.
//!
//! Only pulls without filters are watched, each from where the one before it ended; a pull from the beginning builds a new
//! picture, which is compared with the old one when it is complete.

mod evidence;
mod pass;
mod picture;
mod rows;
mod state;
mod streams;
mod verify;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tidelog_protocol::Cursor;
use uuid::Uuid;

pub use evidence::{Evidence, StreamName, TamperPolicy};
pub(crate) use pass::{Observed, OwnEntry};
pub(crate) use picture::{PageFrame, Standing};
pub use state::WatchState;
pub(crate) use streams::Place;
pub use verify::{StreamSummary, VerifyReport};

use crate::formats::keys::VAULT_ID_BYTES;
use crate::formats::{Head, Vault};
use crate::{Result, SyncKitClient, SyncKitError};
use picture::Picture;

/// Pieces of evidence that are kept for [`SyncKitClient::evidence`]: the first ones tell the story.
const MAX_EVIDENCE: usize = 100;

/// Whose pulls are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) device_id: Uuid,
    pub(crate) vault_id: [u8; VAULT_ID_BYTES],
}

impl Subject {
    pub(crate) fn new(device_id: Uuid, vault: &Vault) -> Self {
        Self { device_id, vault_id: vault.vault_id() }
    }
}

/// The watching side of a client.
#[derive(Default)]
pub(crate) struct Watch {
    policy: TamperPolicy,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    picture: Option<Picture>,
    evidence: Vec<Evidence>,
    /// The evidence that made a client refuse to go on.
    refused: Vec<Evidence>,
}

impl Known {
    /// The picture of this subject; what was known of another one is dropped.
    fn picture(&mut self, subject: Subject) -> &mut Picture {
        if self.picture.as_ref().is_none_or(|picture| picture.subject != subject) {
            self.picture = None;
        }
        self.picture.get_or_insert_with(|| Picture::new(subject))
    }
}

impl Watch {
    pub(crate) fn new(policy: TamperPolicy) -> Self {
        Self { policy, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails for ever once a client that refuses has found something.
    pub(crate) fn check(&self) -> Result<()> {
        let refused = self.known().refused.clone();
        if refused.is_empty() { Ok(()) } else { Err(SyncKitError::Tampered { evidence: refused }) }
    }

    /// A pull without filters is on its way: until it is answered, nobody knows whether the server has counted it.
    pub(crate) fn pulling(&self, subject: Subject, from: Cursor) {
        self.known().picture(subject).pulling.get_or_insert(from);
    }

    /// A pull that is not watched, but that the server takes for one which moves the device on: until the next watched one,
    /// its word on what was pulled is not this client's.
    pub(crate) fn looking_elsewhere(&self, subject: Subject, from: Cursor) {
        let mut known = self.known();
        let picture = known.picture(subject);
        picture.pulling.get_or_insert(picture.position.unwrap_or(from));
    }

    /// Looks at a page. Entries that did not open are not among them.
    pub(crate) fn look(
        &self,
        subject: Subject,
        vault: &Vault,
        frame: &PageFrame,
        entries: &[Observed<'_>],
        evidence: &mut Vec<Evidence>,
    ) -> Result<Vec<Standing>> {
        Ok(self.known().picture(subject).look(vault, frame, entries, evidence)?)
    }

    /// Keeps what was found; fails if the client refuses to go on.
    pub(crate) fn note(&self, found: &[Evidence]) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        for piece in found {
            tracing::warn!(evidence = %piece, "the server contradicts itself or others");
        }
        let mut known = self.known();
        let room = MAX_EVIDENCE.saturating_sub(known.evidence.len());
        known.evidence.extend(found.iter().take(room));
        if self.policy == TamperPolicy::Warn {
            return Ok(());
        }
        known.refused = found.to_vec();
        Err(SyncKitError::Tampered { evidence: found.to_vec() })
    }

    /// Keeps that an answer is no page, and gives the error that this is under any policy.
    pub(crate) fn no_page(&self, found: Evidence) -> SyncKitError {
        let refusal = self.note(&[found]).err();
        refusal.unwrap_or_else(|| SyncKitError::Tampered { evidence: vec![found] })
    }

    /// What the first entry of the next batch is to say that this client has seen, if it has news and has seen everything.
    pub(crate) fn head(&self, subject: Subject, vault: &Vault) -> Option<Head> {
        self.known().picture(subject).head(vault)
    }

    /// A batch is about to be sent.
    pub(crate) fn sending(&self, subject: Subject) {
        self.known().picture(subject).sending = true;
    }

    /// A batch is in the log. Gives the position to pull from, which is never beyond what this client can account for.
    pub(crate) fn sent(
        &self,
        subject: Subject,
        own: Vec<OwnEntry>,
        cursor: Cursor,
        last_seq: Option<i64>,
        last_batch: bool,
    ) -> Cursor {
        self.known().picture(subject).sent(own, cursor, last_seq, last_batch)
    }

    /// Batches were dropped. Of those whose outcome is unknown, some entry may stand in the log unseen.
    pub(crate) fn gave_up(&self, subject: Subject, outcome_known: bool) {
        self.known().picture(subject).gave_up(outcome_known);
    }

    /// The server's history is another one than it was, and said so.
    pub(crate) fn rewound(&self) {
        self.known().picture = None;
    }

    /// The streams as this subject has seen them.
    fn streams_of(&self, subject: Subject) -> Option<streams::Streams> {
        let known = self.known();
        known.picture.as_ref().filter(|picture| picture.subject == subject)?.streams().cloned()
    }

    /// The number that comes next in a stream, as far as this subject has seen it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn next_in(&self, subject: Subject, stream: crate::formats::stream::StreamId) -> Option<u64> {
        let streams = self.streams_of(subject)?;
        streams.positions().find(|(id, _)| *id == stream).map(|(_, position)| position.next)
    }

    fn saved(&self) -> Option<WatchState> {
        self.known().picture.as_ref().and_then(Picture::saved)
    }

    fn restore(&self, state: WatchState) {
        self.known().picture = Some(Picture::restored(state));
    }

    fn reset(&self) {
        *self.known() = Known::default();
    }
}

impl SyncKitClient {
    /// What has been found against the server since this client was made, at most the first hundred pieces.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.watch.known().evidence.clone()
    }

    /// What this client has seen, to store it together with the cursor; `None` before the first pull.
    pub fn watch_state(&self) -> Option<WatchState> {
        self.watch.saved()
    }

    /// Goes on watching from where an earlier run ended: call it before the first pull from the stored cursor.
    pub fn restore_watch(&self, state: WatchState) {
        self.watch.restore(state);
    }

    /// Forgets what was seen and found: for a user who has decided to go on after
    /// [`Tampered`](SyncKitError::Tampered).
    pub fn reset_watch(&self) {
        self.watch.reset();
    }
}
