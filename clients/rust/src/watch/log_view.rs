//! One device's view of a log: how far it was seen, and which of its entries are this client's own.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::ops::RangeInclusive;

use tidelog_protocol::Cursor;

use super::log_scan::{LogScan, ObservedEntry, OwnEntry};
use super::state::{ViewId, WatchState};
use super::streams::{ChainEntry, Streams};
use crate::evidence::Evidence;
use crate::formats::{FormatError, Head, Vault};

/// Own entries that wait for a pull to pass them; with more, rows are no longer tracked.
const MAX_OWN_WAITING: usize = 50_000;

/// What a page says beside its entries.
#[derive(Clone, Copy)]
pub(crate) struct PageBounds {
    pub(crate) from: Cursor,
    pub(crate) to: Cursor,
    pub(crate) has_more: bool,
    /// 0: nothing was removed.
    pub(crate) compacted_through: i64,
}

/// How an entry of a page relates to the log before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryStatus {
    /// To be applied.
    Applicable,
    /// The same sealed bytes were in the log before, or the entry contradicts them: not to be applied.
    Repeated,
}

impl EntryStatus {
    pub(crate) fn new(is_applicable: bool) -> Self {
        if is_applicable { Self::Applicable } else { Self::Repeated }
    }
}

pub(super) struct LogView {
    pub(super) id: ViewId,
    current: Option<LogScan>,
    /// A scan from the start that has not reached the end yet.
    rebuilding: Option<LogScan>,
    /// Own entries by seq, until every scan has passed them.
    own: BTreeMap<i64, OwnEntry>,
    /// Whether a batch is being sent: it may be in the log already, at an unknown seq.
    pub(super) pushing: bool,
    /// Where the program goes on, provided that it goes on from the last page that it was given.
    pub(super) position: Option<Cursor>,
    /// Where a pull started that is not answered, or whose answer was lost.
    pub(super) pulling: Option<Cursor>,
    /// The seq of the last head.
    last_head: Option<u64>,
}

impl LogView {
    pub(super) fn new(id: ViewId) -> Self {
        Self {
            id,
            current: None,
            rebuilding: None,
            own: BTreeMap::new(),
            pushing: false,
            position: None,
            pulling: None,
            last_head: None,
        }
    }

    pub(super) fn from_state(state: WatchState) -> Self {
        let WatchState { device_id, vault_id, reached, joined_late, streams } = state;
        let scan = LogScan::from_middle(reached, Streams::from_positions(streams), joined_late);
        Self { position: Some(reached), current: Some(scan), ..Self::new(ViewId { device_id, vault_id }) }
    }

    pub(super) fn state(&self) -> Option<WatchState> {
        let ViewId { device_id, vault_id } = self.id;
        let scan = self.current.as_ref()?;
        let (reached, joined_late) = (scan.reached, scan.joined_late());
        let streams = scan.streams.positions().collect();
        Some(WatchState { device_id, vault_id, reached, joined_late, streams })
    }

    pub(super) fn streams(&self) -> Option<&Streams> {
        self.current.as_ref().map(|scan| &scan.streams)
    }

    /// Checks a page, entry by entry.
    pub(super) fn check_page(
        &mut self,
        vault: &Vault,
        bounds: &PageBounds,
        entries: &[ObservedEntry<'_>],
        evidence: &mut Vec<Evidence>,
    ) -> Result<Vec<EntryStatus>, FormatError> {
        (self.pulling, self.position) = (None, Some(bounds.to));
        if bounds.from == Cursor::Start {
            self.rebuilding = Some(LogScan::from_start());
        }
        let rebuilds = self.rebuilding.as_ref().is_some_and(|scan| scan.reached == bounds.from);
        let scan = if rebuilds { self.rebuilding.take() } else { self.current.take() };
        let mut scan = scan.unwrap_or_else(|| LogScan::from_middle(bounds.from, Streams::default(), true));
        if bounds.from.seq() > scan.reached.seq() {
            scan.skip_to(bounds.from);
        }
        scan.note_compaction(bounds.compacted_through);
        let known = self.current.as_ref().filter(|_| rebuilds).map(|scan| &scan.streams);
        let statuses = self.check_entries(&mut scan, known, vault, bounds, entries, evidence)?;
        scan.advance(bounds.to, bounds.has_more);
        let slot = if rebuilds { &mut self.rebuilding } else { &mut self.current };
        *slot = Some(scan);
        self.settle(evidence);
        Ok(statuses)
    }

    fn check_entries(
        &self,
        scan: &mut LogScan,
        known: Option<&Streams>,
        vault: &Vault,
        bounds: &PageBounds,
        entries: &[ObservedEntry<'_>],
        evidence: &mut Vec<Evidence>,
    ) -> Result<Vec<EntryStatus>, FormatError> {
        let reached = scan.reached.seq();
        let mut own = self.own.range((Excluded(reached), Unbounded)).peekable();
        let mut statuses = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.seq <= reached {
                let replaced = scan.streams.replaced(entry.seq, &entry.opened.link);
                statuses.push(EntryStatus::new(replaced.is_none()));
                evidence.extend(replaced);
                continue;
            }
            while let Some((_, earlier)) = own.next_if(|(seq, _)| **seq < entry.seq) {
                scan.observe_own(earlier)?;
            }
            // The server gives this own entry back after all.
            own.next_if(|(seq, _)| **seq == entry.seq);
            let chain = ChainEntry::new(entry.seq, entry.opened);
            evidence.extend(known.and_then(|known| known.contradicted_by(&chain)));
            statuses.push(EntryStatus::new(scan.observe(vault, entry, !self.pushing, evidence)?));
        }
        let rest = own.take_while(|(seq, _)| **seq <= bounds.to.seq());
        rest.map(|(_, entry)| entry).try_for_each(|entry| scan.observe_own(entry))?;
        Ok(statuses)
    }

    /// Replaces the old scan with a complete new one, and forgets own entries that every scan has passed.
    fn settle(&mut self, evidence: &mut Vec<Evidence>) {
        if let Some(rebuilt) = self.rebuilding.take_if(|scan| scan.caught_up) {
            if let Some(known) = &self.current {
                evidence.extend(rebuilt.streams.shorter_than(&known.streams, rebuilt.compacted_through));
            }
            self.current = Some(rebuilt);
        }
        let passed = [&self.current, &self.rebuilding].into_iter().flatten().map(|scan| scan.reached.seq());
        if let Some(passed) = passed.min() {
            self.own = self.own.split_off(&passed.saturating_add(1));
        }
        if self.own.len() > MAX_OWN_WAITING {
            self.drop_rows();
        }
    }

    /// Returns the head for the next batch, once for each position.
    pub(super) fn next_head(&mut self, vault: &Vault) -> Option<Head> {
        let head = self.current.as_mut()?.head(vault)?;
        (self.last_head.replace(head.seq) != Some(head.seq)).then_some(head)
    }

    /// A batch is in the log, and the server says from where it is safe to pull.
    ///
    /// Its cursor is taken if it is the end of the batch and everything before the batch is known. Otherwise the
    /// position that was really reached is returned: the server counts a page as given once it is sent, and that page
    /// may be lost; and a lying server could skip what others wrote.
    pub(super) fn batch_stored(
        &mut self,
        own: Vec<OwnEntry>,
        cursor: Cursor,
        last_seq: Option<i64>,
        is_last_batch: bool,
    ) -> Cursor {
        self.pushing &= !is_last_batch;
        let seqs = last_seq.and_then(|last_seq| seqs_of(&own, last_seq));
        match &seqs {
            Some(seqs) => self.account_for(own, seqs.clone()),
            None => self.drop_rows(),
        }
        if seqs.is_some_and(|seqs| *seqs.end() == cursor.seq()) && self.knows_all_before(cursor.seq()) {
            self.pass_own(cursor);
            self.position = Some(cursor);
        }
        self.settle(&mut Vec::new());
        let earlier = |from: &Cursor| self.position.is_none_or(|position| from.seq() < position.seq());
        self.pulling.filter(earlier).or(self.position).unwrap_or(cursor)
    }

    /// Whether the program is at what was the end of the log at its last pull, with no pull unanswered.
    fn knows_all_before(&self, end: i64) -> bool {
        let is_at_end = |scan: &LogScan| {
            scan.caught_up && Some(scan.reached) == self.position && scan.reached.seq() < end
        };
        self.rebuilding.is_none() && self.pulling.is_none() && self.current.as_ref().is_some_and(is_at_end)
    }

    /// Keeps own entries until a scan reaches them. A scan that has passed them already, while the answer was on its
    /// way, counts them now.
    fn account_for(&mut self, own: Vec<OwnEntry>, seqs: RangeInclusive<i64>) {
        for (seq, entry) in seqs.zip(own) {
            let entry = entry.at(seq);
            for scan in [&mut self.current, &mut self.rebuilding].into_iter().flatten() {
                if seq <= scan.reached.seq() && scan.observe_own(&entry).is_err() {
                    scan.rows = None;
                }
            }
            self.own.insert(seq, entry);
        }
    }

    /// Advances over own entries: from what was reached to this position there are no others.
    fn pass_own(&mut self, to: Cursor) {
        let Some(scan) = &mut self.current else { return };
        for (_, entry) in self.own.range((Excluded(scan.reached.seq()), Included(to.seq()))) {
            if scan.observe_own(entry).is_err() {
                scan.rows = None;
            }
        }
        scan.advance(to, false);
    }

    pub(super) fn batch_refused(&mut self) {
        self.pushing = false;
    }

    pub(super) fn batches_abandoned(&mut self) {
        self.pushing = false;
        self.drop_rows();
    }

    /// Stops tracking rows: something of this client's own may be in the log unseen.
    fn drop_rows(&mut self) {
        for scan in [&mut self.current, &mut self.rebuilding].into_iter().flatten() {
            scan.rows = None;
        }
        self.own.clear();
    }
}

/// Returns the seqs of these entries; `None` if the last one cannot be where the server says.
fn seqs_of(own: &[OwnEntry], last_seq: i64) -> Option<RangeInclusive<i64>> {
    let before = last_seq.checked_sub(i64::try_from(own.len()).ok()?)?;
    (before >= 0 && last_seq < i64::MAX).then(|| before + 1..=last_seq)
}
