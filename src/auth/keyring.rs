//! The signing keys as sign-in uses them, which can be exchanged while the server runs.
//!
//! The newest signs, all of them verify. Everything that is remembered about what an older key signed goes with the ring that held
//! it, so a key that is deleted vouches for nothing from then on.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::flow::FlowKeys;
use super::sessions::AuthSettings;
use super::tokens::Tokens;
use super::urls::UrlKeys;
use crate::clock::Clock;
use crate::error::Fault;
use crate::store::SigningKey;

/// What one set of keys signs and verifies. No `Debug`: it holds secrets.
pub(super) struct Ring {
    pub(super) tokens: Tokens,
    pub(super) urls: UrlKeys,
    pub(super) flow: FlowKeys,
}

impl Ring {
    fn new(keys: &[SigningKey], settings: &AuthSettings, clock: &Clock) -> Result<Self, Fault> {
        Ok(Self {
            tokens: Tokens::new(keys, settings.issuer.clone(), settings.token_seconds, clock.clone()),
            urls: UrlKeys::derived_from(keys)?,
            flow: FlowKeys::derived_from(keys)?,
        })
    }
}

/// The ring in use.
pub(super) struct Keyring {
    ring: RwLock<Arc<Ring>>,
    /// Held from a change of the stored keys until they are in use: of two changes, the later one is to be used last.
    pub(super) turn: Mutex<()>,
}

impl Keyring {
    /// Of these keys, the newest first.
    pub(super) fn new(keys: &[SigningKey], settings: &AuthSettings, clock: &Clock) -> Result<Self, Fault> {
        let ring = RwLock::new(Arc::new(Ring::new(keys, settings, clock)?));
        Ok(Self { ring, turn: Mutex::default() })
    }

    /// The ring in use now.
    pub(super) fn now(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes these keys into use instead.
    pub(super) fn exchange(
        &self,
        keys: &[SigningKey],
        settings: &AuthSettings,
        clock: &Clock,
    ) -> Result<(), Fault> {
        let ring = Arc::new(Ring::new(keys, settings, clock)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }
}
