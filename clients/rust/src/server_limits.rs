//! The limits of a server, as a client remembers them.

use std::sync::{Mutex, PoisonError};

use tidelog_protocol::Limits;

/// The server's limits, fetched once.
#[derive(Default)]
pub(crate) struct ServerLimits(Mutex<Option<Limits>>);

impl ServerLimits {
    pub(crate) fn get(&self) -> Option<Limits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, limits: Option<Limits>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Fetches them again next time: the server has just shown that it takes less than was known.
    pub(crate) fn forget(&self) {
        self.set(None);
    }
}
