//! Tells the rest of the server what a committed transaction changed.
//!
//! The writer calls this after COMMIT and before it answers, on its own thread: whoever gets an answer can rely on every
//! listener having heard. Listeners must therefore be quick and must not write to the store.

use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

/// Something that a committed transaction did and others must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// One session ended.
    SessionEnded(Uuid),
    /// Sessions ended, or what was remembered about them is stale; which ones is not listed.
    SessionsChanged,
    /// A rotation of a log's master key began or ended.
    KeysChanged {
        /// The log.
        log: i64,
    },
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
