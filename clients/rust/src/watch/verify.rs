//! A look at the whole log, from its beginning to its end.

use tidelog_protocol::{Cursor, PullRequest, PullResponse, Timestamp};
use uuid::Uuid;

use super::Subject;
use super::evidence::{Evidence, StreamName};
use super::pass::Pass;
use super::picture::Standing;
use super::streams::{Place, Position, Streams};
use crate::encryption::HeldKey;
use crate::open::{OpenedPage, open_page};
use crate::transport::{Request, from_json};
use crate::{QuarantinedEntry, Result, SyncKitClient};

/// Before every entry, and yet not "the start", which would tell the server that a device begins anew.
const BEFORE_EVERYTHING: Cursor = Cursor::Number(1);

/// Entries kept apart that a report names; beyond them it only counts.
const MAX_NAMED: usize = 1_000;

/// One installation's share in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamSummary {
    /// The stream.
    pub stream: StreamName,
    /// Entries that it has, superseded ones that were removed included.
    pub entries: u64,
    /// The place of its newest entry.
    pub newest_seq: i64,
}

/// What [`SyncKitClient::verify`] has found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Entries that were looked at.
    pub entries: u64,
    /// Rows that there are now.
    pub rows: u64,
    /// The streams of all installations, by id.
    pub streams: Vec<StreamSummary>,
    /// Statements of writers about what they had seen, that were compared and hold unless `evidence` says otherwise.
    pub heads_checked: u64,
    /// Those that could not be compared: made with a key that is gone, long before their entry, or before superseded entries
    /// were removed.
    pub heads_unchecked: u64,
    /// Entries that are kept apart; the first thousand.
    pub quarantined: Vec<QuarantinedEntry>,
    /// How many entries are kept apart.
    pub quarantined_count: u64,
    /// Superseded entries up to here may have been removed; 0: the server says that none were.
    pub compacted_through: i64,
    /// What speaks against the server.
    pub evidence: Vec<Evidence>,
}

impl VerifyReport {
    /// Whether nothing speaks against the server.
    pub fn is_clean(&self) -> bool {
        self.evidence.is_empty()
    }
}

impl SyncKitClient {
    /// Goes through the whole log, opens every entry, follows every stream, and compares what writers say that they had seen,
    /// and what this client has been given before. Changes nothing, here or on the server; gives no changes out. Ends early at
    /// an answer that is no page.
    ///
    /// Takes the download of the whole log, and memory for its rows (about 150 bytes each). It cannot tell whether the server
    /// withholds the newest entries.
    ///
    /// # Errors
    /// [`KeyChanged`](crate::SyncKitError::KeyChanged), [`KeyGone`](crate::SyncKitError::KeyGone) and
    /// [`BadEnvelope`](crate::SyncKitError::BadEnvelope) for a key that is not the known one, and those of
    /// [`pull`](Self::pull). What is found in the log is in the report, whatever the policy.
    pub async fn verify(&self, device_id: Uuid) -> Result<VerifyReport> {
        let owner = self.owner()?;
        self.encryption.doubt();
        let mut key = self.checked_key(owner).await?;
        let known = self.watch.streams_of(Subject::new(device_id, &key.vault));
        let mut pass = Pass::from_start();
        pass.reached = BEFORE_EVERYTHING;
        let mut found = Found::default();
        while !pass.caught_up {
            let body = self.send(&Request::post("/pull", &everything(device_id, pass.reached))?).await?;
            let answer: PullResponse<'_> = from_json(&body)?;
            key = self.key_for(key, &answer).await?;
            match open_page(&key, &answer, pass.reached) {
                Ok(opened) => found.add_page(&key, &mut pass, known.as_ref(), answer, opened)?,
                Err(no_page) => {
                    found.evidence.push(no_page);
                    break;
                }
            }
        }
        // Who did not get to the end cannot say that something is missing there.
        let known = known.filter(|_| pass.caught_up);
        let mut report = found.report(pass, known.as_ref());
        report.streams.sort_by_key(|summary| summary.stream);
        Ok(report)
    }
}

/// All entries, own ones too. The filter passes everything; by it the server knows that this is no pull that moves the
/// device on.
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
struct Found {
    entries: u64,
    quarantined: Vec<QuarantinedEntry>,
    quarantined_count: u64,
    evidence: Vec<Evidence>,
}

impl Found {
    fn add_page(
        &mut self,
        key: &HeldKey,
        pass: &mut Pass,
        known: Option<&Streams>,
        answer: PullResponse<'_>,
        mut opened: OpenedPage,
    ) -> Result<()> {
        self.entries += answer.changes.len() as u64;
        pass.note_compaction(answer.compacted_through.unwrap_or_default());
        self.evidence.extend(opened.evidence_of_alteration(key.newest_version()));
        let mut standings = Vec::new();
        for entry in opened.observed(&answer.changes) {
            let place = Place::of(entry.seq, entry.opened);
            self.evidence.extend(known.and_then(|known| known.contradicted_by(&place)));
            let fits = pass.observe(&key.vault, &entry, true, &mut self.evidence)?;
            standings.push(if fits { Standing::Fits } else { Standing::Repeated });
        }
        opened.take_out_repeated(&answer.changes, &standings);
        let (_, quarantined) = opened.into_parts();
        self.quarantined_count += quarantined.len() as u64;
        let room = MAX_NAMED.saturating_sub(self.quarantined.len());
        self.quarantined.extend(quarantined.into_iter().take(room));
        pass.arrive(answer.cursor, answer.has_more);
        Ok(())
    }

    fn report(mut self, pass: Pass, known: Option<&Streams>) -> VerifyReport {
        if let Some(known) = known {
            self.evidence.extend(pass.streams.shorter_than(known, pass.compacted_through));
        }
        let summary = |(stream, position): (_, Position)| StreamSummary {
            stream: StreamName(stream),
            entries: position.next,
            newest_seq: position.seq,
        };
        VerifyReport {
            entries: self.entries,
            rows: pass.rows.as_ref().map_or(0, |rows| rows.len() as u64),
            streams: pass.streams.positions().map(summary).collect(),
            heads_checked: pass.heads.checked,
            heads_unchecked: pass.heads.unchecked,
            quarantined: self.quarantined,
            quarantined_count: self.quarantined_count,
            compacted_through: pass.compacted_through,
            evidence: self.evidence,
        }
    }
}
