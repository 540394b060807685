//! Keeping up with the server's key: is it still the one that this device holds, and if not, may it be followed?
//!
//! After a routine rotation the new envelope has a slot that the old key opens, so a device follows by itself. After a
//! compromise it has none: whoever has the old key must not get the new one, so the passphrase is asked for.

use std::sync::Arc;

use tidelog_protocol::{GetKeyResponse, PendingKey};

use super::{HeldKey, decoded};
use crate::error::BlockReason;
use crate::formats::envelope::Envelope;
use crate::formats::{EnvelopeError, OpenedEnvelope, Pin, PinError, Vault, open_envelope_with_previous};
use crate::session::Owner;
use crate::{Result, SyncKitClient, SyncKitError};

impl SyncKitClient {
    /// The key to seal with: the server's envelope was seen to hold it.
    pub(crate) async fn checked_key(&self, owner: Owner) -> Result<HeldKey> {
        let key = self.encryption.key_of(owner)?;
        if key.checked { Ok(key) } else { self.followed_key(owner, |_| false).await }
    }

    /// The key after a look at the server's, which is followed if it is newer. Does not ask if the key in use is `enough`
    /// by then: another task may have looked meanwhile.
    pub(crate) async fn followed_key(
        &self,
        owner: Owner,
        enough: impl Fn(&HeldKey) -> bool,
    ) -> Result<HeldKey> {
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let key = self.encryption.key_of(owner)?;
        if key.checked && enough(&key) {
            return Ok(key);
        }
        let found = self.server_key().await?.ok_or(SyncKitError::KeyGone)?;
        self.follow(key, &found).await
    }

    /// Takes what the server gives for the key, if it is the one that is held or one that leads on from it.
    pub(super) async fn follow(&self, key: HeldKey, found: &GetKeyResponse) -> Result<HeldKey> {
        let bytes = decoded(&found.encrypted_key)?;
        let envelope = Envelope::parse(&bytes)?;
        let header = envelope.header;
        if header.vault_id != key.pin.vault_id {
            return Err(PinError::OtherVault.into());
        }
        if header.key_version != found.key_version {
            return Err(super::setup::other_version(found.key_version, header.key_version));
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
            Arc::new(linked(&bytes, &key)?.vault)
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

    /// Whether the server has a key of this version, or will have at the end of a rotation, that this device cannot get.
    pub(crate) async fn is_being_rotated_to(&self, key_version: u32) -> Result<bool> {
        let found = self.server_key().await?.ok_or(SyncKitError::KeyGone)?;
        let newest = found.pending.map_or(found.key_version, |pending| pending.key_version);
        Ok(key_version <= newest)
    }

    /// Takes the key of a rotation under way, if the current one opens it.
    pub(super) fn follow_pending(&self, mut key: HeldKey, pending: Option<&PendingKey>) -> Result<HeldKey> {
        let Some(pending) = pending else {
            key.pending = None;
            self.encryption.hold(key.clone());
            return Ok(key);
        };
        let bytes = decoded(&pending.encrypted_key)?;
        let header = Envelope::parse(&bytes)?.header;
        if key.pending.as_ref().is_none_or(|held| held.key_id() != header.key_id) {
            key.pending = match linked(&bytes, &key) {
                Ok(opened) => Some(Arc::new(successor(&key, pending.key_version, opened)?)),
                // After a compromise: whoever meets an entry under it has to ask.
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

/// The vault under its next key: of the same vault, and of a higher number.
pub(super) fn successor(key: &HeldKey, server_version: u32, opened: OpenedEnvelope) -> Result<Vault> {
    let version = opened.vault.key_version();
    if opened.vault.vault_id() != key.pin.vault_id {
        return Err(PinError::OtherVault.into());
    }
    if version != server_version || version <= key.pin.key_version {
        return Err(super::setup::other_version(server_version, version));
    }
    Ok(opened.vault)
}

/// Opens an envelope by the key before the one inside.
fn linked(envelope: &[u8], key: &HeldKey) -> Result<OpenedEnvelope> {
    open_envelope_with_previous(envelope, &key.vault).map_err(|error| match error {
        // No link at all, or one from a key between ours and this one.
        EnvelopeError::NoSlot(_) | EnvelopeError::WrongPreviousKey => {
            SyncKitError::Blocked(BlockReason::PassphraseNeeded)
        }
        other => other.into(),
    })
}
