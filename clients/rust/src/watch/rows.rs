//! The rows of a log as a client has been given them, for the sums that writers seal into their entries.
//!
//! A head says what its writer had seen up to some place; to compare, the same sum is needed for that place, which may lie a
//! little back. So the last changes can be undone in thought. Which key a sum is made with is known only when a head names it,
//! and then every row is needed: that is why their names are kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::formats::keys::Secret;
use crate::formats::{FormatError, HeadDigest, Link, Names};

/// Changes that can be undone in thought.
const UNDOABLE: usize = 4_096;

/// Sums kept up to date: those of the current key and of the one before it.
const SUMS: usize = 2;

/// A row's names as they stand on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RowName {
    text: Arc<str>,
    table_len: usize,
}

impl RowName {
    fn new(wire: &Names<'_>) -> Self {
        Self { text: format!("{}{}", wire.table, wire.row_id).into(), table_len: wire.table.len() }
    }

    fn names(&self) -> Names<'_> {
        let (table, row_id) = self.text.split_at(self.table_len);
        Names::new(table, row_id)
    }
}

/// A row's newest entry was `before` and is `after` since `seq`; `None` where the row is not there.
#[derive(Clone, Debug)]
struct Step {
    seq: i64,
    row: RowName,
    before: Option<Link>,
    after: Option<Link>,
}

/// A running sum.
#[derive(Clone, Debug)]
struct Sum {
    key_version: u32,
    digest: HeadDigest,
    key: Secret,
}

impl Sum {
    fn change(&mut self, row: &RowName, from: Option<Link>, to: Option<Link>) -> Result<(), FormatError> {
        if let Some(link) = from {
            self.digest.remove(&self.key, &row.names(), &link)?;
        }
        if let Some(link) = to {
            self.digest.add(&self.key, &row.names(), &link)?;
        }
        Ok(())
    }
}

/// The rows that are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    newest: HashMap<RowName, Link>,
    sums: Vec<Sum>,
    steps: VecDeque<Step>,
    /// Everything up to here can no longer be undone.
    settled_seq: i64,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.newest.len()
    }

    /// There is an entry at `seq`: its row's newest, unless a later one of the row was observed before. `false`: it lies too
    /// far back for what is kept, and the rows are no longer right.
    pub(crate) fn observe(
        &mut self,
        seq: i64,
        wire: &Names<'_>,
        link: Link,
        deletes: bool,
    ) -> Result<bool, FormatError> {
        if self.steps.len() == UNDOABLE {
            self.settled_seq = self.steps.pop_front().map_or(self.settled_seq, |step| step.seq);
        }
        if seq <= self.settled_seq {
            return Ok(false);
        }
        let row = RowName::new(wire);
        let after = (!deletes).then_some(link);
        let place = self.steps.partition_point(|step| step.seq < seq);
        let before = match self.steps.range_mut(place..).find(|step| step.row == row) {
            Some(later) => std::mem::replace(&mut later.before, after),
            None => self.replace_newest(&row, after)?,
        };
        self.steps.insert(place, Step { seq, row, before, after });
        Ok(true)
    }

    fn replace_newest(&mut self, row: &RowName, after: Option<Link>) -> Result<Option<Link>, FormatError> {
        let before = match after {
            Some(link) => self.newest.insert(row.clone(), link),
            None => self.newest.remove(row),
        };
        for sum in &mut self.sums {
            sum.change(row, before, after)?;
        }
        Ok(before)
    }

    /// The sum up to `seq` under this key; `None` if that lies too far back.
    pub(crate) fn digest_at(
        &mut self,
        seq: i64,
        key_version: u32,
        key: &Secret,
    ) -> Result<Option<[u8; 32]>, FormatError> {
        if seq < self.settled_seq {
            return Ok(None);
        }
        let mut sum = self.sum(key_version, key)?.clone();
        for step in self.steps.iter().rev().take_while(|step| step.seq > seq) {
            sum.change(&step.row, step.after, step.before)?;
        }
        Ok(Some(sum.digest.to_bytes()))
    }

    fn sum(&mut self, key_version: u32, key: &Secret) -> Result<&Sum, FormatError> {
        if !self.sums.iter().any(|sum| sum.key_version == key_version) {
            let mut sum = Sum { key_version, digest: HeadDigest::default(), key: key.clone() };
            for (row, link) in &self.newest {
                sum.change(row, None, Some(*link))?;
            }
            if self.sums.len() == SUMS {
                self.sums.remove(0);
            }
            self.sums.push(sum);
        }
        let found = self.sums.iter().find(|sum| sum.key_version == key_version);
        Ok(found.expect("it was there, or has just been put there"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    fn sum_of(key: &Secret, rows: &[(&str, Link)]) -> [u8; 32] {
        let mut digest = HeadDigest::default();
        for (row, link) in rows {
            digest.add(key, &Names::new("tasks", row), link).unwrap();
        }
        digest.to_bytes()
    }

    fn observe(rows: &mut Rows, seq: i64, row: &str, deletes: bool) {
        rows.observe(seq, &Names::new("tasks", row), [seq as u8; 16], deletes).unwrap();
    }

    fn digest(rows: &mut Rows, seq: i64, version: u8) -> Option<[u8; 32]> {
        rows.digest_at(seq, version.into(), &key(version)).unwrap()
    }

    #[test]
    fn the_sum_of_any_recent_place_and_of_any_key_is_that_of_the_rows_there_were() {
        let mut rows = Rows::default();
        observe(&mut rows, 2, "a", false);
        observe(&mut rows, 3, "b", false);
        assert_eq!(digest(&mut rows, 3, 1), Some(sum_of(&key(1), &[("a", [2; 16]), ("b", [3; 16])])));
        observe(&mut rows, 4, "a", false);
        observe(&mut rows, 5, "b", true);
        for version in [1, 2, 3, 1] {
            let key = key(version);
            assert_eq!(digest(&mut rows, 9, version), Some(sum_of(&key, &[("a", [4; 16])])));
            assert_eq!(digest(&mut rows, 4, version), Some(sum_of(&key, &[("a", [4; 16]), ("b", [3; 16])])));
            assert_eq!(digest(&mut rows, 2, version), Some(sum_of(&key, &[("a", [2; 16])])));
            assert_eq!(digest(&mut rows, 1, version), Some([0; 32]));
        }
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn an_entry_that_is_heard_of_late_counts_where_it_stands() {
        let (mut late, mut in_order) = (Rows::default(), Rows::default());
        let entries = [(2, "a", false), (3, "b", false), (4, "a", true), (5, "b", false), (6, "c", false)];
        for (seq, row, deletes) in entries {
            observe(&mut in_order, seq, row, deletes);
        }
        for index in [0, 3, 4, 2, 1] {
            let (seq, row, deletes) = entries[index];
            observe(&mut late, seq, row, deletes);
            digest(&mut late, seq, 1);
        }
        for seq in 1..7 {
            assert_eq!(digest(&mut late, seq, 1), digest(&mut in_order, seq, 1), "{seq}");
        }
    }

    #[test]
    fn an_entry_that_is_heard_of_too_late_is_refused() {
        let mut rows = Rows::default();
        for seq in 3..UNDOABLE as i64 + 10 {
            observe(&mut rows, seq, "a", false);
        }
        assert!(!rows.observe(2, &Names::new("tasks", "a"), [2; 16], false).unwrap());
    }

    #[test]
    fn a_place_too_far_back_has_no_sum() {
        let mut rows = Rows::default();
        for seq in 2..UNDOABLE as i64 + 10 {
            observe(&mut rows, seq, "a", false);
        }
        assert_eq!(digest(&mut rows, 2, 1), None);
        assert!(digest(&mut rows, UNDOABLE as i64, 1).is_some());
    }

    #[test]
    fn rows_whose_names_run_together_the_same_way_are_told_apart() {
        let mut rows = Rows::default();
        rows.observe(2, &Names::new("ab", "c"), [2; 16], false).unwrap();
        rows.observe(3, &Names::new("a", "bc"), [3; 16], false).unwrap();
        assert_eq!(rows.len(), 2);
    }
}
