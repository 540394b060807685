//! The user's key: created once, opened with the passphrase on other devices, checked before it seals anything, and
//! replaced without loss.
//!
//! The server keeps one envelope per user and app; whoever knows the passphrase can open it. A first set-up only ever
//! creates: if another device was first, its key is adopted. A device pins in its key store what it has seen of the
//! envelope, so that a server can neither give it another vault or an older key, nor make it set up a new one by
//! losing the envelope.

mod follow;
mod password;
mod reseal;
mod rewrap;
mod rotate;
mod rotate_blobs;
mod rotation_counts;
mod setup;
mod stored_key;

pub use password::PasswordChange;
pub use rotation_counts::{RotationOutcome, RotationProgress};

use crate::session::Owner;
use crate::{Result, SyncKitClient, SyncKitError};

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
