//! What a device remembers of the envelope that it last opened, so that a server cannot hand it another vault or an older
//! key, and a lost envelope is never taken for a first set-up.

use super::envelope::OpenedEnvelope;
use super::keys::{KEY_ID_BYTES, VAULT_ID_BYTES};

/// The envelope that was last opened. No secret; stored beside the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Never changes.
    pub vault_id: [u8; VAULT_ID_BYTES],
    /// Never goes down.
    pub key_version: u32,
    /// One for each version.
    pub key_id: [u8; KEY_ID_BYTES],
    /// Never goes down for the same key.
    pub wrap_no: u32,
}

/// Why an envelope that opens is refused all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The server gives another version than the envelope.
    #[error("the server says key version {server}, its envelope {envelope}")]
    OtherVersion {
        /// As the server says.
        server: u32,
        /// As the envelope says.
        envelope: u32,
    },
    /// Another vault than the one that is pinned.
    #[error("the envelope is of another vault")]
    OtherVault,
    /// A key older than the one that is pinned.
    #[error("the envelope holds an older key")]
    OlderKey,
    /// Another key under the version that is pinned.
    #[error("the envelope holds another key under the same version")]
    OtherKey,
    /// The same key in an older wrapping.
    #[error("the envelope is an older wrapping of the key")]
    OlderWrap,
}

impl Pin {
    /// What to remember of this envelope.
    pub fn of(opened: &OpenedEnvelope) -> Self {
        let vault = &opened.vault;
        Self {
            vault_id: vault.vault_id(),
            key_version: vault.key_version(),
            key_id: vault.key_id(),
            wrap_no: opened.wrap_no,
        }
    }

    /// Checks an envelope that opened, given by the server under `server_version`, against what is pinned (`None` on a
    /// device that knows no vault yet). Gives what to pin from now on.
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
