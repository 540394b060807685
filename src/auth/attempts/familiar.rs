//! Addresses from which an account lately signed in.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::account::Account;
use super::address::Address;
use super::recent::Recent;
use crate::clock::Clock;

/// How long an address stays familiar after a sign-in.
pub(super) const LATELY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

type Places = Recent<(Account, Address), ()>;

pub(super) struct Familiar {
    places: Mutex<Places>,
    clock: Clock,
}

impl Familiar {
    pub(super) fn new(clock: Clock) -> Self {
        Self { places: Mutex::new(Recent::new(LATELY)), clock }
    }

    pub(super) fn learn(&self, account: Account, address: Address) {
        let now = self.clock.elapsed();
        self.places().put((account, address), (), now);
    }

    pub(super) fn knows(&self, account: Account, address: Address) -> bool {
        self.places().get(&(account, address), self.clock.elapsed()).is_some()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
