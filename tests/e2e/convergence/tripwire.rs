//! Ends a connection to SQLite in the middle of whatever it does, as a crash would: from some step of its virtual machine on,
//! every statement fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidelog_client::replica::rusqlite::Connection;

const FAR_AWAY: i64 = i64::MAX;

/// Stretched across all connections that were given to it.
#[derive(Clone)]
pub(crate) struct Tripwire(Arc<AtomicI64>);

impl Tripwire {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(FAR_AWAY)))
    }

    pub(crate) fn guard(&self, connection: &mut Connection) {
        let wire = self.clone();
        let step = move || wire.0.fetch_sub(1, Ordering::SeqCst) <= 0;
        connection.progress_handler(1, Some(step)).expect("SQLite takes a handler");
    }

    /// After so many steps, nothing works any more.
    pub(crate) fn cut_after(&self, steps: u64) {
        self.0.store(steps as i64, Ordering::SeqCst);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.0.load(Ordering::SeqCst) <= 0
    }

    /// Whether a connection is still open. (What a dropped task had begun on another thread ends by itself.)
    pub(crate) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}
