//! The signing keys in use, which can be replaced while the server runs.
//!
//! The newest signs, all of them verify. Whatever is cached about tokens that a key has verified belongs to the set
//! of signers made from that key, so a deleted key verifies nothing from then on.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;
use uuid::Uuid;

use super::access_tokens::AccessTokenSigner;
use super::flow::FlowSigner;
use super::presigned_urls::UrlSigner;
use super::secrets::random_256;
use super::token_settings::TokenSettings;
use crate::clock::Clock;
use crate::error::Fault;
use crate::store::SigningKey;

/// Generates a signing key.
pub fn new_signing_key() -> Result<SigningKey, Fault> {
    Ok(SigningKey { kid: Uuid::now_v7().to_string(), secret: random_256()?, replaced_at: None })
}

/// What one set of keys signs and verifies. No `Debug`: it holds secrets.
pub(super) struct Signers {
    pub(super) access_tokens: AccessTokenSigner,
    pub(super) urls: UrlSigner,
    pub(super) flow: FlowSigner,
}

impl Signers {
    fn new(keys: &[SigningKey], settings: &TokenSettings, clock: &Clock) -> Result<Self, Fault> {
        let (issuer, lifetime) = (settings.issuer.clone(), settings.token_seconds);
        Ok(Self {
            access_tokens: AccessTokenSigner::new(keys, issuer, lifetime, clock.clone()),
            urls: UrlSigner::new(keys)?,
            flow: FlowSigner::new(keys)?,
        })
    }
}

/// The signers in use.
pub(super) struct Keyring {
    signers: RwLock<Arc<Signers>>,
    /// Held from a change of the stored keys until they are in use, so that concurrent changes take effect in order.
    pub(super) change_lock: Mutex<()>,
}

impl Keyring {
    /// From these keys, the newest first.
    pub(super) fn new(keys: &[SigningKey], settings: &TokenSettings, clock: &Clock) -> Result<Self, Fault> {
        let signers = RwLock::new(Arc::new(Signers::new(keys, settings, clock)?));
        Ok(Self { signers, change_lock: Mutex::default() })
    }

    /// The signers in use now.
    pub(super) fn current(&self) -> Arc<Signers> {
        self.signers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses these keys from now on.
    pub(super) fn replace(
        &self,
        keys: &[SigningKey],
        settings: &TokenSettings,
        clock: &Clock,
    ) -> Result<(), Fault> {
        let signers = Arc::new(Signers::new(keys, settings, clock)?);
        *self.signers.write().unwrap_or_else(PoisonError::into_inner) = signers;
        Ok(())
    }
}
