//! The user's key: created once, opened with the passphrase on other devices, checked before it seals anything, and replaced
//! without loss.
//!
//! The server keeps one envelope per user and app; whoever knows the passphrase can open it. A first set-up only ever creates:
//! if another device was first, its key is adopted. A device pins in its key store what it has seen of the envelope, so that a
//! server can neither give it another vault or an older key, nor make it set up a new one by losing the envelope.

mod follow;
mod held_key;
mod password;
mod reseal;
mod rewrap;
mod rotate;
mod rotate_blobs;
mod rotation_counts;
mod setup;
mod sign_in_password;
mod stored_key;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use held_key::HeldKey;
pub use password::PasswordChange;
pub use rotation_counts::{RotationOutcome, RotationProgress};

use crate::formats::KdfCost;
use crate::keystore::KeyStore;
use crate::session::Owner;
use crate::{Result, SyncKitClient, SyncKitError};
use sign_in_password::SignInPassword;

/// What a program has chosen about encryption.
#[derive(Default)]
pub(crate) struct EncryptionOptions {
    pub(crate) cost: KdfCost,
    pub(crate) hide_names: bool,
    pub(crate) passphrase_may_be_password: bool,
}

/// The encryption side of a client.
pub(crate) struct Encryption {
    store: Arc<dyn KeyStore>,
    options: EncryptionOptions,
    password: SignInPassword,
    held: Mutex<Option<HeldKey>>,
    /// Set-ups, checks and rotations run one after the other, so that the second one finds what the first one did.
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Encryption {
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

    fn hold(&self, key: HeldKey) {
        *self.held() = Some(key);
    }

    fn held(&self) -> MutexGuard<'_, Option<HeldKey>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SyncKitClient {
    fn owner_with(&self, passphrase: &str) -> Result<Owner> {
        let owner = self.owner()?;
        if passphrase.is_empty() { Err(SyncKitError::EmptyPassphrase) } else { Ok(owner) }
    }

    /// Refuses to put a key under the password, which the server sees at every sign-in, as far as this client knows it.
    fn refuse_password_as_passphrase(&self, passphrase: &str) -> Result<()> {
        let encryption = &self.encryption;
        if !encryption.options.passphrase_may_be_password && encryption.password.is(passphrase) {
            return Err(SyncKitError::PassphraseIsPassword);
        }
        Ok(())
    }
}
