//! Whom live sessions stand for, in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use crate::model::sessions::Caller;
use crate::notify::Event;

/// Sessions remembered; beyond that all are forgotten, which costs one look-up each.
const MAX_REMEMBERED: usize = 100_000;

/// Callers by session. A look-up that began before an ending must not be remembered after it: every ending raises the
/// generation, and what was looked up under an older one is used once and dropped.
#[derive(Default)]
pub(super) struct Remembered {
    callers: RwLock<HashMap<Uuid, Arc<Caller>>>,
    generation: AtomicU64,
}

impl Remembered {
    pub(super) fn find(&self, session: Uuid) -> Option<Arc<Caller>> {
        self.callers.read().unwrap_or_else(PoisonError::into_inner).get(&session).cloned()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub(super) fn keep(&self, caller: Arc<Caller>, seen: u64) {
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation() != seen {
            return;
        }
        if callers.len() >= MAX_REMEMBERED {
            callers.clear();
        }
        callers.insert(caller.session, caller);
    }

    pub(super) fn forget(&self, event: &Event) {
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
