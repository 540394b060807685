//! What is known of one log: how far it was seen, and which of its entries are this client's own.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::ops::RangeInclusive;

use tidelog_protocol::Cursor;

use super::Subject;
use super::evidence::Evidence;
use super::pass::{Observed, OwnEntry, Pass};
use super::state::WatchState;
use super::streams::{Place, Streams};
use crate::formats::{FormatError, Head, Vault};

/// Own entries that wait for a pull to pass them; with more, the rows are no longer kept in mind.
const MAX_OWN_WAITING: usize = 50_000;

/// A page beside its entries.
#[derive(Clone, Copy)]
pub(crate) struct PageFrame {
    pub(crate) from: Cursor,
    pub(crate) to: Cursor,
    pub(crate) has_more: bool,
    /// 0: nothing was removed.
    pub(crate) compacted_through: i64,
}

/// What an entry of a page is to what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// To be applied.
    Fits,
    /// The same sealed bytes were in the log before, or it contradicts them: not to be applied.
    Repeated,
}

pub(super) struct Picture {
    pub(super) subject: Subject,
    current: Option<Pass>,
    /// A way from the beginning that is not at its end yet.
    rebuilding: Option<Pass>,
    /// Own entries by their place, until every pass has passed them.
    own: BTreeMap<i64, OwnEntry>,
    /// Whether a batch is on its way: it may be in the log already, in a place that is not known.
    pub(super) sending: bool,
    /// Where the program goes on, if it goes on from the last page that it was given.
    pub(super) position: Option<Cursor>,
    /// Where a pull began that is on its way, or was lost.
    pub(super) pulling: Option<Cursor>,
    /// Up to where the last head told what was seen.
    head_told: Option<u64>,
}

impl Picture {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            subject,
            current: None,
            rebuilding: None,
            own: BTreeMap::new(),
            sending: false,
            position: None,
            pulling: None,
            head_told: None,
        }
    }

    pub(super) fn restored(state: WatchState) -> Self {
        let WatchState { device_id, vault_id, reached, joined_late, streams } = state;
        let pass = Pass::from_middle(reached, Streams::from_positions(streams), joined_late);
        Self { position: Some(reached), current: Some(pass), ..Self::new(Subject { device_id, vault_id }) }
    }

    pub(super) fn saved(&self) -> Option<WatchState> {
        let Subject { device_id, vault_id } = self.subject;
        let pass = self.current.as_ref()?;
        let streams = pass.streams.positions().collect();
        Some(WatchState {
            device_id,
            vault_id,
            reached: pass.reached,
            joined_late: pass.joined_late(),
            streams,
        })
    }

    pub(super) fn streams(&self) -> Option<&Streams> {
        self.current.as_ref().map(|pass| &pass.streams)
    }

    /// Looks at a page, entry by entry.
    pub(super) fn look(
        &mut self,
        vault: &Vault,
        frame: &PageFrame,
        entries: &[Observed<'_>],
        evidence: &mut Vec<Evidence>,
    ) -> Result<Vec<Standing>, FormatError> {
        (self.pulling, self.position) = (None, Some(frame.to));
        if frame.from == Cursor::Start {
            self.rebuilding = Some(Pass::from_start());
        }
        let rebuilds = self.rebuilding.as_ref().is_some_and(|pass| pass.reached == frame.from);
        let pass = if rebuilds { self.rebuilding.take() } else { self.current.take() };
        let mut pass = pass.unwrap_or_else(|| Pass::from_middle(frame.from, Streams::default(), true));
        if frame.from.seq() > pass.reached.seq() {
            pass.jump(frame.from);
        }
        pass.note_compaction(frame.compacted_through);
        let known = self.current.as_ref().filter(|_| rebuilds).map(|pass| &pass.streams);
        let standings = self.walk(&mut pass, known, vault, frame, entries, evidence)?;
        pass.arrive(frame.to, frame.has_more);
        let slot = if rebuilds { &mut self.rebuilding } else { &mut self.current };
        *slot = Some(pass);
        self.settle(evidence);
        Ok(standings)
    }

    fn walk(
        &self,
        pass: &mut Pass,
        known: Option<&Streams>,
        vault: &Vault,
        frame: &PageFrame,
        entries: &[Observed<'_>],
        evidence: &mut Vec<Evidence>,
    ) -> Result<Vec<Standing>, FormatError> {
        let reached = pass.reached.seq();
        let mut own = self.own.range((Excluded(reached), Unbounded)).peekable();
        let mut standings = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.seq <= reached {
                let replaced = pass.streams.recall(entry.seq, &entry.opened.link);
                standings.push(if replaced.is_none() { Standing::Fits } else { Standing::Repeated });
                evidence.extend(replaced);
                continue;
            }
            while let Some((_, earlier)) = own.next_if(|(seq, _)| **seq < entry.seq) {
                pass.observe_own(earlier)?;
            }
            // The server gives it back after all.
            own.next_if(|(seq, _)| **seq == entry.seq);
            let place = Place::of(entry.seq, entry.opened);
            evidence.extend(known.and_then(|known| known.contradicted_by(&place)));
            let fits = pass.observe(vault, entry, !self.sending, evidence)?;
            standings.push(if fits { Standing::Fits } else { Standing::Repeated });
        }
        let rest = own.take_while(|(seq, _)| **seq <= frame.to.seq());
        rest.map(|(_, entry)| entry).try_for_each(|entry| pass.observe_own(entry))?;
        Ok(standings)
    }

    /// Puts a complete new picture in the place of the old one, and forgets own entries that every pass has passed.
    fn settle(&mut self, evidence: &mut Vec<Evidence>) {
        if let Some(rebuilt) = self.rebuilding.take_if(|pass| pass.caught_up) {
            if let Some(known) = &self.current {
                evidence.extend(rebuilt.streams.shorter_than(&known.streams, rebuilt.compacted_through));
            }
            self.current = Some(rebuilt);
        }
        let passed = [&self.current, &self.rebuilding].into_iter().flatten().map(|pass| pass.reached.seq());
        if let Some(passed) = passed.min() {
            self.own = self.own.split_off(&passed.saturating_add(1));
        }
        if self.own.len() > MAX_OWN_WAITING {
            self.lose_rows();
        }
    }

    /// What the next batch is to tell, once for each place.
    pub(super) fn head(&mut self, vault: &Vault) -> Option<Head> {
        let head = self.current.as_mut()?.head(vault)?;
        if self.head_told == Some(head.seq) {
            return None;
        }
        self.head_told = Some(head.seq);
        Some(head)
    }

    /// A batch is in the log, and the server says from where it is safe to pull.
    ///
    /// Its word counts where it is the end of the batch and everything before that is known. Otherwise the place is given that
    /// was really reached: the server counts a page as given once it is on its way, and that page may be lost; and a server
    /// that lies could lead past what others wrote.
    pub(super) fn sent(
        &mut self,
        own: Vec<OwnEntry>,
        cursor: Cursor,
        last_seq: Option<i64>,
        last_batch: bool,
    ) -> Cursor {
        self.sending &= !last_batch;
        let places = last_seq.and_then(|last_seq| places_of(&own, last_seq));
        match &places {
            Some(places) => self.account_for(own, places.clone()),
            None => self.lose_rows(),
        }
        if places.is_some_and(|places| *places.end() == cursor.seq()) && self.knows_all_before(cursor.seq()) {
            self.pass_own(cursor);
            self.position = Some(cursor);
        }
        self.settle(&mut Vec::new());
        let earlier = |from: &Cursor| self.position.is_none_or(|position| from.seq() < position.seq());
        self.pulling.filter(earlier).or(self.position).unwrap_or(cursor)
    }

    /// Whether the program stands where the log ended when it was last given something, with nothing on its way.
    fn knows_all_before(&self, end: i64) -> bool {
        let stands_at_end =
            |pass: &Pass| pass.caught_up && Some(pass.reached) == self.position && pass.reached.seq() < end;
        self.rebuilding.is_none()
            && self.pulling.is_none()
            && self.current.as_ref().is_some_and(stands_at_end)
    }

    /// Keeps own entries for when a pass comes by. One that has passed their place already, while the answer was on its way,
    /// counts them now.
    fn account_for(&mut self, own: Vec<OwnEntry>, places: RangeInclusive<i64>) {
        for (seq, entry) in places.zip(own) {
            let entry = entry.at(seq);
            for pass in [&mut self.current, &mut self.rebuilding].into_iter().flatten() {
                if seq <= pass.reached.seq() && pass.observe_own(&entry).is_err() {
                    pass.rows = None;
                }
            }
            self.own.insert(seq, entry);
        }
    }

    /// From what was reached to this place there are own entries only.
    fn pass_own(&mut self, to: Cursor) {
        let Some(pass) = &mut self.current else { return };
        for (_, entry) in self.own.range((Excluded(pass.reached.seq()), Included(to.seq()))) {
            if pass.observe_own(entry).is_err() {
                pass.rows = None;
            }
        }
        pass.arrive(to, false);
    }

    pub(super) fn gave_up(&mut self, outcome_known: bool) {
        self.sending = false;
        if !outcome_known {
            self.lose_rows();
        }
    }

    /// Something of this client's own may stand in the log unseen.
    fn lose_rows(&mut self) {
        for pass in [&mut self.current, &mut self.rebuilding].into_iter().flatten() {
            pass.rows = None;
        }
        self.own.clear();
    }
}

/// The places of these entries; `None` if the last one cannot be where the server says.
fn places_of(own: &[OwnEntry], last_seq: i64) -> Option<RangeInclusive<i64>> {
    let before = last_seq.checked_sub(i64::try_from(own.len()).ok()?)?;
    (before >= 0 && last_seq < i64::MAX).then(|| before + 1..=last_seq)
}
