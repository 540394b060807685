//! Callers by session, in memory, so that most requests need no query.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use crate::model::sessions::Caller;
use crate::notify::Event;

/// Sessions kept; beyond that all are dropped, which costs one query each.
const MAX_SESSIONS: usize = 100_000;

/// Callers by session. One that was read before its session ended must not be inserted after it: every end of a
/// session increments the generation, and what was read in an older one is used once and not kept.
#[derive(Default)]
pub(super) struct CallerCache {
    callers: RwLock<HashMap<Uuid, Arc<Caller>>>,
    generation: AtomicU64,
}

impl CallerCache {
    pub(super) fn get(&self, session: Uuid) -> Option<Arc<Caller>> {
        self.callers.read().unwrap_or_else(PoisonError::into_inner).get(&session).cloned()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Keeps a caller that was read in this generation, unless it is over.
    pub(super) fn insert(&self, caller: Arc<Caller>, generation: u64) {
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation() != generation {
            return;
        }
        if callers.len() >= MAX_SESSIONS {
            callers.clear();
        }
        callers.insert(caller.session, caller);
    }

    /// Drops what an event makes invalid.
    pub(super) fn invalidate(&self, event: &Event) {
        match event {
            Event::SessionsEnded(sessions) => self.change(|callers| {
                for ended in sessions {
                    callers.remove(&ended.session);
                }
            }),
            Event::SessionsChanged | Event::Reopened => self.change(HashMap::clear),
            Event::Pushed(_)
            | Event::KeysChanged { .. }
            | Event::DeviceRemoved { .. }
            | Event::AppsChanged => {}
        }
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<Uuid, Arc<Caller>>)) {
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
        change(&mut callers);
    }
}
