//! The rows of a log as a client has been given them, for the digests that writers seal into their entries.
//!
//! A head says what its writer had seen up to some seq. To compare it, the same digest is needed for that seq, which
//! may lie a little back, so recent changes can be undone. Which key a digest is made with is known only once a head
//! names it, and then every row is needed: that is why their names are kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::formats::keys::Secret;
use crate::formats::{FormatError, HeadDigest, Link, Names};

/// Changes that can be undone.
const MAX_UNDO: usize = 4_096;

/// Digests that are kept up to date: those under the current key and under the one before it.
const MAX_DIGESTS: usize = 2;

/// A row's names as they are on the wire.
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

/// The link of a row's newest entry before and since `seq`; `None` while the row does not exist.
#[derive(Clone, Debug)]
struct RowChange {
    seq: i64,
    row: RowName,
    before: Option<Link>,
    after: Option<Link>,
}

/// A digest of all rows that is kept up to date.
#[derive(Clone, Debug)]
struct RunningDigest {
    key_version: u32,
    digest: HeadDigest,
    key: Secret,
}

impl RunningDigest {
    fn update(&mut self, row: &RowName, from: Option<Link>, to: Option<Link>) -> Result<(), FormatError> {
        if let Some(link) = from {
            self.digest.remove(&self.key, &row.names(), &link)?;
        }
        if let Some(link) = to {
            self.digest.add(&self.key, &row.names(), &link)?;
        }
        Ok(())
    }
}

/// The rows that exist, each with the link of its newest entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowSet {
    newest: HashMap<RowName, Link>,
    digests: Vec<RunningDigest>,
    /// Recent changes in ascending order of seq.
    changes: VecDeque<RowChange>,
    /// Changes up to here can no longer be undone.
    settled_seq: i64,
}

impl RowSet {
    pub(crate) fn len(&self) -> usize {
        self.newest.len()
    }

    /// Takes in the entry at `seq`, which is its row's newest unless a later one was observed before. Returns `false`
    /// if it lies too far back, and the set is no longer right.
    pub(crate) fn observe(
        &mut self,
        seq: i64,
        wire: &Names<'_>,
        link: Link,
        deletes: bool,
    ) -> Result<bool, FormatError> {
        if self.changes.len() == MAX_UNDO {
            self.settled_seq = self.changes.pop_front().map_or(self.settled_seq, |change| change.seq);
        }
        if seq <= self.settled_seq {
            return Ok(false);
        }
        let row = RowName::new(wire);
        let after = (!deletes).then_some(link);
        let index = self.changes.partition_point(|change| change.seq < seq);
        let before = match self.changes.range_mut(index..).find(|change| change.row == row) {
            Some(later) => std::mem::replace(&mut later.before, after),
            None => self.replace_newest(&row, after)?,
        };
        self.changes.insert(index, RowChange { seq, row, before, after });
        Ok(true)
    }

    fn replace_newest(&mut self, row: &RowName, after: Option<Link>) -> Result<Option<Link>, FormatError> {
        let before = match after {
            Some(link) => self.newest.insert(row.clone(), link),
            None => self.newest.remove(row),
        };
        for digest in &mut self.digests {
            digest.update(row, before, after)?;
        }
        Ok(before)
    }

    /// Returns the digest up to `seq` under this key; `None` if that lies too far back.
    pub(crate) fn digest_at(
        &mut self,
        seq: i64,
        key_version: u32,
        key: &Secret,
    ) -> Result<Option<[u8; 32]>, FormatError> {
        if seq < self.settled_seq {
            return Ok(None);
        }
        let mut digest = self.digest_under(key_version, key)?.clone();
        for change in self.changes.iter().rev().take_while(|change| change.seq > seq) {
            digest.update(&change.row, change.after, change.before)?;
        }
        Ok(Some(digest.digest.to_bytes()))
    }

    fn digest_under(&mut self, key_version: u32, key: &Secret) -> Result<&RunningDigest, FormatError> {
        if !self.digests.iter().any(|digest| digest.key_version == key_version) {
            let mut digest = RunningDigest { key_version, digest: HeadDigest::default(), key: key.clone() };
            for (row, link) in &self.newest {
                digest.update(row, None, Some(*link))?;
            }
            if self.digests.len() == MAX_DIGESTS {
                self.digests.remove(0);
            }
            self.digests.push(digest);
        }
        let found = self.digests.iter().find(|digest| digest.key_version == key_version);
        Ok(found.expect("it was there, or has just been added"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    fn digest_of(key: &Secret, rows: &[(&str, Link)]) -> [u8; 32] {
        let mut digest = HeadDigest::default();
        for (row, link) in rows {
            digest.add(key, &Names::new("tasks", row), link).unwrap();
        }
        digest.to_bytes()
    }

    fn observe(rows: &mut RowSet, seq: i64, row: &str, deletes: bool) {
        rows.observe(seq, &Names::new("tasks", row), [seq as u8; 16], deletes).unwrap();
    }

    fn digest(rows: &mut RowSet, seq: i64, version: u8) -> Option<[u8; 32]> {
        rows.digest_at(seq, version.into(), &key(version)).unwrap()
    }

    #[test]
    fn the_digest_at_any_recent_seq_under_any_key_is_that_of_the_rows_that_existed() {
        let mut rows = RowSet::default();
        observe(&mut rows, 2, "a", false);
        observe(&mut rows, 3, "b", false);
        assert_eq!(digest(&mut rows, 3, 1), Some(digest_of(&key(1), &[("a", [2; 16]), ("b", [3; 16])])));
        observe(&mut rows, 4, "a", false);
        observe(&mut rows, 5, "b", true);
        for version in [1, 2, 3, 1] {
            let key = key(version);
            assert_eq!(digest(&mut rows, 9, version), Some(digest_of(&key, &[("a", [4; 16])])));
            assert_eq!(
                digest(&mut rows, 4, version),
                Some(digest_of(&key, &[("a", [4; 16]), ("b", [3; 16])]))
            );
            assert_eq!(digest(&mut rows, 2, version), Some(digest_of(&key, &[("a", [2; 16])])));
            assert_eq!(digest(&mut rows, 1, version), Some([0; 32]));
        }
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn an_entry_that_is_observed_late_counts_at_its_own_seq() {
        let (mut late, mut in_order) = (RowSet::default(), RowSet::default());
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
    fn an_entry_that_is_observed_too_late_is_refused() {
        let mut rows = RowSet::default();
        for seq in 3..MAX_UNDO as i64 + 10 {
            observe(&mut rows, seq, "a", false);
        }
        assert!(!rows.observe(2, &Names::new("tasks", "a"), [2; 16], false).unwrap());
    }

    #[test]
    fn a_seq_too_far_back_has_no_digest() {
        let mut rows = RowSet::default();
        for seq in 2..MAX_UNDO as i64 + 10 {
            observe(&mut rows, seq, "a", false);
        }
        assert_eq!(digest(&mut rows, 2, 1), None);
        assert!(digest(&mut rows, MAX_UNDO as i64, 1).is_some());
    }

    #[test]
    fn rows_whose_names_concatenate_to_the_same_text_are_told_apart() {
        let mut rows = RowSet::default();
        rows.observe(2, &Names::new("ab", "c"), [2; 16], false).unwrap();
        rows.observe(3, &Names::new("a", "bc"), [3; 16], false).unwrap();
        assert_eq!(rows.len(), 2);
    }
}
