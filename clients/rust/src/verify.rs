//! Verification of the whole log, from its start to its end.

use tidelog_protocol::{Cursor, PullRequest, PullResponse, Timestamp};
use uuid::Uuid;

use crate::evidence::{Evidence, StreamName};
use crate::formats::StreamId;
use crate::master_key::HeldKey;
use crate::pull::{OpenedPage, open_page};
use crate::quarantine::QuarantinedEntry;
use crate::transport::{Request, from_json};
use crate::watch::{ChainEntry, EntryStatus, LogScan, StreamPosition, Streams, ViewId};
use crate::{Result, SyncKitClient};

/// Before every entry, and yet not `Start`, which would tell the server that the device starts over.
const BEFORE_EVERYTHING: Cursor = Cursor::Number(1);

/// Quarantined entries that a report lists; beyond that it only counts.
const MAX_QUARANTINED: usize = 1_000;

/// What one installation has contributed to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamSummary {
    /// The stream.
    pub stream: StreamName,
    /// Its entries, including superseded ones that were removed.
    pub entries: u64,
    /// The seq of its newest entry.
    pub newest_seq: i64,
}

/// The result of [`SyncKitClient::verify`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Entries that were checked.
    pub entries: u64,
    /// Rows that exist now.
    pub rows: u64,
    /// The streams of all installations, by id.
    pub streams: Vec<StreamSummary>,
    /// Heads (what writers say that they had seen) that were compared. They hold unless `evidence` says otherwise.
    pub heads_checked: u64,
    /// Heads that could not be compared: made with a key that is gone, long before their entry, or before superseded
    /// entries were removed.
    pub heads_unchecked: u64,
    /// Quarantined entries, at most the first thousand.
    pub quarantined: Vec<QuarantinedEntry>,
    /// How many entries are quarantined.
    pub quarantined_count: u64,
    /// Superseded entries up to here may have been removed; 0: none, according to the server.
    pub compacted_through: i64,
    /// Evidence against the server.
    pub evidence: Vec<Evidence>,
}

impl VerifyReport {
    /// Whether there is no evidence against the server.
    pub fn is_clean(&self) -> bool {
        self.evidence.is_empty()
    }
}

impl SyncKitClient {
    /// Reads the whole log, opens every entry, follows every stream, and compares what writers say that they had seen
    /// and what this client was given before. Changes nothing, here or on the server, and returns no changes. Ends
    /// early at an answer that is not a page.
    ///
    /// Downloads the whole log and takes memory for its rows (about 150 bytes each). It cannot tell whether the server
    /// withholds the newest entries.
    ///
    /// # Errors
    /// [`KeyChanged`](crate::SyncKitError::KeyChanged), [`KeyGone`](crate::SyncKitError::KeyGone) and
    /// [`BadEnvelope`](crate::SyncKitError::BadEnvelope) for a key that is not the known one, and those of
    /// [`pull_page`](Self::pull_page). Whatever is wrong with the log is in the report, under any policy.
    pub async fn verify(&self, device_id: Uuid) -> Result<VerifyReport> {
        let owner = self.owner()?;
        self.encryption.mark_unchecked();
        let mut key = self.checked_key(owner).await?;
        let known = self.watch.streams(ViewId::new(device_id, &key.vault));
        let mut scan = LogScan::from_start();
        scan.reached = BEFORE_EVERYTHING;
        let mut findings = Findings::default();
        while !scan.caught_up {
            let body = self.send(&Request::post("/pull", &everything(device_id, scan.reached))?).await?;
            let answer: PullResponse<'_> = from_json(&body)?;
            key = self.key_for_page(key, &answer).await?;
            match open_page(&key, &answer, scan.reached) {
                Ok(opened) => findings.add_page(&key, &mut scan, known.as_ref(), answer, opened)?,
                Err(not_a_page) => {
                    findings.evidence.push(not_a_page);
                    break;
                }
            }
        }
        // A scan that has not reached the end proves nothing about what is missing there.
        let known = known.filter(|_| scan.caught_up);
        Ok(findings.into_report(scan, known.as_ref()))
    }
}

/// Asks for all entries, own ones included. The filter lets everything pass; because of it the server knows that this
/// pull is not progress of the device.
fn everything(device_id: Uuid, cursor: Cursor) -> PullRequest {
    PullRequest {
        device_id,
        cursor,
        limit: None,
        tables: None,
        since: Some(Timestamp::MIN),
        include_own: Some(true),
    }
}

#[derive(Default)]
struct Findings {
    entries: u64,
    quarantined: Vec<QuarantinedEntry>,
    quarantined_count: u64,
    evidence: Vec<Evidence>,
}

impl Findings {
    fn add_page(
        &mut self,
        key: &HeldKey,
        scan: &mut LogScan,
        known: Option<&Streams>,
        answer: PullResponse<'_>,
        mut opened: OpenedPage,
    ) -> Result<()> {
        self.entries += answer.changes.len() as u64;
        scan.note_compaction(answer.compacted_through.unwrap_or_default());
        self.evidence.extend(opened.evidence_of_alteration(key.newest_version()));
        let mut statuses = Vec::new();
        for entry in opened.observed(&answer.changes) {
            let chain = ChainEntry::new(entry.seq, entry.opened);
            self.evidence.extend(known.and_then(|known| known.contradicted_by(&chain)));
            statuses.push(EntryStatus::new(scan.observe(&key.vault, &entry, true, &mut self.evidence)?));
        }
        opened.quarantine_repeated(&answer.changes, &statuses);
        let (_, quarantined) = opened.into_parts();
        self.quarantined_count += quarantined.len() as u64;
        let room = MAX_QUARANTINED.saturating_sub(self.quarantined.len());
        self.quarantined.extend(quarantined.into_iter().take(room));
        scan.advance(answer.cursor, answer.has_more);
        Ok(())
    }

    fn into_report(mut self, scan: LogScan, known: Option<&Streams>) -> VerifyReport {
        if let Some(known) = known {
            self.evidence.extend(scan.streams.shorter_than(known, scan.compacted_through));
        }
        let summary = |(stream, position): (StreamId, StreamPosition)| StreamSummary {
            stream: StreamName(stream),
            entries: position.next,
            newest_seq: position.seq,
        };
        let mut streams: Vec<_> = scan.streams.positions().map(summary).collect();
        streams.sort_by_key(|summary| summary.stream);
        VerifyReport {
            entries: self.entries,
            rows: scan.rows.as_ref().map_or(0, |rows| rows.len() as u64),
            streams,
            heads_checked: scan.heads.checked,
            heads_unchecked: scan.heads.unchecked,
            quarantined: self.quarantined,
            quarantined_count: self.quarantined_count,
            compacted_through: scan.compacted_through,
            evidence: self.evidence,
        }
    }
}
