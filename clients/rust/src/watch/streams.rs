//! Where each stream stands: the number that comes next, and the link that it must follow.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, StreamName};
use crate::formats::stream::StreamId;
use crate::formats::{Link, Opened};

/// Entries whose links are remembered, to tell a repeat from a fork.
const REMEMBERED: usize = 4_096;

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The number that comes next.
    pub(crate) next: u64,
    /// The link of the entry before it.
    link: Link,
    /// The place of that entry in the log.
    pub(crate) seq: i64,
}

/// An entry in its place in the log and in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) seq: i64,
    pub(crate) stream: StreamId,
    pub(crate) counter: u64,
    pub(crate) prev: Link,
    pub(crate) link: Link,
}

impl Place {
    pub(crate) fn of(seq: i64, opened: &Opened) -> Self {
        Self { seq, stream: opened.stream, counter: opened.counter, prev: opened.prev, link: opened.link }
    }
}

/// What an entry is to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The one that comes next, or the first that is seen of a stream.
    Next,
    /// One that was there before: the same sealed bytes once more.
    Duplicate,
    /// One that cannot be there.
    Wrong(Evidence),
}

/// What may be missing without a fault of the server's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Not everything before has been seen: any number may be a stream's first.
    pub(crate) joined_late: bool,
    /// Superseded entries up to here may be gone.
    pub(crate) compacted_through: i64,
}

/// All streams of a log, as far as they were seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    positions: HashMap<StreamId, Position>,
    /// Streams of which something may have passed unseen: the next number of each is taken as it comes.
    loose: HashSet<StreamId>,
    recent: VecDeque<Place>,
}

impl Streams {
    pub(crate) fn from_positions(positions: impl IntoIterator<Item = (StreamId, Position)>) -> Self {
        Self { positions: positions.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn positions(&self) -> impl Iterator<Item = (StreamId, Position)> + '_ {
        self.positions.iter().map(|(stream, position)| (*stream, *position))
    }

    /// From here on, gaps in what is known so far are no evidence.
    pub(crate) fn loosen(&mut self) {
        self.loose = self.positions.keys().copied().collect();
    }

    /// Judges the next entry of the log, and goes on from it.
    pub(crate) fn observe(&mut self, place: Place, allowance: Allowance) -> Verdict {
        let verdict = self.judge(&place, allowance);
        let goes_on = match verdict {
            Verdict::Next => true,
            Verdict::Duplicate => false,
            // After a fork the stream is followed where it leads, so that each is told once.
            Verdict::Wrong(_) => {
                self.positions.get(&place.stream).is_none_or(|position| place.counter >= position.next)
            }
        };
        if goes_on {
            self.advance(&place);
        }
        verdict
    }

    fn judge(&self, place: &Place, allowance: Allowance) -> Verdict {
        let Allowance { joined_late, compacted_through } = allowance;
        let stream = StreamName(place.stream);
        let Place { counter, seq, .. } = *place;
        let missing = |expected| Verdict::Wrong(Evidence::Missing { stream, expected, found: counter, seq });
        let forked = Verdict::Wrong(Evidence::Forked { stream, counter, seq });
        let Some(position) = self.positions.get(&place.stream) else {
            let excused = counter == 0 || joined_late || compacted_through > 0;
            return if excused { Verdict::Next } else { missing(0) };
        };
        if counter < position.next {
            let known = self.recent.iter().rev().find(|known| {
                known.stream == place.stream && known.counter == counter && known.link != place.link
            });
            return if known.is_some() { forked } else { Verdict::Duplicate };
        }
        if counter > position.next {
            let excused = self.loose.contains(&place.stream) || position.seq <= compacted_through;
            return if excused { Verdict::Next } else { missing(position.next) };
        }
        if place.prev == position.link { Verdict::Next } else { forked }
    }

    fn advance(&mut self, place: &Place) {
        let position = Position { next: place.counter.saturating_add(1), link: place.link, seq: place.seq };
        self.positions.insert(place.stream, position);
        self.loose.remove(&place.stream);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(*place);
    }

    /// An entry of the past comes again: whether it is another one than it was, as far as that is remembered.
    pub(crate) fn recall(&self, seq: i64, link: &Link) -> Option<Evidence> {
        let at = self.recent.binary_search_by_key(&seq, |place| place.seq).ok()?;
        (self.recent[at].link != *link).then_some(Evidence::Replaced { seq })
    }

    /// Whether this entry stands where the last one of its stream stood, and is another one.
    pub(crate) fn contradicted_by(&self, place: &Place) -> Option<Evidence> {
        let Place { stream, counter, seq, link, .. } = *place;
        let last = self.positions.get(&stream)?;
        let other = last.next == counter.saturating_add(1) && last.link != link;
        other.then_some(Evidence::Forked { stream: StreamName(stream), counter, seq })
    }

    /// The streams that were `known` to be longer than they are here.
    pub(crate) fn shorter_than<'s>(
        &'s self,
        known: &'s Self,
        compacted_through: i64,
    ) -> impl Iterator<Item = Evidence> + 's {
        known.positions.iter().filter_map(move |(stream, last)| {
            let given = self.positions.get(stream).map_or(0, |position| position.next);
            let gone = given < last.next && last.seq > compacted_through;
            gone.then_some(Evidence::Withheld { stream: StreamName(*stream), known: last.next, given })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Allowance = Allowance { joined_late: false, compacted_through: 0 };

    fn place(seq: i64, counter: u64) -> Place {
        let link_of = |counter: u64| {
            let mut link = Link::default();
            link[..8].copy_from_slice(&counter.to_le_bytes());
            link
        };
        let prev = if counter == 0 { Link::default() } else { link_of(counter) };
        Place { seq, stream: [1; 8], counter, prev, link: link_of(counter + 1) }
    }

    fn seen(counters: impl IntoIterator<Item = u64>) -> Streams {
        let mut streams = Streams::default();
        for counter in counters {
            assert_eq!(streams.observe(place(counter as i64 + 2, counter), STRICT), Verdict::Next);
        }
        streams
    }

    #[test]
    fn a_stream_that_goes_on_is_in_order() {
        assert_eq!(seen(0..10).positions[&[1; 8]].next, 10);
    }

    #[test]
    fn a_gap_is_missing_and_told_once() {
        let mut streams = seen(0..3);
        let expected = Evidence::Missing { stream: StreamName([1; 8]), expected: 3, found: 5, seq: 9 };
        assert_eq!(streams.observe(place(9, 5), STRICT), Verdict::Wrong(expected));
        assert_eq!(streams.observe(place(10, 6), STRICT), Verdict::Next);
    }

    #[test]
    fn a_stream_whose_beginning_never_came_is_missing_it() {
        assert!(matches!(
            Streams::default().observe(place(9, 2), STRICT),
            Verdict::Wrong(Evidence::Missing { expected: 0, found: 2, .. })
        ));
    }

    #[test]
    fn who_joined_late_takes_a_stream_as_it_comes_and_then_no_gap() {
        let mut streams = Streams::default();
        let late = Allowance { joined_late: true, ..STRICT };
        assert_eq!(streams.observe(place(9, 2), late), Verdict::Next);
        assert!(matches!(streams.observe(place(10, 4), late), Verdict::Wrong(_)));
    }

    #[test]
    fn what_was_compacted_away_is_not_missed_and_what_came_later_is() {
        let compacted = Allowance { joined_late: false, compacted_through: 4 };
        let mut streams = seen(0..3);
        assert_eq!(streams.observe(place(9, 5), compacted), Verdict::Next);
        assert!(matches!(streams.observe(place(10, 7), compacted), Verdict::Wrong(_)));
    }

    #[test]
    fn the_same_entry_again_is_a_duplicate_and_another_one_in_its_place_a_fork() {
        let mut streams = seen(0..3);
        assert_eq!(streams.observe(place(9, 1), STRICT), Verdict::Duplicate);
        let other = Place { link: [9; 16], ..place(10, 1) };
        assert!(matches!(streams.observe(other, STRICT), Verdict::Wrong(Evidence::Forked { .. })));
    }

    #[test]
    fn an_entry_that_follows_another_past_is_a_fork() {
        let mut streams = seen(0..3);
        let other = Place { prev: [9; 16], ..place(9, 3) };
        assert!(matches!(
            streams.observe(other, STRICT),
            Verdict::Wrong(Evidence::Forked { counter: 3, .. })
        ));
    }

    #[test]
    fn an_entry_of_the_past_that_is_another_now_is_noticed() {
        let streams = seen(0..3);
        assert_eq!(streams.recall(3, &place(3, 1).link), None);
        assert_eq!(streams.recall(3, &[9; 16]), Some(Evidence::Replaced { seq: 3 }));
        assert_eq!(streams.recall(99, &[9; 16]), None);
    }

    #[test]
    fn a_stream_that_was_longer_is_withheld_unless_it_may_be_compacted() {
        let (known, given) = (seen(0..5), seen(0..3));
        let withheld = Evidence::Withheld { stream: StreamName([1; 8]), known: 5, given: 3 };
        assert_eq!(given.shorter_than(&known, 0).collect::<Vec<_>>(), [withheld]);
        assert_eq!(given.shorter_than(&known, 6).count(), 0);
        assert_eq!(known.shorter_than(&given, 0).count(), 0);
    }
}
