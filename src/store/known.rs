//! What the writer knows without asking the database.
//!
//! Everything that is written passes through one thread, so what that thread remembers cannot go stale behind its back. A push
//! by a device that has pushed before looks nothing up: not its session, not its device, not its log. Whatever changes one of
//! them says so here, in the same transaction; and since a transaction may fail, everything is forgotten when one does.

use std::collections::HashMap;

use uuid::Uuid;

use super::changes::{Device, Log, Round};

/// Entries of each kind; beyond that all are forgotten, which costs a look-up each. Some 100 bytes an entry.
const MOST: usize = 16_384;

#[derive(Default)]
pub(super) struct Known {
    /// Live devices by a live session that has spoken for them, and their id.
    devices: HashMap<(Uuid, Uuid), Device>,
    logs: HashMap<i64, Log>,
    /// How far the filing of batches has got.
    pub(super) round: Round,
}

impl Known {
    /// The device that a session speaks for under this id.
    pub(super) fn device(&self, session: Uuid, id: Uuid) -> Option<Device> {
        self.devices.get(&(session, id)).copied()
    }

    /// Remembers a live device that a live session speaks for; the link between the two must have been written.
    pub(super) fn keep_device(&mut self, session: Uuid, id: Uuid, device: Device) {
        keep(&mut self.devices, (session, id), device);
    }

    /// Something about devices was written.
    pub(super) fn forget_devices(&mut self) {
        self.devices.clear();
    }

    /// The state of a log.
    pub(super) fn log(&self, id: i64) -> Option<Log> {
        self.logs.get(&id).copied()
    }

    /// Remembers the state of a log.
    pub(super) fn keep_log(&mut self, id: i64, log: Log) {
        keep(&mut self.logs, id, log);
    }

    /// Something about a log was written, other than what [`Known::keep_log`] was told.
    pub(super) fn forget_log(&mut self, id: i64) {
        self.logs.remove(&id);
    }

    /// A session ended, and perhaps a log with it.
    pub(super) fn forget_sessions(&mut self) {
        self.devices.clear();
        self.logs.clear();
    }

    /// What was written is not in the database after all.
    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }
}

fn keep<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, key: K, value: V) {
    if map.len() >= MOST {
        map.clear();
    }
    map.insert(key, value);
}
