//! The chain of each stream: which counter comes next, and the link that the next entry must name.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, StreamName};
use crate::formats::{Link, OpenedEntry, StreamId};

/// Entries whose links are remembered, to tell a repeat from a fork.
const MAX_RECENT: usize = 4_096;

/// How far a stream was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamPosition {
    /// The counter of the next entry.
    pub(crate) next: u64,
    /// The link of the entry before it.
    link: Link,
    /// The seq of the entry before it.
    pub(crate) seq: i64,
}

/// An entry as a link in the chain of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainEntry {
    pub(crate) seq: i64,
    pub(crate) stream: StreamId,
    pub(crate) counter: u64,
    pub(crate) prev: Link,
    pub(crate) link: Link,
}

impl ChainEntry {
    pub(crate) fn new(seq: i64, opened: &OpenedEntry) -> Self {
        Self { seq, stream: opened.stream, counter: opened.counter, prev: opened.prev, link: opened.link }
    }
}

/// Whether an entry continues its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainCheck {
    /// It is the next one, or the first one seen of its stream.
    Next,
    /// The same sealed bytes were in the log before.
    Duplicate,
    /// It cannot be in an honest log.
    Broken(Evidence),
}

/// Gaps that an honest server can have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AllowedGaps {
    /// The log was not seen from its start, so the first entry seen of a stream may have any counter.
    pub(crate) joined_late: bool,
    /// Superseded entries up to here may have been removed.
    pub(crate) compacted_through: i64,
}

/// All streams of a log, as far as they were seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    positions: HashMap<StreamId, StreamPosition>,
    /// Streams of which something may have passed unseen: any next counter is accepted once.
    loose: HashSet<StreamId>,
    recent: VecDeque<ChainEntry>,
}

impl Streams {
    pub(crate) fn from_positions(positions: impl IntoIterator<Item = (StreamId, StreamPosition)>) -> Self {
        Self { positions: positions.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn positions(&self) -> impl Iterator<Item = (StreamId, StreamPosition)> + '_ {
        self.positions.iter().map(|(stream, position)| (*stream, *position))
    }

    /// Accepts one gap in each stream known so far.
    pub(crate) fn loosen(&mut self) {
        self.loose = self.positions.keys().copied().collect();
    }

    /// Checks the next entry of the log, and goes on from it.
    pub(crate) fn observe(&mut self, entry: ChainEntry, gaps: AllowedGaps) -> ChainCheck {
        let check = self.check(&entry, gaps);
        let advances = match check {
            ChainCheck::Next => true,
            ChainCheck::Duplicate => false,
            // After a fork the newer branch is followed, so that each fork is reported once.
            ChainCheck::Broken(_) => {
                self.positions.get(&entry.stream).is_none_or(|position| entry.counter >= position.next)
            }
        };
        if advances {
            self.advance(&entry);
        }
        check
    }

    fn check(&self, entry: &ChainEntry, gaps: AllowedGaps) -> ChainCheck {
        let AllowedGaps { joined_late, compacted_through } = gaps;
        let stream = StreamName(entry.stream);
        let ChainEntry { counter, seq, .. } = *entry;
        let missing =
            |expected| ChainCheck::Broken(Evidence::Missing { stream, expected, found: counter, seq });
        let forked = ChainCheck::Broken(Evidence::Forked { stream, counter, seq });
        let Some(position) = self.positions.get(&entry.stream) else {
            let excused = counter == 0 || joined_late || compacted_through > 0;
            return if excused { ChainCheck::Next } else { missing(0) };
        };
        if counter < position.next {
            let contradicts = |recent: &ChainEntry| {
                recent.stream == entry.stream && recent.counter == counter && recent.link != entry.link
            };
            return if self.recent.iter().rev().any(contradicts) { forked } else { ChainCheck::Duplicate };
        }
        if counter > position.next {
            let excused = self.loose.contains(&entry.stream) || position.seq <= compacted_through;
            return if excused { ChainCheck::Next } else { missing(position.next) };
        }
        if entry.prev == position.link { ChainCheck::Next } else { forked }
    }

    fn advance(&mut self, entry: &ChainEntry) {
        let position =
            StreamPosition { next: entry.counter.saturating_add(1), link: entry.link, seq: entry.seq };
        self.positions.insert(entry.stream, position);
        self.loose.remove(&entry.stream);
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(*entry);
    }

    /// Compares an entry that is given again with the one remembered under the same seq.
    pub(crate) fn replaced(&self, seq: i64, link: &Link) -> Option<Evidence> {
        let at = self.recent.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        (self.recent[at].link != *link).then_some(Evidence::Replaced { seq })
    }

    /// Compares an entry with the last one known of its stream, if it has the same counter.
    pub(crate) fn contradicted_by(&self, entry: &ChainEntry) -> Option<Evidence> {
        let ChainEntry { stream, counter, seq, link, .. } = *entry;
        let last = self.positions.get(&stream)?;
        let differs = last.next == counter.saturating_add(1) && last.link != link;
        differs.then_some(Evidence::Forked { stream: StreamName(stream), counter, seq })
    }

    /// Returns evidence of the streams that are shorter here than they are in `known`.
    pub(crate) fn shorter_than<'s>(
        &'s self,
        known: &'s Self,
        compacted_through: i64,
    ) -> impl Iterator<Item = Evidence> + 's {
        known.positions.iter().filter_map(move |(stream, last)| {
            let given = self.positions.get(stream).map_or(0, |position| position.next);
            let withheld = given < last.next && last.seq > compacted_through;
            withheld.then_some(Evidence::Withheld { stream: StreamName(*stream), known: last.next, given })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: AllowedGaps = AllowedGaps { joined_late: false, compacted_through: 0 };

    fn entry(seq: i64, counter: u64) -> ChainEntry {
        let link_of = |counter: u64| {
            let mut link = Link::default();
            link[..8].copy_from_slice(&counter.to_le_bytes());
            link
        };
        let prev = if counter == 0 { Link::default() } else { link_of(counter) };
        ChainEntry { seq, stream: [1; 8], counter, prev, link: link_of(counter + 1) }
    }

    fn seen(counters: impl IntoIterator<Item = u64>) -> Streams {
        let mut streams = Streams::default();
        for counter in counters {
            assert_eq!(streams.observe(entry(counter as i64 + 2, counter), STRICT), ChainCheck::Next);
        }
        streams
    }

    #[test]
    fn a_stream_without_gaps_is_in_order() {
        assert_eq!(seen(0..10).positions[&[1; 8]].next, 10);
    }

    #[test]
    fn a_gap_is_reported_as_missing_once() {
        let mut streams = seen(0..3);
        let expected = Evidence::Missing { stream: StreamName([1; 8]), expected: 3, found: 5, seq: 9 };
        assert_eq!(streams.observe(entry(9, 5), STRICT), ChainCheck::Broken(expected));
        assert_eq!(streams.observe(entry(10, 6), STRICT), ChainCheck::Next);
    }

    #[test]
    fn a_stream_whose_first_entries_never_came_is_missing_them() {
        assert!(matches!(
            Streams::default().observe(entry(9, 2), STRICT),
            ChainCheck::Broken(Evidence::Missing { expected: 0, found: 2, .. })
        ));
    }

    #[test]
    fn a_client_that_joined_late_accepts_any_first_counter_and_then_no_gap() {
        let mut streams = Streams::default();
        let late = AllowedGaps { joined_late: true, ..STRICT };
        assert_eq!(streams.observe(entry(9, 2), late), ChainCheck::Next);
        assert!(matches!(streams.observe(entry(10, 4), late), ChainCheck::Broken(_)));
    }

    #[test]
    fn compacted_entries_are_not_missed_and_later_ones_are() {
        let compacted = AllowedGaps { joined_late: false, compacted_through: 4 };
        let mut streams = seen(0..3);
        assert_eq!(streams.observe(entry(9, 5), compacted), ChainCheck::Next);
        assert!(matches!(streams.observe(entry(10, 7), compacted), ChainCheck::Broken(_)));
    }

    #[test]
    fn the_same_entry_again_is_a_duplicate_and_another_one_under_its_counter_a_fork() {
        let mut streams = seen(0..3);
        assert_eq!(streams.observe(entry(9, 1), STRICT), ChainCheck::Duplicate);
        let other = ChainEntry { link: [9; 16], ..entry(10, 1) };
        assert!(matches!(streams.observe(other, STRICT), ChainCheck::Broken(Evidence::Forked { .. })));
    }

    #[test]
    fn an_entry_that_links_to_another_past_is_a_fork() {
        let mut streams = seen(0..3);
        let other = ChainEntry { prev: [9; 16], ..entry(9, 3) };
        assert!(matches!(
            streams.observe(other, STRICT),
            ChainCheck::Broken(Evidence::Forked { counter: 3, .. })
        ));
    }

    #[test]
    fn an_earlier_entry_that_was_replaced_is_noticed() {
        let streams = seen(0..3);
        assert_eq!(streams.replaced(3, &entry(3, 1).link), None);
        assert_eq!(streams.replaced(3, &[9; 16]), Some(Evidence::Replaced { seq: 3 }));
        assert_eq!(streams.replaced(99, &[9; 16]), None);
    }

    #[test]
    fn a_stream_that_was_longer_is_withheld_unless_it_may_have_been_compacted() {
        let (known, given) = (seen(0..5), seen(0..3));
        let withheld = Evidence::Withheld { stream: StreamName([1; 8]), known: 5, given: 3 };
        assert_eq!(given.shorter_than(&known, 0).collect::<Vec<_>>(), [withheld]);
        assert_eq!(given.shorter_than(&known, 6).count(), 0);
        assert_eq!(known.shorter_than(&given, 0).count(), 0);
    }
}
