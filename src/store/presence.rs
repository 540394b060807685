//! Where each device stands, kept in memory and written now and then.
//!
//! A pull would otherwise cost a write. What is lost in a crash is a little progress: a device's position on disk may lag, it
//! never leads, and a lagging one only makes a push answer with an older cursor.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// Session and device pairs remembered as linked; beyond that all are forgotten, which costs one look-up each.
const MAX_LINKS: usize = 100_000;

/// What is known of one device beyond its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The seq up to which it has pulled. `None`: as in its row.
    pub(super) pulled_seq: Option<i64>,
    /// The seq up to which it gets its own entries. `None`: as in its row.
    pub(super) own_until: Option<i64>,
    /// Microseconds since 1970.
    pub(super) at_us: i64,
}

#[derive(Default)]
struct Inner {
    seen: HashMap<i64, Seen>,
    links: HashSet<(Uuid, i64)>,
}

/// Devices by row id.
#[derive(Default)]
pub(super) struct Presence(Mutex<Inner>);

impl Presence {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device pushed, or pulled with filters.
    pub(super) fn touch(&self, device: i64, at_us: i64) {
        self.change(device, at_us, |_| {});
    }

    /// A device was given everything up to `seq`. A device that goes back to an older cursor goes back here as well: it may
    /// never have got the answer.
    pub(super) fn pulled(&self, device: i64, seq: i64, at_us: i64) {
        self.change(device, at_us, |seen| seen.pulled_seq = Some(seq));
    }

    /// A device is to get its own entries up to `seq`, and the disk was too full to note it.
    pub(super) fn own_until(&self, device: i64, seq: i64, at_us: i64) {
        self.change(device, at_us, |seen| seen.own_until = Some(seq));
    }

    fn change(&self, device: i64, at_us: i64, change: impl FnOnce(&mut Seen)) {
        let mut inner = self.lock();
        let seen = inner.seen.entry(device).or_default();
        seen.at_us = at_us;
        change(seen);
    }

    /// What is known of a device beyond its row.
    pub(super) fn seen(&self, device: i64) -> Seen {
        self.lock().seen.get(&device).copied().unwrap_or_default()
    }

    /// Everything that is not on disk yet.
    pub(super) fn unwritten(&self) -> Vec<(i64, Seen)> {
        self.lock().seen.iter().map(|(device, seen)| (*device, *seen)).collect()
    }

    /// Forgets what has been written, unless it has changed since.
    pub(super) fn written(&self, rows: &[(i64, Seen)]) {
        let mut inner = self.lock();
        for (device, seen) in rows {
            if inner.seen.get(device) == Some(seen) {
                inner.seen.remove(device);
            }
        }
    }

    /// Whether a session is known to have spoken for a device.
    pub(super) fn is_linked(&self, session: Uuid, device: i64) -> bool {
        self.lock().links.contains(&(session, device))
    }

    /// Remembers that a session has spoken for a device.
    pub(super) fn link(&self, session: Uuid, device: i64) {
        let mut inner = self.lock();
        if inner.links.len() >= MAX_LINKS {
            inner.links.clear();
        }
        inner.links.insert((session, device));
    }
}
