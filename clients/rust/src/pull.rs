//! Pulling: fetch a page, open every entry in its slot, keep apart what does not open, and look whether the page fits what
//! was given before.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use tidelog_protocol::{Cursor, InvalidTimestamp, PullRequest, PullResponse, Timestamp};
use uuid::Uuid;

use crate::encryption::HeldKey;
use crate::formats::{FormatError, Vault};
use crate::open::{OpenedPage, open_page};
use crate::transport::{Request, from_json};
use crate::watch::{PageFrame, Subject};
use crate::{BlockReason, ChangeEntry, Evidence, Result, SyncKitClient, SyncKitError};

/// Which entries to pull. The default is all, with the server's page size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullFilter {
    /// Only entries of these tables; `None` for all.
    pub tables: Option<Vec<String>>,
    /// Only entries whose timestamp is this or later.
    pub since: Option<DateTime<Utc>>,
    /// At most so many entries in a page; the server's cap holds as well.
    pub limit: Option<usize>,
    /// Whether the device's own entries come too. `None` leaves it to the server: those written before a pull from the
    /// start come, so that a reinstalled device gets its past; later ones do not.
    pub include_own: Option<bool>,
}

/// An entry that was pulled and opened.
#[derive(Clone, Debug, PartialEq)]
pub struct PulledChange {
    /// The change.
    pub entry: ChangeEntry,
    /// Its place in the log.
    pub seq: i64,
    /// The device that pushed it.
    pub device_id: Uuid,
    /// The master key that it was sealed under.
    pub key_version: u32,
}

/// An entry that was pulled and cannot be trusted: not applied, and reported. Holds none of its data.
#[derive(Clone, Debug, PartialEq)]
pub struct QuarantinedEntry {
    /// Its place in the log.
    pub seq: i64,
    /// The device that pushed it, as the server says.
    pub device_id: Uuid,
    /// The table that it claims.
    pub table: String,
    /// The operation that it claims, as it stands on the wire.
    pub op: String,
    /// The row that it claims.
    pub row_id: String,
    /// The time that it claims.
    pub timestamp: DateTime<Utc>,
    /// The key version that it claims.
    pub key_version: u32,
    /// Why it was kept apart.
    pub reason: QuarantineReason,
}

/// Why an entry was kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineReason {
    /// It has no data: nobody who holds the key wrote it.
    #[error("it is not sealed")]
    Unsealed,
    /// Its operation is none of insert, update and delete.
    #[error("its operation is unknown")]
    UnknownOp,
    /// It does not open in its slot under the user's keys, or what opens is not well formed.
    #[error("{0}")]
    Unreadable(#[from] FormatError),
    /// It opens, and holds no JSON.
    #[error("what it holds is not JSON")]
    NotJson,
    /// The same sealed bytes were in the log before, or another entry in its place: it is not applied again.
    #[error("it was in the log before")]
    Repeated,
}

/// One page of a pull, complete.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PulledPage {
    /// What opened, in the log's order.
    pub changes: Vec<PulledChange>,
    /// What did not, in the log's order.
    pub quarantined: Vec<QuarantinedEntry>,
    /// What this page has shown of the server's dishonesty. Always empty where the policy is
    /// [`TamperPolicy::Refuse`](crate::TamperPolicy::Refuse): there, the pull fails.
    pub evidence: Vec<Evidence>,
    /// Where the next page starts. Keep it together with what was applied.
    pub cursor: Cursor,
    /// Whether there is a next page now.
    pub has_more: bool,
}

impl PullFilter {
    /// Whether entries are left out, so that gaps say nothing.
    fn leaves_out(&self) -> bool {
        self.tables.is_some() || self.since.is_some() || self.include_own == Some(false)
    }
}

impl SyncKitClient {
    /// Pulls a page of changes after `cursor`, `0` for the beginning; gives back the changes, the cursor to go on from, and
    /// whether there is more.
    ///
    /// What does not open is left out and counted ([`quarantined`](Self::quarantined));
    /// [`pull_page`](Self::pull_page) shows it.
    ///
    /// # Errors
    /// [`SyncKitError::NoMasterKey`]; [`SyncKitError::Blocked`] if the log goes on under a newer key that this client cannot
    /// follow to; [`SyncKitError::KeyChanged`] and [`SyncKitError::KeyGone`] if the server contradicts what is known of the
    /// key; [`SyncKitError::Tampered`] by policy, and for a page that is none; [`SyncKitError::LogRewound`], [`SyncKitError::LogCompacted`], [`SyncKitError::DeviceRevoked`],
    /// [`SyncKitError::MembershipRequired`], and those of every request.
    pub async fn pull(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
    ) -> Result<(Vec<ChangeEntry>, Cursor, bool)> {
        self.pull_filtered(device_id, cursor, PullFilter::default()).await
    }

    /// Like [`pull`](Self::pull), with place, author and key version of each change.
    ///
    /// # Errors
    /// As there.
    pub async fn pull_rich(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
    ) -> Result<(Vec<PulledChange>, Cursor, bool)> {
        self.pull_filtered_rich(device_id, cursor, PullFilter::default()).await
    }

    /// Like [`pull`](Self::pull), only what passes the filter. The cursor advances past what was left out, and a page may be
    /// empty while there is more.
    ///
    /// # Errors
    /// As there.
    pub async fn pull_filtered(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
        filter: PullFilter,
    ) -> Result<(Vec<ChangeEntry>, Cursor, bool)> {
        let page = self.pull_page(device_id, cursor, filter).await?;
        let changes = page.changes.into_iter().map(|change| change.entry).collect();
        Ok((changes, page.cursor, page.has_more))
    }

    /// Like [`pull_filtered`](Self::pull_filtered), with place, author and key version of each change.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    pub async fn pull_filtered_rich(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
        filter: PullFilter,
    ) -> Result<(Vec<PulledChange>, Cursor, bool)> {
        let page = self.pull_page(device_id, cursor, filter).await?;
        Ok((page.changes, page.cursor, page.has_more))
    }

    /// Pulls a page, with what was kept apart.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    pub async fn pull_page(
        &self,
        device_id: Uuid,
        cursor: impl Into<Cursor>,
        filter: PullFilter,
    ) -> Result<PulledPage> {
        self.watch.check()?;
        let owner = self.owner()?;
        let key = self.encryption.key_of(owner)?;
        let cursor = cursor.into();
        let watched = !filter.leaves_out();
        let counted_as_pulled = filter.tables.is_none() && filter.since.is_none();
        let subject = Subject::new(device_id, &key.vault);
        let request = pull_request(&key.vault, device_id, cursor, filter)?;
        if watched {
            self.watch.pulling(subject, cursor);
        } else if counted_as_pulled {
            self.watch.looking_elsewhere(subject, cursor);
        }
        let body = match self.send(&Request::post("/pull", &request)?).await {
            Err(error @ SyncKitError::LogRewound { .. }) => {
                self.watch.rewound();
                self.outbox.lock().await.begin_anew();
                return Err(error);
            }
            answer => answer?,
        };
        let answer: PullResponse<'_> = from_json(&body)?;
        let key = self.key_for(key, &answer).await?;
        let opened = open_page(&key, &answer, cursor).map_err(|found| self.watch.no_page(found))?;
        self.judged(&key, subject, watched.then_some(cursor), answer, opened)
    }

    /// How many entries this client has kept apart since it was made.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::Relaxed)
    }

    /// The page as it is given out: with what it shows of the server, and without what is not to be applied.
    fn judged(
        &self,
        key: &HeldKey,
        subject: Subject,
        watched_from: Option<Cursor>,
        answer: PullResponse<'_>,
        mut opened: OpenedPage,
    ) -> Result<PulledPage> {
        let PullResponse { cursor, has_more, compacted_through, .. } = answer;
        let mut evidence = opened.evidence_of_alteration(key.newest_version());
        if let Some(from) = watched_from {
            let compacted_through = compacted_through.unwrap_or_default();
            let frame = PageFrame { from, to: cursor, has_more, compacted_through };
            let standings = self.watch.look(
                subject,
                &key.vault,
                &frame,
                &opened.observed(&answer.changes),
                &mut evidence,
            )?;
            opened.take_out_repeated(&answer.changes, &standings);
        }
        let (changes, quarantined) = opened.into_parts();
        self.report(&quarantined);
        self.watch.note(&evidence)?;
        Ok(PulledPage { changes, quarantined, evidence, cursor, has_more })
    }

    /// Entries under a newer key are no garbage if the server's key is newer indeed, or about to be: then that key is got
    /// first. A version that the server made up changes nothing.
    pub(crate) async fn key_for(&self, key: HeldKey, answer: &PullResponse<'_>) -> Result<HeldKey> {
        let newest = answer.changes.iter().map(|entry| entry.key_version).max().unwrap_or_default();
        if newest <= key.newest_version() {
            return Ok(key);
        }
        self.encryption.doubt();
        let key = self.followed_key(key.owner, |now| newest <= now.newest_version()).await?;
        if newest > key.newest_version() && self.is_being_rotated_to(newest).await? {
            return Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded));
        }
        Ok(key)
    }

    fn report(&self, quarantined: &[QuarantinedEntry]) {
        self.quarantined.fetch_add(quarantined.len() as u64, Ordering::Relaxed);
        for entry in quarantined {
            tracing::warn!(seq = entry.seq, device_id = %entry.device_id, reason = %entry.reason, "entry kept apart");
        }
    }
}

fn pull_request(vault: &Vault, device_id: Uuid, cursor: Cursor, filter: PullFilter) -> Result<PullRequest> {
    let on_the_wire = |table: String| Ok(vault.wire_names(&table, "")?.table.into_owned());
    let tables = filter.tables.map(|tables| tables.into_iter().map(on_the_wire).collect::<Result<Vec<_>>>());
    let since = filter.since.map(Timestamp::try_from).transpose();
    let since = since.map_err(|reason: InvalidTimestamp| SyncKitError::InvalidField {
        field: String::from("since"),
        reason: reason.to_string(),
    })?;
    Ok(PullRequest {
        device_id,
        cursor,
        limit: filter.limit,
        tables: tables.transpose()?,
        since,
        include_own: filter.include_own,
    })
}
