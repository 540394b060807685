//! Wrapping the same key anew: under another passphrase, or with another recovery code. The key stays, and so do the entries.
//!
//! A wrapping that was replaced is gone from the server, but whoever kept a copy of it still opens it with the old secret:
//! against that only a rotation helps.

use data_encoding::BASE64;
use tidelog_protocol::{GetKeyResponse, PutKeyRequest, PutKeyResponse};
use zeroize::Zeroizing;

use super::{decoded, opened_with_passphrase};
use crate::blocking::blocking;
use crate::formats::{
    FormatError, KdfCost, OpenedEnvelope, Pin, RecoveryCode, SlotKind, SlotPlan, Unlock,
    open_envelope_with_recovery, seal_envelope_with,
};
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// The secrets that the next wrapping has other ones for; the other slots stay as they are.
#[derive(Default)]
pub(super) struct NewSecrets {
    pub(super) passphrase: Option<Zeroizing<String>>,
    pub(super) code: Option<RecoveryCode>,
}

/// A wrapping that is about to replace the server's.
pub(super) struct Rewrapped {
    pub(super) opened: OpenedEnvelope,
    /// Base64.
    pub(super) encrypted_key: String,
    pub(super) revision: u64,
}

impl SyncKitClient {
    /// Puts the key under another passphrase; the account's password and the recovery code stay.
    ///
    /// Whoever kept a copy of the old envelope can still open it with the old passphrase. If that matters, follow with
    /// [`rotate_key`](Self::rotate_key).
    ///
    /// # Errors
    /// [`SyncKitError::EmptyPassphrase`], [`SyncKitError::PassphraseIsPassword`]; [`SyncKitError::WrongPassphrase`] and
    /// [`SyncKitError::NoServerKey`]; [`SyncKitError::KeyVersionConflict`] if another device changed the key meanwhile. In
    /// each case nothing has changed.
    pub async fn change_passphrase(&self, current: &str, new: &str) -> Result<()> {
        let owner = self.owner_with(current)?;
        self.owner_with(new)?;
        self.refuse_password_as_passphrase(new)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let secrets = NewSecrets { passphrase: Some(Zeroizing::new(new.to_owned())), code: None };
        let (found, opened) = self.opened_key(owner, current).await?;
        let rewrapped = self.rewrapped(found, opened, secrets).await?;
        self.put_rewrapped(owner, rewrapped).await
    }

    /// Makes a recovery code, which opens the key in place of the passphrase; an earlier one opens it no more. Show it once,
    /// to be written down; it is kept nowhere.
    ///
    /// # Errors
    /// As [`change_passphrase`](Self::change_passphrase).
    pub async fn create_recovery_code(&self, passphrase: &str) -> Result<RecoveryCode> {
        let owner = self.owner_with(passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        self.rewrap_with_new_code(owner, passphrase).await
    }

    /// For a user who has lost the passphrase: opens the key with the recovery code and puts it under a new passphrase. The
    /// code stays good.
    ///
    /// # Errors
    /// [`SyncKitError::WrongRecoveryCode`], [`SyncKitError::NoRecoveryCode`] if none was ever made, and those of
    /// [`change_passphrase`](Self::change_passphrase).
    pub async fn recover(&self, code: &RecoveryCode, new_passphrase: &str) -> Result<()> {
        let owner = self.owner_with(new_passphrase)?;
        self.refuse_password_as_passphrase(new_passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let known = self.known_key(owner).await?;
        let found = self.required_server_key(known.as_ref()).await?;
        let opened = open_envelope_with_recovery(&decoded(&found.encrypted_key)?, code)?;
        Pin::accept(known.map(|key| key.pin), &opened, found.key_version)?;
        let passphrase = Some(Zeroizing::new(new_passphrase.to_owned()));
        let rewrapped = self.rewrapped(found, opened, NewSecrets { passphrase, code: None }).await?;
        self.put_rewrapped(owner, rewrapped).await
    }

    pub(super) async fn rewrap_with_new_code(&self, owner: Owner, passphrase: &str) -> Result<RecoveryCode> {
        let code = RecoveryCode::generate().map_err(FormatError::from)?;
        let (found, opened) = self.opened_key(owner, passphrase).await?;
        let secrets = NewSecrets { passphrase: None, code: Some(code.clone()) };
        let rewrapped = self.rewrapped(found, opened, secrets).await?;
        self.put_rewrapped(owner, rewrapped).await?;
        Ok(code)
    }

    /// The server's key, opened, and checked against what is known.
    pub(super) async fn opened_key(
        &self,
        owner: Owner,
        passphrase: &str,
    ) -> Result<(GetKeyResponse, OpenedEnvelope)> {
        let known = self.known_key(owner).await?;
        let found = self.required_server_key(known.as_ref()).await?;
        let opened = opened_with_passphrase(&found.encrypted_key, passphrase).await?;
        Pin::accept(known.map(|key| key.pin), &opened, found.key_version)?;
        Ok((found, opened))
    }

    /// Wraps the same key anew.
    pub(super) async fn rewrapped(
        &self,
        found: GetKeyResponse,
        opened: OpenedEnvelope,
        secrets: NewSecrets,
    ) -> Result<Rewrapped> {
        let cost = self.encryption.options.cost;
        blocking(move || {
            let envelope = wrapped_anew(&opened, &secrets, cost)?;
            let wrap_no = next_wrap(&opened)?;
            Ok(Rewrapped {
                opened: OpenedEnvelope { wrap_no, ..opened },
                encrypted_key: BASE64.encode(&envelope),
                revision: found.revision,
            })
        })
        .await
    }

    async fn put_rewrapped(&self, owner: Owner, rewrapped: Rewrapped) -> Result<()> {
        let Rewrapped { opened, encrypted_key, revision } = rewrapped;
        let body = PutKeyRequest {
            encrypted_key,
            expected_revision: Some(revision),
            key_version: Some(opened.vault.key_version()),
        };
        let answer: PutKeyResponse = self.fetch(&Request::put("/keys", &body)?).await?;
        self.keep(owner, &opened, answer.key_version, None).await.map(drop)
    }
}

fn next_wrap(opened: &OpenedEnvelope) -> Result<u32> {
    opened.wrap_no.checked_add(1).ok_or(SyncKitError::Sealing(FormatError::CounterExhausted))
}

/// The slots with new secrets, and the others as they are.
fn wrapped_anew(opened: &OpenedEnvelope, secrets: &NewSecrets, cost: KdfCost) -> Result<Vec<u8>> {
    let fresh = [
        secrets.passphrase.as_ref().map(|passphrase| Unlock::Passphrase(passphrase)),
        secrets.code.as_ref().map(Unlock::Recovery),
    ];
    let mut plan: Vec<_> = fresh.into_iter().flatten().map(|unlock| SlotPlan::Wrap(unlock, cost)).collect();
    let renewed: Vec<SlotKind> = fresh.iter().flatten().map(Unlock::kind).collect();
    let kept = opened.slots.iter().map(|slot| slot.kind).filter(|kind| !renewed.contains(kind));
    plan.extend(kept.map(|kind| SlotPlan::Keep(opened, kind)));
    Ok(seal_envelope_with(&opened.vault, &plan, next_wrap(opened)?)?)
}
