//! Following the server's key: is it still the one that this device holds, and if not, may the new one be used?
//!
//! After a routine rotation the new envelope has a slot that the old key opens, so a device follows by itself. After a
//! compromise it has none: whoever has the old key must not get the new one, so the passphrase is needed.

use std::sync::Arc;

use tidelog_protocol::{GetKeyResponse, PendingKey};

use super::stored_key::{decode_envelope, other_version};
use crate::formats::envelope::Envelope;
use crate::formats::{EnvelopeError, OpenedEnvelope, Pin, PinError, Vault, open_envelope_with_previous};
use crate::master_key::HeldKey;
use crate::session::Owner;
use crate::{BlockReason, Result, SyncKitClient, SyncKitError};

impl SyncKitClient {
    /// Returns the key to seal with, once the server's envelope was seen to hold it.
    pub(crate) async fn checked_key(&self, owner: Owner) -> Result<HeldKey> {
        let key = self.encryption.key_for(owner)?;
        if key.checked { Ok(key) } else { self.refreshed_key(owner, |_| false).await }
    }

    /// Compares the key with the server's, and follows that if it is newer. Does not ask the server if the key in use
    /// `suffices` by then: another task may have refreshed it meanwhile.
    pub(crate) async fn refreshed_key(
        &self,
        owner: Owner,
        suffices: impl Fn(&HeldKey) -> bool,
    ) -> Result<HeldKey> {
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let key = self.encryption.key_for(owner)?;
        if key.checked && suffices(&key) {
            return Ok(key);
        }
        let found = self.server_key().await?.ok_or(SyncKitError::KeyGone)?;
        self.follow(key, &found).await
    }

    /// Accepts the server's key if it is the one held, or one that the held one leads to.
    async fn follow(&self, key: HeldKey, found: &GetKeyResponse) -> Result<HeldKey> {
        let bytes = decode_envelope(&found.encrypted_key)?;
        let envelope = Envelope::parse(&bytes)?;
        let header = envelope.header;
        if header.vault_id != key.pin.vault_id {
            return Err(PinError::OtherVault.into());
        }
        if header.key_version != found.key_version {
            return Err(other_version(found.key_version, header.key_version));
        }
        let have = key.pin.key_version;
        let vault = if found.key_version < have {
            return Err(PinError::OlderKey.into());
        } else if found.key_version == have {
            if header.key_id != key.pin.key_id {
                return Err(PinError::OtherKey.into());
            }
            if header.wrap_no < key.pin.wrap_no {
                return Err(PinError::OlderWrap.into());
            }
            key.vault.clone()
        } else if let Some(pending) = key.pending.clone().filter(|it| it.key_id() == header.key_id) {
            pending
        } else {
            Arc::new(open_with_link(&bytes, &key)?.vault)
        };
        envelope.authenticate(&vault)?;
        let pin = Pin {
            key_version: header.key_version,
            key_id: header.key_id,
            wrap_no: header.wrap_no,
            ..key.pin
        };
        let mut now = HeldKey { vault, pin, pending: key.pending.clone(), checked: true, ..key.clone() };
        if pin != key.pin {
            now = self.keep_pinned(key.owner, now.vault, pin).await?;
        }
        self.follow_pending(now, found.pending.as_ref())
    }

    /// Whether the server has a key of this version, or is rotating to it, which this device cannot open.
    pub(crate) async fn is_being_rotated_to(&self, key_version: u32) -> Result<bool> {
        let found = self.server_key().await?.ok_or(SyncKitError::KeyGone)?;
        let newest = found.pending.map_or(found.key_version, |pending| pending.key_version);
        Ok(key_version <= newest)
    }

    /// Holds the key of a rotation under way, if the current one opens it.
    pub(super) fn follow_pending(&self, mut key: HeldKey, pending: Option<&PendingKey>) -> Result<HeldKey> {
        let Some(pending) = pending else {
            key.pending = None;
            self.encryption.hold(key.clone());
            return Ok(key);
        };
        let bytes = decode_envelope(&pending.encrypted_key)?;
        let header = Envelope::parse(&bytes)?.header;
        if key.pending.as_ref().is_none_or(|held| held.key_id() != header.key_id) {
            key.pending = match open_with_link(&bytes, &key) {
                Ok(opened) => Some(Arc::new(successor(&key, pending.key_version, opened)?)),
                // After a compromise: once an entry under it comes, the passphrase is needed.
                Err(SyncKitError::Blocked(_)) => None,
                Err(error) => return Err(error),
            };
        }
        self.encryption.hold(key.clone());
        Ok(key)
    }

    /// Holds the key of a rotation under way, which the passphrase has opened.
    pub(super) fn hold_pending(&self, key: HeldKey, version: u32, opened: OpenedEnvelope) -> Result<()> {
        let pending = Some(Arc::new(successor(&key, version, opened)?));
        self.encryption.hold(HeldKey { pending, ..key });
        Ok(())
    }
}

/// Returns the vault under its next key, which must be of the same vault and have a higher version.
pub(super) fn successor(key: &HeldKey, server_version: u32, opened: OpenedEnvelope) -> Result<Vault> {
    let version = opened.vault.key_version();
    if opened.vault.vault_id() != key.pin.vault_id {
        return Err(PinError::OtherVault.into());
    }
    if version != server_version || version <= key.pin.key_version {
        return Err(other_version(server_version, version));
    }
    Ok(opened.vault)
}

/// Opens an envelope with the key before the one inside.
fn open_with_link(envelope: &[u8], key: &HeldKey) -> Result<OpenedEnvelope> {
    open_envelope_with_previous(envelope, &key.vault).map_err(|error| match error {
        // There is no link, or it is from a key between ours and this one.
        EnvelopeError::NoSlot(_) | EnvelopeError::WrongPreviousKey => {
            SyncKitError::Blocked(BlockReason::PassphraseNeeded)
        }
        other => other.into(),
    })
}
