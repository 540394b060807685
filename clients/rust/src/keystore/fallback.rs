//! A key store may be missing at run time, as on a machine without a keychain. That must not keep a program from
//! syncing.

use std::fmt;
use std::sync::Once;

use zeroize::Zeroizing;

use super::{KeyStore, KeyStoreError, MemoryStore};

/// Uses a store, and memory for what it does not take: after a restart the passphrase is then asked for again.
pub struct FallbackStore<S> {
    store: S,
    memory: MemoryStore,
    logged: Once,
}

impl<S: KeyStore> FallbackStore<S> {
    /// Falls back to memory wherever `store` fails.
    pub fn new(store: S) -> Self {
        Self { store, memory: MemoryStore::new(), logged: Once::new() }
    }

    fn log_once(&self, error: &KeyStoreError) {
        self.logged.call_once(|| tracing::debug!(%error, "keys are kept in memory only"));
    }
}

impl<S> fmt::Debug for FallbackStore<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FallbackStore").finish_non_exhaustive()
    }
}

impl<S: KeyStore> KeyStore for FallbackStore<S> {
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        // Memory first: what is there is newer than what the store refused to replace.
        if let Some(secret) = self.memory.get(account)? {
            return Ok(Some(secret));
        }
        Ok(self.store.get(account).unwrap_or_else(|error| {
            self.log_once(&error);
            None
        }))
    }

    fn set(&self, account: &str, secret: &[u8]) -> Result<(), KeyStoreError> {
        match self.store.set(account, secret) {
            Ok(()) => self.memory.delete(account),
            Err(error) => {
                self.log_once(&error);
                self.memory.set(account, secret)
            }
        }
    }

    fn delete(&self, account: &str) -> Result<(), KeyStoreError> {
        self.memory.delete(account)?;
        match self.store.delete(account) {
            // A store that does not exist holds nothing.
            Err(error @ KeyStoreError::Unavailable(_)) => {
                self.log_once(&error);
                Ok(())
            }
            answer => answer,
        }
    }
}
