//! The master key as a client holds it in memory, with the choices about encryption.

mod held_key;
mod sign_in_password;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use held_key::HeldKey;

use crate::formats::KdfCost;
use crate::keystore::KeyStore;
use crate::session::Owner;
use crate::{Result, SyncKitError};
use sign_in_password::SignInPassword;

/// What a program has chosen about encryption.
#[derive(Default)]
pub(crate) struct EncryptionOptions {
    pub(crate) cost: KdfCost,
    pub(crate) hide_names: bool,
    pub(crate) passphrase_may_be_password: bool,
}

/// The master key of a client, if it has one, and where it is stored.
pub(crate) struct CurrentKey {
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) options: EncryptionOptions,
    pub(crate) password: SignInPassword,
    held: Mutex<Option<HeldKey>>,
    /// Set-ups, checks and rotations run one after the other, so that the second one finds what the first one did.
    pub(crate) one_at_a_time: tokio::sync::Mutex<()>,
}

impl CurrentKey {
    pub(crate) fn new(store: Arc<dyn KeyStore>, options: EncryptionOptions) -> Self {
        Self {
            store,
            options,
            password: SignInPassword::default(),
            held: Mutex::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    /// Returns the key of this user, if encryption is set up.
    pub(crate) fn key_for(&self, owner: Owner) -> Result<HeldKey> {
        self.held().clone().filter(|key| key.owner == owner).ok_or(SyncKitError::NoMasterKey)
    }

    /// Has the key checked against the server's again before it is used for sealing.
    pub(crate) fn mark_unchecked(&self) {
        if let Some(key) = self.held().as_mut() {
            key.checked = false;
        }
    }

    /// Remembers the password of a sign-in until the session ends.
    pub(crate) fn signed_in_with(&self, password: &str) -> Result<()> {
        self.password.remember(password)
    }

    /// Forgets the key in memory.
    pub(crate) fn wipe(&self) {
        *self.held() = None;
    }

    /// Forgets the key and the password in memory.
    pub(crate) fn wipe_all(&self) {
        self.wipe();
        self.password.forget();
    }

    pub(crate) fn hold(&self, key: HeldKey) {
        *self.held() = Some(key);
    }

    fn held(&self) -> MutexGuard<'_, Option<HeldKey>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
