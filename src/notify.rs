//! Tells the rest of the server what a committed transaction changed.
//!
//! The writer calls this after COMMIT and before it answers, on its own thread: whoever gets an answer can rely on every
//! listener having heard. Listeners must therefore be quick and must not write to the store.

mod news;
mod notes;
mod subscribers;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

pub use news::{Growth, News};
pub use notes::Subscriber;
pub use subscribers::{Caps, Full, Subscribers, Subscription};

/// Something that a committed transaction did and others must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Sessions ended.
    SessionsEnded(Vec<EndedSession>),
    /// What was remembered about sessions is stale; none ended.
    SessionsChanged,
    /// A device was removed, and its sessions with it.
    DeviceRemoved {
        /// Its log.
        log: i64,
        /// Its id.
        device: Uuid,
    },
    /// A log has grown.
    Pushed(Pushed),
    /// A rotation of a log's master key began or ended.
    KeysChanged {
        /// The log.
        log: i64,
    },
    /// Settings of an app changed that concern more than its sessions.
    AppsChanged,
    /// The database was opened anew after a commit that failed. What that commit did may be there, and was not told.
    Reopened,
}

/// A session that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedSession {
    /// Its id.
    pub session: Uuid,
    /// The log that it was good for.
    pub log: i64,
}

/// A batch that was appended to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The log.
    pub log: i64,
    /// The session that pushed it.
    pub session: Uuid,
    /// The device that it pushed for.
    pub device: Uuid,
    /// The seq of its last change.
    pub seq: i64,
}

type Listener = Box<dyn Fn(&Event) + Send + Sync>;

/// Carries events from the writer to whoever listens. Cheap to clone.
#[derive(Clone, Default)]
pub struct Hub(Arc<RwLock<Vec<Listener>>>);

impl Hub {
    /// Calls `listener` for every event from now on.
    pub fn listen(&self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// Tells every listener.
    pub fn publish(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        for listener in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            events.iter().for_each(listener);
        }
    }
}
