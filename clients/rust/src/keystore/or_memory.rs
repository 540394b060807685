//! A store that may be missing at run time (no keychain on a headless machine) must not keep a program from syncing.

use std::fmt;
use std::sync::Once;

use zeroize::Zeroizing;

use super::{KeyStore, KeyStoreError, MemoryStore};

/// The store inside, and memory for what it will not take: then the passphrase is asked for again after a restart.
pub struct OrMemory<S> {
    store: S,
    memory: MemoryStore,
    told: Once,
}

impl<S: KeyStore> OrMemory<S> {
    /// Falls back to memory wherever `store` fails.
    pub fn new(store: S) -> Self {
        Self { store, memory: MemoryStore::new(), told: Once::new() }
    }

    fn tell_once(&self, error: &KeyStoreError) {
        self.told.call_once(|| tracing::debug!(%error, "keys are kept in memory only"));
    }
}

impl<S> fmt::Debug for OrMemory<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OrMemory").finish_non_exhaustive()
    }
}

impl<S: KeyStore> KeyStore for OrMemory<S> {
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        // Memory first: what is there is newer than what the store would not replace.
        if let Some(secret) = self.memory.get(account)? {
            return Ok(Some(secret));
        }
        Ok(self.store.get(account).unwrap_or_else(|error| {
            self.tell_once(&error);
            None
        }))
    }

    fn set(&self, account: &str, secret: &[u8]) -> Result<(), KeyStoreError> {
        match self.store.set(account, secret) {
            Ok(()) => self.memory.delete(account),
            Err(error) => {
                self.tell_once(&error);
                self.memory.set(account, secret)
            }
        }
    }

    fn delete(&self, account: &str) -> Result<(), KeyStoreError> {
        self.memory.delete(account)?;
        match self.store.delete(account) {
            // A store that is not there holds nothing.
            Err(error @ KeyStoreError::Unavailable(_)) => {
                self.tell_once(&error);
                Ok(())
            }
            answer => answer,
        }
    }
}
