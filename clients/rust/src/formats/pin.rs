//! The pin: what a device remembers of the envelope that it last opened, so that a server cannot give it another
//! vault or an older key, and a lost envelope is never mistaken for a first set-up.

use super::envelope::OpenedEnvelope;
use super::keys::{KEY_ID_BYTES, VAULT_ID_BYTES};

/// Identifies the envelope that was last opened. It is no secret, and stored beside the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Never changes.
    pub vault_id: [u8; VAULT_ID_BYTES],
    /// Never decreases.
    pub key_version: u32,
    /// One per version.
    pub key_id: [u8; KEY_ID_BYTES],
    /// Never decreases for the same key.
    pub wrap_no: u32,
}

/// Why an envelope is refused although it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The server gives another version than its envelope.
    #[error("the server says key version {server}, its envelope {envelope}")]
    OtherVersion {
        /// According to the server.
        server: u32,
        /// According to the envelope.
        envelope: u32,
    },
    /// The envelope is of another vault than the pinned one.
    #[error("the envelope is of another vault")]
    OtherVault,
    /// The key is older than the pinned one.
    #[error("the envelope holds an older key")]
    OlderKey,
    /// The key is not the pinned one, but has the same version.
    #[error("the envelope holds another key under the same version")]
    OtherKey,
    /// The key is the pinned one in an older wrapping.
    #[error("the envelope is an older wrapping of the key")]
    OlderWrap,
}

impl Pin {
    /// Returns the pin of this envelope.
    pub fn of(opened: &OpenedEnvelope) -> Self {
        let vault = &opened.vault;
        Self {
            vault_id: vault.vault_id(),
            key_version: vault.key_version(),
            key_id: vault.key_id(),
            wrap_no: opened.wrap_no,
        }
    }

    /// Checks an opened envelope, which the server gave under `server_version`, against the pin (`None` on a device
    /// that does not know a vault yet). Returns the new pin.
    ///
    /// # Errors
    /// [`PinError`]: the envelope must not be used.
    pub fn accept(
        pinned: Option<Self>,
        opened: &OpenedEnvelope,
        server_version: u32,
    ) -> Result<Self, PinError> {
        let given = Self::of(opened);
        if given.key_version != server_version {
            return Err(PinError::OtherVersion { server: server_version, envelope: given.key_version });
        }
        let Some(pinned) = pinned else { return Ok(given) };
        if given.vault_id != pinned.vault_id {
            return Err(PinError::OtherVault);
        }
        if given.key_version < pinned.key_version {
            return Err(PinError::OlderKey);
        }
        if given.key_version == pinned.key_version && given.key_id != pinned.key_id {
            return Err(PinError::OtherKey);
        }
        if given.key_version == pinned.key_version && given.wrap_no < pinned.wrap_no {
            return Err(PinError::OlderWrap);
        }
        Ok(given)
    }
}
