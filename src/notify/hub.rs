//! The events of committed transactions, and who listens to them.
//!
//! The writer publishes them after COMMIT and before it answers, on its own thread: when a request is answered, every
//! listener has been called. Listeners must therefore be quick and must not write to the store.

use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

/// Something that a committed transaction did and that others must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Sessions ended.
    SessionsEnded(Vec<EndedSession>),
    /// What is cached about sessions is stale; none ended.
    SessionsChanged,
    /// A device was removed, and its sessions ended.
    DeviceRemoved {
        /// Its log.
        log: i64,
        /// Its ID.
        device: Uuid,
    },
    /// A batch was appended to a log.
    Pushed(Pushed),
    /// A rotation of a log's master key began or ended.
    KeysChanged {
        /// The log.
        log: i64,
    },
    /// Settings of an app changed that concern more than its sessions.
    AppsChanged,
    /// The database was reopened after a failed commit, whose changes may be there although no event was published
    /// for them.
    Reopened,
}

/// A session that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedSession {
    /// Its ID.
    pub session: Uuid,
    /// The log that it gave access to.
    pub log: i64,
}

/// A batch that was appended to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The log.
    pub log: i64,
    /// The session that pushed it.
    pub session: Uuid,
    /// The device that pushed it.
    pub device: Uuid,
    /// The seq of its last change.
    pub seq: i64,
}

type Listener = Box<dyn Fn(&Event) + Send + Sync>;

/// Delivers events from the writer to listeners. Cheap to clone.
#[derive(Clone, Default)]
pub struct Hub(Arc<RwLock<Vec<Listener>>>);

impl Hub {
    /// Calls `listener` for every event from now on.
    pub fn listen(&self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// Calls every listener.
    pub fn publish(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        for listener in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            events.iter().for_each(listener);
        }
    }
}
