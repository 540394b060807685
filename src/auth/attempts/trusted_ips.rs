//! Networks from which an account signed in lately.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::expiring_map::ExpiringMap;
use super::keys::{AccountKey, NetworkKey};
use crate::clock::Clock;
use crate::store::Store;

/// How long a network stays trusted after a sign-in.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

type Networks = ExpiringMap<(AccountKey, NetworkKey), ()>;

pub(super) struct TrustedIps {
    networks: Mutex<Networks>,
    /// Where sign-ins from before this server started are found. `None`: nowhere.
    history: Option<Store>,
    clock: Clock,
}

impl TrustedIps {
    pub(super) fn new(history: Option<Store>, clock: Clock) -> Self {
        Self { networks: Mutex::new(ExpiringMap::new(LIFETIME)), history, clock }
    }

    pub(super) fn insert(&self, account: AccountKey, network: NetworkKey) {
        let now = self.clock.elapsed();
        self.networks().insert((account, network), (), now);
    }

    pub(super) fn contains(&self, account: AccountKey, network: NetworkKey) -> bool {
        self.networks().get(&(account, network), self.clock.elapsed()).is_some()
    }

    /// Loads from where the account, named as it was typed, signed in before this server started.
    pub(super) async fn load_history(&self, account_name: &str) {
        let Some(store) = &self.history else { return };
        let since = self.clock.now_us() - LIFETIME.as_micros() as i64;
        let ips = store.signed_in_from(account_name.trim().to_lowercase(), since).await;
        let ips = ips.unwrap_or_else(|fault| {
            tracing::warn!(%fault, "could not read the audit log");
            Vec::new()
        });
        let account = AccountKey::new(account_name);
        ips.into_iter().for_each(|ip| self.insert(account, ip.into()));
    }

    fn networks(&self) -> MutexGuard<'_, Networks> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
