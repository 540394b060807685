//! Pulling: fetch a page, open every entry in its slot, quarantine what does not open, and check the page against
//! what the server gave before.

mod filter;
mod open;
mod page;

use std::sync::atomic::Ordering;

use tidelog_protocol::{Cursor, PullResponse};
use uuid::Uuid;

pub use filter::PullFilter;
pub(crate) use open::{OpenedPage, open_page};
pub use page::{PulledChange, PulledPage};

use crate::master_key::HeldKey;
use crate::quarantine::QuarantinedEntry;
use crate::transport::{Request, from_json};
use crate::watch::{PageBounds, ViewId};
use crate::{BlockReason, Result, SyncKitClient, SyncKitError};

impl SyncKitClient {
    /// Pulls the page of changes after `cursor`, together with what was quarantined. `0` is the start of the log.
    ///
    /// # Errors
    /// - [`SyncKitError::NoMasterKey`]: encryption is not set up.
    /// - [`SyncKitError::Blocked`]: the log goes on under a newer key, which only the passphrase opens.
    /// - [`SyncKitError::KeyChanged`] and [`SyncKitError::KeyGone`]: the server contradicts what this device knows of
    ///   the key.
    /// - [`SyncKitError::Tampered`]: by policy, and under any policy for an answer that cannot be a page.
    /// - [`SyncKitError::LogRewound`], [`SyncKitError::LogCompacted`]: pull again from where these say.
    /// - [`SyncKitError::DeviceRevoked`], [`SyncKitError::MembershipRequired`], and those of every request.
    pub async fn pull_page(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
        filter: PullFilter,
    ) -> Result<PulledPage> {
        self.watch.check_not_refused()?;
        let owner = self.owner()?;
        let key = self.encryption.key_for(owner)?;
        let cursor = cursor.into();
        let view = ViewId::new(device_id, &key.vault);
        let watched_from = (!filter.leaves_out()).then_some(cursor);
        let counts_as_progress = filter.counts_as_progress();
        let request = filter.into_request(&key.vault, device_id, cursor)?;
        if watched_from.is_some() {
            self.watch.pull_started(view, cursor);
        } else if counts_as_progress {
            self.watch.unwatched_pull_started(view, cursor);
        }
        let body = match self.send(&Request::post("/pull", &request)?).await {
            Err(error @ SyncKitError::LogRewound { .. }) => {
                self.watch.forget_view();
                self.outbox.lock().await.start_new_stream();
                return Err(error);
            }
            answer => answer?,
        };
        let answer: PullResponse<'_> = from_json(&body)?;
        let key = self.key_for_page(key, &answer).await?;
        let opened = open_page(&key, &answer, cursor).map_err(|found| self.watch.reject_page(found))?;
        self.check_page(&key, view, watched_from, answer, opened)
    }

    /// Returns how many entries this client has quarantined since it was built.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::Relaxed)
    }

    /// Checks the page against the log so far, and takes out what must not be applied.
    fn check_page(
        &self,
        key: &HeldKey,
        view: ViewId,
        watched_from: Option<Cursor>,
        answer: PullResponse<'_>,
        mut opened: OpenedPage,
    ) -> Result<PulledPage> {
        let PullResponse { cursor, has_more, compacted_through, .. } = answer;
        let mut evidence = opened.evidence_of_alteration(key.newest_version());
        if let Some(from) = watched_from {
            let compacted_through = compacted_through.unwrap_or_default();
            let bounds = PageBounds { from, to: cursor, has_more, compacted_through };
            let observed = opened.observed(&answer.changes);
            let statuses = self.watch.check_page(view, &key.vault, &bounds, &observed, &mut evidence)?;
            opened.quarantine_repeated(&answer.changes, &statuses);
        }
        let (changes, quarantined) = opened.into_parts();
        self.report(&quarantined);
        self.watch.keep_evidence(&evidence)?;
        Ok(PulledPage { changes, quarantined, evidence, cursor, has_more })
    }

    /// Fetches the server's key first where entries are under a newer one than this client holds: they are not
    /// garbage if the server really has that key, or is rotating to it. A version that the server made up changes
    /// nothing.
    pub(crate) async fn key_for_page(&self, key: HeldKey, answer: &PullResponse<'_>) -> Result<HeldKey> {
        let newest = answer.changes.iter().map(|entry| entry.key_version).max().unwrap_or_default();
        if newest <= key.newest_version() {
            return Ok(key);
        }
        self.encryption.mark_unchecked();
        let key = self.refreshed_key(key.owner, |now| newest <= now.newest_version()).await?;
        if newest > key.newest_version() && self.is_being_rotated_to(newest).await? {
            return Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded));
        }
        Ok(key)
    }

    fn report(&self, quarantined: &[QuarantinedEntry]) {
        self.quarantined.fetch_add(quarantined.len() as u64, Ordering::Relaxed);
        for entry in quarantined {
            tracing::warn!(seq = entry.seq, device_id = %entry.device_id, reason = %entry.reason, "entry quarantined");
        }
    }
}
