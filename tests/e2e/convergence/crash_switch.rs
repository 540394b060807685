//! Simulates a crash in the middle of a statement: from some step of SQLite's virtual machine on, every statement
//! fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidelog_client::replica::rusqlite::Connection;

const NEVER: i64 = i64::MAX;

/// Applies to all connections that it is attached to.
#[derive(Clone)]
pub(crate) struct CrashSwitch(Arc<AtomicI64>);

impl CrashSwitch {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NEVER)))
    }

    pub(crate) fn attach(&self, connection: &mut Connection) {
        let switch = self.clone();
        let step = move || switch.0.fetch_sub(1, Ordering::SeqCst) <= 0;
        connection.progress_handler(1, Some(step)).expect("SQLite takes a handler");
    }

    /// Makes everything fail after this many steps.
    pub(crate) fn fire_after(&self, steps: u64) {
        self.0.store(steps as i64, Ordering::SeqCst);
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.0.load(Ordering::SeqCst) <= 0
    }

    /// Whether a connection is still open. (Work of a dropped task on another thread ends by itself.)
    pub(crate) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}
