//! Pulling: fetch a page, open every entry in its slot, keep apart what does not open.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use tidelog_protocol::{Cursor, Entry, InvalidTimestamp, Op, PullRequest, PullResponse, Timestamp};
use uuid::Uuid;

use crate::encryption::HeldKey;
use crate::formats::{FormatError, Kind, Slot, Vault, open_entry};
use crate::transport::{Request, from_json};
use crate::{ChangeEntry, Result, SyncKitClient, SyncKitError};

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
}

/// One page of a pull, complete.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PulledPage {
    /// What opened, in the log's order.
    pub changes: Vec<PulledChange>,
    /// What did not, in the log's order.
    pub quarantined: Vec<QuarantinedEntry>,
    /// Where the next page starts. Keep it together with what was applied.
    pub cursor: Cursor,
    /// Whether there is a next page now.
    pub has_more: bool,
}

impl SyncKitClient {
    /// Pulls a page of changes after `cursor`, `0` for the beginning; gives back the changes, the cursor to go on from, and
    /// whether there is more.
    ///
    /// What does not open is left out and counted ([`quarantined`](Self::quarantined));
    /// [`pull_page`](Self::pull_page) shows it.
    ///
    /// # Errors
    /// [`SyncKitError::NoMasterKey`]; [`SyncKitError::WrongKey`] if the log goes on under a newer key than this client
    /// holds; [`SyncKitError::LogRewound`], [`SyncKitError::LogCompacted`], [`SyncKitError::DeviceRevoked`],
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
        let key = self.encryption.key_of(self.owner()?)?;
        let request = pull_request(&key.vault, device_id, cursor.into(), filter)?;
        let body = self.send(&Request::post("/pull", &request)?).await?;
        let answer: PullResponse<'_> = from_json(&body)?;
        self.stop_before_newer_key(&key, &answer).await?;
        let page = opened_page(&key.vault, answer);
        self.report(&page.quarantined);
        Ok(page)
    }

    /// How many entries this client has kept apart since it was made.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Ordering::Relaxed)
    }

    /// Entries under a newer key are no garbage if the server's key is newer indeed: then nothing is skipped, the client has
    /// to get that key first. A version that the server made up changes nothing.
    async fn stop_before_newer_key(&self, key: &HeldKey, answer: &PullResponse<'_>) -> Result<()> {
        let have = key.vault.key_version();
        if answer.changes.iter().all(|entry| entry.key_version <= have) {
            return Ok(());
        }
        self.check_against_server(key).await
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

fn opened_page(vault: &Vault, answer: PullResponse<'_>) -> PulledPage {
    let mut page = PulledPage {
        changes: Vec::with_capacity(answer.changes.len()),
        quarantined: Vec::new(),
        cursor: answer.cursor,
        has_more: answer.has_more,
    };
    for entry in answer.changes {
        match opened_change(vault, &entry) {
            Ok(Some(change)) => page.changes.push(PulledChange {
                entry: change,
                seq: entry.seq,
                device_id: entry.device_id,
                key_version: entry.key_version,
            }),
            Ok(None) => {}
            Err(reason) => page.quarantined.push(kept_apart(entry, reason)),
        }
    }
    page
}

/// The change inside an entry, `None` for what the SDK has written for itself.
fn opened_change(vault: &Vault, entry: &Entry<'_>) -> Result<Option<ChangeEntry>, QuarantineReason> {
    let op: Op = entry.op.parse().map_err(|_| QuarantineReason::UnknownOp)?;
    let data = entry.data.as_ref().ok_or(QuarantineReason::Unsealed)?;
    let slot = Slot {
        table: &entry.table,
        row_id: &entry.row_id,
        op,
        timestamp_us: entry.timestamp.as_micros(),
        key_version: entry.key_version,
    };
    let opened = open_entry(vault, &slot, data)?;
    let data = match opened.kind {
        Kind::Value => serde_json::from_slice(&opened.payload).map_err(|_| QuarantineReason::NotJson)?,
        Kind::Tombstone => None,
        Kind::Control => return Ok(None),
    };
    let (table, row_id) = match opened.names {
        Some(names) => (names.table.into_owned(), names.row_id.into_owned()),
        None => (entry.table.as_str().to_owned(), entry.row_id.as_str().to_owned()),
    };
    Ok(Some(ChangeEntry { table, op, row_id, timestamp: entry.timestamp.into(), data }))
}

fn kept_apart(entry: Entry<'_>, reason: QuarantineReason) -> QuarantinedEntry {
    QuarantinedEntry {
        seq: entry.seq,
        device_id: entry.device_id,
        table: entry.table.into(),
        op: entry.op.into(),
        row_id: entry.row_id.into(),
        timestamp: entry.timestamp.into(),
        key_version: entry.key_version,
        reason,
    }
}
