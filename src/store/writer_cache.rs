//! What the writer would otherwise look up for every push: the live sessions, devices and log states that it has met
//! lately.
//!
//! Everything that is written passes through one thread, so its cache cannot become stale unnoticed. A push by a
//! device that has pushed before looks up nothing. What changes a cached row also drops it here, in the same
//! transaction; and because a transaction may fail, everything is dropped when one does.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use uuid::Uuid;

use crate::model::logs::{LogDevice, LogState};

/// Entries of each kind; beyond that all are dropped, which costs a lookup each. About 100 bytes an entry.
const MAX_ENTRIES: usize = 16_384;

#[derive(Default)]
pub(super) struct WriterCache {
    sessions: HashSet<Uuid>,
    /// Live devices by log and id.
    devices: HashMap<(i64, Uuid), LogDevice>,
    logs: HashMap<i64, LogState>,
}

impl WriterCache {
    /// Whether a session is known to be live.
    pub(super) fn has_session(&self, session: Uuid) -> bool {
        self.sessions.contains(&session)
    }

    pub(super) fn keep_session(&mut self, session: Uuid) {
        if self.sessions.len() >= MAX_ENTRIES {
            self.sessions.clear();
        }
        self.sessions.insert(session);
    }

    /// A live device of a log.
    pub(super) fn device(&self, log: i64, id: Uuid) -> Option<LogDevice> {
        self.devices.get(&(log, id)).copied()
    }

    /// Keeps a live device, as its row holds it.
    pub(super) fn keep_device(&mut self, log: i64, id: Uuid, device: LogDevice) {
        keep(&mut self.devices, (log, id), device);
    }

    /// To be called when rows of devices were written.
    pub(super) fn drop_devices(&mut self) {
        self.devices.clear();
    }

    /// The state of a log.
    pub(super) fn log(&self, id: i64) -> Option<LogState> {
        self.logs.get(&id).copied()
    }

    pub(super) fn keep_log(&mut self, id: i64, state: LogState) {
        keep(&mut self.logs, id, state);
    }

    /// To be called when the state of a log changed otherwise than by [`WriterCache::keep_log`].
    pub(super) fn drop_log(&mut self, id: i64) {
        self.logs.remove(&id);
    }

    /// To be called when a session ended, or when it is unknown what was written.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn keep<K: Eq + Hash, V>(map: &mut HashMap<K, V>, key: K, value: V) {
    if map.len() >= MAX_ENTRIES {
        map.clear();
    }
    map.insert(key, value);
}
