//! Wrapping the same key again: under another passphrase, or with another recovery key. The key stays, and so do the
//! entries.
//!
//! A wrapping that was replaced is gone from the server, but whoever kept a copy of it can still open it with the old
//! secret: only a rotation helps against that.

use data_encoding::BASE64;
use tidelog_protocol::{GetKeyResponse, PutKeyRequest, PutKeyResponse};
use zeroize::Zeroizing;

use super::stored_key::{decode_envelope, open_with_passphrase};
use crate::blocking::blocking;
use crate::formats::{
    FormatError, KdfCost, OpenedEnvelope, Pin, RecoveryKey, SlotKind, SlotPlan, Unlock,
    open_envelope_with_recovery, seal_envelope_with,
};
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// The secrets that the next wrapping replaces; the other slots stay as they are.
#[derive(Default)]
pub(super) struct NewSecrets {
    pub(super) passphrase: Option<Zeroizing<String>>,
    pub(super) recovery_key: Option<RecoveryKey>,
}

/// A wrapping that is ready to replace the server's.
pub(super) struct RewrappedKey {
    pub(super) opened: OpenedEnvelope,
    /// In base64.
    pub(super) encrypted_key: String,
    /// The revision that it replaces.
    pub(super) revision: u64,
}

impl SyncKitClient {
    /// Changes the passphrase; the account's password and the recovery key stay.
    ///
    /// Whoever kept a copy of the old envelope can still open it with the old passphrase. If that matters, call
    /// [`rotate_key`](Self::rotate_key) afterwards.
    ///
    /// # Errors
    /// [`SyncKitError::EmptyPassphrase`], [`SyncKitError::PassphraseIsPassword`]; [`SyncKitError::WrongPassphrase`]
    /// and [`SyncKitError::NoServerKey`]; [`SyncKitError::KeyVersionConflict`] if another device changed the key
    /// meanwhile. In each case nothing has changed.
    pub async fn change_passphrase(&self, current: &str, new: &str) -> Result<()> {
        let owner = self.owner_with(current)?;
        self.owner_with(new)?;
        self.refuse_password_as_passphrase(new)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let secrets = NewSecrets { passphrase: Some(Zeroizing::new(new.to_owned())), recovery_key: None };
        let (found, opened) = self.opened_key(owner, current).await?;
        let rewrapped = self.rewrap(found, opened, secrets).await?;
        self.put_rewrapped(owner, rewrapped).await
    }

    /// Creates a recovery key, which opens the key in place of the passphrase; an earlier one becomes void. Show it
    /// once, to be written down: it is stored nowhere.
    ///
    /// # Errors
    /// Those of [`change_passphrase`](Self::change_passphrase).
    pub async fn create_recovery_key(&self, passphrase: &str) -> Result<RecoveryKey> {
        let owner = self.owner_with(passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        self.replace_recovery_key(owner, passphrase).await
    }

    /// Sets a new passphrase for a user who has forgotten the old one but has the recovery key, which stays valid.
    ///
    /// # Errors
    /// [`SyncKitError::WrongRecoveryKey`], [`SyncKitError::NoRecoveryKey`] if none was ever created, and those of
    /// [`change_passphrase`](Self::change_passphrase).
    pub async fn recover(&self, recovery_key: &RecoveryKey, new_passphrase: &str) -> Result<()> {
        let owner = self.owner_with(new_passphrase)?;
        self.refuse_password_as_passphrase(new_passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let known = self.known_key(owner).await?;
        let found = self.required_server_key(known.as_ref()).await?;
        let opened = open_envelope_with_recovery(&decode_envelope(&found.encrypted_key)?, recovery_key)?;
        Pin::accept(known.map(|key| key.pin), &opened, found.key_version)?;
        let passphrase = Some(Zeroizing::new(new_passphrase.to_owned()));
        let secrets = NewSecrets { passphrase, recovery_key: None };
        let rewrapped = self.rewrap(found, opened, secrets).await?;
        self.put_rewrapped(owner, rewrapped).await
    }

    pub(super) async fn replace_recovery_key(&self, owner: Owner, passphrase: &str) -> Result<RecoveryKey> {
        let recovery_key = RecoveryKey::generate().map_err(FormatError::from)?;
        let (found, opened) = self.opened_key(owner, passphrase).await?;
        let secrets = NewSecrets { passphrase: None, recovery_key: Some(recovery_key.clone()) };
        let rewrapped = self.rewrap(found, opened, secrets).await?;
        self.put_rewrapped(owner, rewrapped).await?;
        Ok(recovery_key)
    }

    /// Opens the server's key, and checks it against the known one.
    pub(super) async fn opened_key(
        &self,
        owner: Owner,
        passphrase: &str,
    ) -> Result<(GetKeyResponse, OpenedEnvelope)> {
        let known = self.known_key(owner).await?;
        let found = self.required_server_key(known.as_ref()).await?;
        let opened = open_with_passphrase(&found.encrypted_key, passphrase).await?;
        Pin::accept(known.map(|key| key.pin), &opened, found.key_version)?;
        Ok((found, opened))
    }

    /// Wraps the same key again.
    pub(super) async fn rewrap(
        &self,
        found: GetKeyResponse,
        opened: OpenedEnvelope,
        secrets: NewSecrets,
    ) -> Result<RewrappedKey> {
        let cost = self.encryption.options.cost;
        blocking(move || {
            let envelope = seal_with_new_secrets(&opened, &secrets, cost)?;
            let wrap_no = next_wrap_no(&opened)?;
            Ok(RewrappedKey {
                opened: OpenedEnvelope { wrap_no, ..opened },
                encrypted_key: BASE64.encode(&envelope),
                revision: found.revision,
            })
        })
        .await
    }

    async fn put_rewrapped(&self, owner: Owner, rewrapped: RewrappedKey) -> Result<()> {
        let RewrappedKey { opened, encrypted_key, revision } = rewrapped;
        let body = PutKeyRequest {
            encrypted_key,
            expected_revision: Some(revision),
            key_version: Some(opened.vault.key_version()),
        };
        let answer: PutKeyResponse = self.fetch(&Request::put("/keys", &body)?).await?;
        self.keep(owner, &opened, answer.key_version, None).await.map(drop)
    }
}

fn next_wrap_no(opened: &OpenedEnvelope) -> Result<u32> {
    opened.wrap_no.checked_add(1).ok_or(SyncKitError::Sealing(FormatError::CounterExhausted))
}

/// Seals slots for the new secrets, and carries the other slots over.
fn seal_with_new_secrets(opened: &OpenedEnvelope, secrets: &NewSecrets, cost: KdfCost) -> Result<Vec<u8>> {
    let fresh = [
        secrets.passphrase.as_ref().map(|passphrase| Unlock::Passphrase(passphrase)),
        secrets.recovery_key.as_ref().map(Unlock::Recovery),
    ];
    let mut plan: Vec<_> = fresh.into_iter().flatten().map(|unlock| SlotPlan::Wrap(unlock, cost)).collect();
    let renewed: Vec<SlotKind> = fresh.iter().flatten().map(Unlock::kind).collect();
    let kept = opened.slots.iter().map(|slot| slot.kind).filter(|kind| !renewed.contains(kind));
    plan.extend(kept.map(|kind| SlotPlan::Keep(opened, kind)));
    Ok(seal_envelope_with(&opened.vault, &plan, next_wrap_no(opened)?)?)
}
