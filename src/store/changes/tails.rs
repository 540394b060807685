//! The tail of a log: its newest batches, which are not filed yet.
//!
//! A new batch is a line in `unfiled_batches`, where all logs write to the same page; see `filing` for how it gets to its place.
//! Until then it is found through memory. What is kept here is what is committed: the writer changes it right after a commit,
//! and a reader looks here before it takes its snapshot. So whatever a reader finds here is in its snapshot, filed or not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::error::Fault;

/// What is unfiled; a log of which all is filed already, but not cleared away yet, has no tail.
const UNFILED: &str = "
    SELECT log, batch_id, first_seq, last_seq, device,
        last_seq > coalesce((SELECT max(last_seq) FROM batches WHERE batches.log = buffered_batches.log), 0)
    FROM buffered_batches ORDER BY last_seq";

/// A batch of a tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TailBatch {
    pub(super) first_seq: i64,
    pub(super) last_seq: i64,
    pub(super) device: i64,
}

#[derive(Default)]
struct Inner {
    /// By log, the oldest batch first.
    tails: HashMap<i64, Vec<TailBatch>>,
    /// The last seq of every batch in `unfiled_batches`, by log and id.
    unfiled: HashMap<(i64, Uuid), i64>,
}

/// The tails of all logs.
#[derive(Default)]
pub(in crate::store) struct Tails(RwLock<Inner>);

impl Tails {
    /// Reads them anew.
    pub(in crate::store) fn load(&self, connection: &Connection) -> Result<(), Fault> {
        let mut inner = Inner::default();
        let mut statement = connection.prepare(UNFILED)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            inner.take_row(row)?;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = inner;
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tail of a log, the oldest batch first.
    pub(super) fn of(&self, log: i64) -> Vec<TailBatch> {
        self.read().tails.get(&log).cloned().unwrap_or_default()
    }

    /// The oldest batches of a log's tail that come after a seq, this many at most.
    pub(super) fn oldest(&self, log: i64, after: i64, most: usize) -> Vec<TailBatch> {
        let inner = self.read();
        let tail = inner.tails.get(&log).map_or(&[][..], Vec::as_slice);
        tail.iter().filter(|batch| batch.last_seq > after).take(most).copied().collect()
    }

    /// The newest seq of a log's tail; 0: it has none.
    pub(super) fn newest_seq(&self, log: i64) -> i64 {
        self.read().tails.get(&log).and_then(|tail| tail.last()).map_or(0, |batch| batch.last_seq)
    }

    /// The last seq of a batch that is unfiled; 0: there is none of this id.
    pub(super) fn find(&self, log: i64, batch: Uuid) -> i64 {
        self.read().unfiled.get(&(log, batch)).copied().unwrap_or_default()
    }

    /// Batches in `unfiled_batches`.
    pub(in crate::store) fn count_unfiled(&self) -> usize {
        self.read().unfiled.len()
    }

    /// Every log that has a tail.
    pub(super) fn logs(&self) -> Vec<i64> {
        self.read().tails.keys().copied().collect()
    }

    /// Does what a transaction did, now that it is committed.
    pub(in crate::store) fn apply(&self, edits: TailEdits) {
        if edits.added.is_empty() && edits.filed.is_empty() && edits.cleared_to == 0 {
            return;
        }
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (log, up_to) in edits.filed {
            inner.drop_filed(log, up_to);
        }
        if edits.cleared_to > 0 {
            inner.unfiled.retain(|_, last_seq| *last_seq > edits.cleared_to);
        }
        for (log, id, batch) in edits.added {
            inner.tails.entry(log).or_default().push(batch);
            inner.unfiled.insert((log, id), batch.last_seq);
        }
    }
}

impl Inner {
    fn drop_filed(&mut self, log: i64, up_to: i64) {
        if let Entry::Occupied(mut tail) = self.tails.entry(log) {
            tail.get_mut().retain(|batch| batch.last_seq > up_to);
            if tail.get().is_empty() {
                tail.remove();
            }
        }
    }

    fn take_row(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let (log, id) = (row.get(0)?, Uuid::from_bytes(row.get(1)?));
        let batch = TailBatch { first_seq: row.get(2)?, last_seq: row.get(3)?, device: row.get(4)? };
        if row.get(5)? {
            self.tails.entry(log).or_default().push(batch);
        }
        self.unfiled.insert((log, id), batch.last_seq);
        Ok(())
    }
}

/// What a transaction does to tails.
#[derive(Clone, Default)]
pub(in crate::store) struct TailEdits {
    /// Logs whose tails were filed up to a seq. What the transaction adds is never among it.
    pub(super) filed: Vec<(i64, i64)>,
    /// Batches up to this seq are no longer unfiled. 0: none went.
    pub(super) cleared_to: i64,
    /// The log, the id, and the batch.
    pub(super) added: Vec<(i64, Uuid, TailBatch)>,
}

impl TailEdits {
    /// Up to where a log was filed; 0: it was not.
    pub(super) fn filed_to(&self, log: i64) -> i64 {
        self.filed.iter().rev().find(|(of, _)| *of == log).map_or(0, |(_, up_to)| *up_to)
    }

    /// The last seq of a batch that was added; 0: there is none of this id.
    pub(super) fn find(&self, log: i64, batch: Uuid) -> i64 {
        let found = self.added.iter().find(|(of, id, _)| *of == log && *id == batch);
        found.map_or(0, |(_, _, batch)| batch.last_seq)
    }

    /// The newest seq that was added to a log; 0: none was.
    pub(super) fn newest_seq(&self, log: i64) -> i64 {
        let newest = self.added.iter().rev().find(|(of, ..)| *of == log);
        newest.map_or(0, |(_, _, batch)| batch.last_seq)
    }
}
