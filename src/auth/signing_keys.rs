//! Rotation of the keys that sign access tokens.

use super::Auth;
use super::access_tokens::MAX_CLOCK_SKEW_SECONDS;
use super::derived_keys::MAX_LIFETIME_SECONDS;
use super::keyring::new_signing_key;
use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::store::SigningKey;

/// The signing keys after a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedKeys {
    /// Id of the key that signs from now on.
    pub kid: String,
    /// How many older ones still verify.
    pub older: usize,
}

impl RotatedKeys {
    /// From all keys, the newest first.
    pub fn new(keys: &[SigningKey]) -> Self {
        let kid = keys.first().map(|key| key.kid.clone()).unwrap_or_default();
        Self { kid, older: keys.len().saturating_sub(1) }
    }
}

impl Auth {
    /// Signs with a new key from now on. What older keys signed stays valid until it expires.
    pub async fn rotate_keys(&self, actor: Actor) -> Result<RotatedKeys, Fault> {
        let _lock = self.keyring.change_lock.lock().await;
        let rotated = self.store.rotate_signing_keys(actor, new_signing_key()?).await?;
        self.keyring.replace(&rotated, &self.settings, &self.clock)?;
        Ok(RotatedKeys::new(&rotated))
    }

    /// Deletes keys when everything that they signed has expired.
    pub async fn retire_keys(&self) -> Result<(), Fault> {
        let _lock = self.keyring.change_lock.lock().await;
        let seconds = self.settings.token_seconds.max(MAX_LIFETIME_SECONDS) + MAX_CLOCK_SKEW_SECONDS;
        let replaced_before = self.clock.now_us() - seconds * MICROS_PER_SECOND;
        match self.store.retire_signing_keys(replaced_before).await? {
            Some(left) => self.keyring.replace(&left, &self.settings, &self.clock),
            None => Ok(()),
        }
    }
}
