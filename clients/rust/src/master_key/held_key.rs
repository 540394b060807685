//! The key that a client has in memory.

use std::fmt;
use std::sync::Arc;

use crate::formats::{Pin, Vault};
use crate::session::Owner;

/// A key in use.
#[derive(Clone)]
pub(crate) struct HeldKey {
    pub(crate) owner: Owner,
    pub(crate) vault: Arc<Vault>,
    /// The vault under its next key while a rotation is under way: entries may be under it already.
    pub(crate) pending: Option<Arc<Vault>>,
    pub(crate) pin: Pin,
    /// Whether the server's envelope was seen to hold this key since it was loaded.
    pub(crate) checked: bool,
}

impl HeldKey {
    /// Returns the vault that opens entries of this key version, if any does.
    pub(crate) fn vault_for(&self, key_version: u32) -> &Vault {
        match &self.pending {
            Some(pending) if pending.key_version() == key_version => pending,
            _ => &self.vault,
        }
    }

    /// Returns the newest key version that can be opened.
    pub(crate) fn newest_version(&self) -> u32 {
        self.pending.as_ref().map_or(self.vault.key_version(), |pending| pending.key_version())
    }
}

impl fmt::Debug for HeldKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HeldKey")
            .field("owner", &self.owner)
            .field("checked", &self.checked)
            .finish_non_exhaustive()
    }
}
