//! Rotation: a new master key, every entry re-encrypted under it, and the key of every blob wrapped again.
//!
//! The server keeps the state of a rotation, so it survives a crash, and another device can finish it. Until it is
//! complete the old key stays the current one: what is pushed meanwhile is under it, and is re-encrypted in a later
//! round.

use std::sync::Arc;

use data_encoding::BASE64;
use tidelog_protocol::{
    BeginRotationRequest, CompleteRotationRequest, Cursor, ErrorCode, RotationBatchResponse,
    RotationEntriesRequest, RotationResponse, RotationStateResponse,
};
use zeroize::Zeroizing;

use super::follow::successor;
use super::reseal::{ReencryptionPlan, reseal_page};
use super::rotation_counts::{RotationCounts, RotationOutcome, RotationProgress};
use super::setup::FIRST_WRAP;
use super::stored_key::{open_with_passphrase, other_version};
use crate::blocking::blocking;
use crate::formats::keys::KEY_ID_BYTES;
use crate::formats::{
    FormatError, OpenedEnvelope, RecoveryKey, Rotation, SlotKind, SlotPlan, Unlock, seal_envelope_with,
};
use crate::master_key::HeldKey;
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// How often one call looks at the server's keys: each time, some device may have begun, finished or cancelled a
/// rotation.
const MAX_ATTEMPTS: usize = 20;

/// Rounds that catch up with what is pushed meanwhile; each is far shorter than the one before.
const MAX_ROUNDS: usize = 100;

impl SyncKitClient {
    /// Replaces the master key: creates a new one under the same passphrase, re-encrypts every entry under it, and
    /// issues a new recovery key. A rotation that was interrupted, here or on another device, is continued.
    ///
    /// With [`Rotation::Routine`] other devices follow by themselves, unless they have missed more than one rotation.
    /// With [`Rotation::Compromise`] nothing that the old key opens leads to the new one, so every other device asks
    /// for the passphrase ([`SyncKitError::Blocked`]). If somebody may know the passphrase, change it first
    /// ([`change_passphrase`](Self::change_passphrase)): the new key is wrapped under the passphrase given here.
    ///
    /// Only entries that open in their slot are re-encrypted; others are kept as they are. Blobs are not
    /// re-encrypted, only their keys are wrapped again, so the names that the app stores stay valid. Memory is
    /// bounded by a page. The old key stays in use until the rotation is complete, and other devices may push all the
    /// while. After any error everything is still readable: call again to go on.
    ///
    /// # Errors
    /// [`SyncKitError::NoMasterKey`]; [`SyncKitError::WrongPassphrase`], before anything is changed;
    /// [`SyncKitError::KeyChanged`] and [`SyncKitError::KeyGone`] if the server contradicts what this device knows;
    /// those of every request.
    pub async fn rotate_key(
        &self,
        passphrase: &str,
        mode: Rotation,
        mut progress: impl FnMut(RotationProgress) + Send,
    ) -> Result<RotationOutcome> {
        let owner = self.owner_with(passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let mut known = self.known_key(owner).await?.ok_or(SyncKitError::NoMasterKey)?;
        let mut ongoing: Option<OngoingRotation> = None;
        for _ in 0..MAX_ATTEMPTS {
            let found = self.required_server_key(Some(&known)).await?;
            let opened = open_with_passphrase(&found.encrypted_key, passphrase).await?;
            known = self.keep(owner, &opened, found.key_version, Some(&known)).await?;
            if let Some(rotation) = ongoing.take_if(|rotation| rotation.leads_to(&opened)) {
                return self.conclude(owner, passphrase, rotation).await;
            }
            let Some(pending) = &found.pending else {
                if let Some(rotation) = self.begin_rotation(&opened, passphrase, mode).await? {
                    ongoing = Some(rotation);
                }
                continue;
            };
            let next = open_with_passphrase(&pending.encrypted_key, passphrase).await?;
            if mode == Rotation::Compromise && is_linked(&next) && self.try_to_cancel().await? {
                continue;
            }
            let mut rotation = ongoing
                .take()
                .filter(|rotation| rotation.leads_to(&next))
                .unwrap_or_else(|| OngoingRotation::of_another_device(&next));
            let vault = Arc::new(successor(&known, pending.key_version, next)?);
            self.encryption.hold(HeldKey { pending: Some(vault.clone()), ..known.clone() });
            let plan = ReencryptionPlan::Reseal { from: known.vault.clone(), to: vault };
            rotation.counts.add(self.finish_rotation(pending.key_version, plan, &mut progress).await?);
            // A routine rotation that could not be cancelled is done; the compromise rotation follows it.
            ongoing = (mode == Rotation::Routine || !rotation.is_linked).then_some(rotation);
        }
        Err(SyncKitError::RotationOutrun)
    }

    /// Cancels a rotation that is under way, here or on another device, and keeps the old key.
    ///
    /// # Errors
    /// [`SyncKitError::RotationInProgress`] once entries are under the new key: then it can only be finished. Those
    /// of every request.
    pub async fn cancel_rotation(&self) -> Result<()> {
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        if self.try_to_cancel().await? { Ok(()) } else { Err(SyncKitError::RotationInProgress) }
    }

    /// Begins a rotation; `None` if another device was faster.
    async fn begin_rotation(
        &self,
        current: &OpenedEnvelope,
        passphrase: &str,
        mode: Rotation,
    ) -> Result<Option<OngoingRotation>> {
        let cost = self.encryption.options.cost;
        let state: RotationStateResponse = self.fetch(&Request::get("/keys/rotate")).await?;
        if state.key_version != current.vault.key_version() || state.pending.is_some() {
            return Ok(None);
        }
        let next = state.next_key_version;
        let passphrase = Zeroizing::new(passphrase.to_owned());
        let old = current.vault.clone();
        let (vault, recovery_key, envelope) = blocking(move || {
            let vault = old.rotated_to(next, mode)?;
            let recovery_key = RecoveryKey::generate().map_err(FormatError::from)?;
            let mut plan = vec![
                SlotPlan::Wrap(Unlock::Passphrase(&passphrase), cost),
                SlotPlan::Wrap(Unlock::Recovery(&recovery_key), cost),
            ];
            if mode == Rotation::Routine {
                plan.push(SlotPlan::Wrap(Unlock::Previous(&old), cost));
            }
            let envelope = seal_envelope_with(&vault, &plan, FIRST_WRAP)?;
            Ok((vault, recovery_key, envelope))
        })
        .await?;
        let body =
            BeginRotationRequest { new_encrypted_key: BASE64.encode(&envelope), key_version: Some(next) };
        match self.fetch::<RotationResponse>(&Request::post("/keys/rotate/begin", &body)?).await {
            Ok(answer) if answer.key_version == vault.key_version() => Ok(Some(OngoingRotation {
                key_version: vault.key_version(),
                key_id: vault.key_id(),
                is_linked: mode == Rotation::Routine,
                recovery_key: Some(recovery_key),
                counts: RotationCounts::default(),
            })),
            Ok(answer) => Err(other_version(answer.key_version, vault.key_version())),
            // Another device was faster; the next attempt looks at what it did.
            Err(SyncKitError::RotationInProgress | SyncKitError::KeyVersionConflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Cancels a rotation. Returns `false` if entries are under its key already.
    pub(super) async fn try_to_cancel(&self) -> Result<bool> {
        match self.send(&Request::post_empty("/keys/rotate/cancel")).await {
            Ok(_) | Err(SyncKitError::Server { code: Some(ErrorCode::NoRotation), .. }) => Ok(true),
            Err(SyncKitError::Server { code: Some(ErrorCode::RotationStarted), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Re-encrypts what is left, round by round, until the server accepts the rotation as complete. Another device
    /// may complete it meanwhile.
    pub(super) async fn finish_rotation(
        &self,
        key_version: u32,
        plan: ReencryptionPlan,
        progress: &mut (impl FnMut(RotationProgress) + Send),
    ) -> Result<RotationCounts> {
        let mut counts = RotationCounts::default();
        let complete = CompleteRotationRequest { key_version: Some(key_version) };
        let complete = Request::post("/keys/rotate/complete", &complete)?;
        for _ in 0..MAX_ROUNDS {
            match self.one_round(&plan, key_version, progress, &mut counts).await {
                Ok(()) | Err(SyncKitError::Server { code: Some(ErrorCode::NoRotation), .. }) => {}
                Err(error) => return Err(error),
            }
            match self.fetch::<RotationResponse>(&complete).await {
                Ok(answer) if answer.key_version == key_version => return Ok(counts),
                Ok(answer) => return Err(other_version(answer.key_version, key_version)),
                Err(SyncKitError::Server { code: Some(ErrorCode::RotationIncomplete), .. }) => {}
                // Completed or cancelled by another device; the next attempt looks at the key that is there now.
                Err(
                    SyncKitError::Server { code: Some(ErrorCode::NoRotation), .. }
                    | SyncKitError::KeyVersionConflict { .. },
                ) => return Ok(counts),
                Err(error) => return Err(error),
            }
        }
        Err(SyncKitError::RotationOutrun)
    }

    async fn one_round(
        &self,
        plan: &ReencryptionPlan,
        key_version: u32,
        progress: &mut (impl FnMut(RotationProgress) + Send),
        counts: &mut RotationCounts,
    ) -> Result<()> {
        self.reseal_remaining_entries(plan, key_version, progress, counts).await?;
        self.rewrap_remaining_blobs(plan, key_version, progress, counts).await
    }

    /// Re-encrypts all remaining entries, page by page.
    async fn reseal_remaining_entries(
        &self,
        plan: &ReencryptionPlan,
        key_version: u32,
        progress: &mut (impl FnMut(RotationProgress) + Send),
        counts: &mut RotationCounts,
    ) -> Result<()> {
        let max_bytes = self.limits().await?.max_body_bytes;
        let mut cursor = Cursor::Start;
        loop {
            let request = RotationEntriesRequest { cursor, limit: None };
            let body = self.send(&Request::post("/keys/rotate/entries", &request)?).await?;
            let plan = plan.clone();
            let page = blocking(move || reseal_page(&body, &plan, key_version, max_bytes)).await?;
            let mut remaining = page.remaining;
            for batch in page.batches {
                let request = Request::post_bytes("/keys/rotate/batch", batch);
                remaining = self.fetch::<RotationBatchResponse>(&request).await?.remaining;
            }
            counts.resealed += page.resealed;
            counts.kept += page.kept;
            progress(counts.progress(remaining, 0));
            if !page.has_more {
                return Ok(());
            }
            cursor = page.cursor;
        }
    }

    /// The rotation is complete and its key in use. If another device began it, its recovery key is unknown here, so
    /// a new one is created.
    async fn conclude(
        &self,
        owner: Owner,
        passphrase: &str,
        rotation: OngoingRotation,
    ) -> Result<RotationOutcome> {
        let recovery_key = match rotation.recovery_key {
            Some(recovery_key) => recovery_key,
            None => self.replace_recovery_key(owner, passphrase).await?,
        };
        Ok(rotation.counts.into_outcome(rotation.key_version, recovery_key))
    }
}

/// A rotation that this device is finishing.
struct OngoingRotation {
    key_version: u32,
    key_id: [u8; KEY_ID_BYTES],
    /// Whether the old key opens the new envelope.
    is_linked: bool,
    /// `None` if another device began the rotation.
    recovery_key: Option<RecoveryKey>,
    counts: RotationCounts,
}

impl OngoingRotation {
    fn of_another_device(next: &OpenedEnvelope) -> Self {
        Self {
            key_version: next.vault.key_version(),
            key_id: next.vault.key_id(),
            is_linked: is_linked(next),
            recovery_key: None,
            counts: RotationCounts::default(),
        }
    }

    fn leads_to(&self, envelope: &OpenedEnvelope) -> bool {
        self.key_id == envelope.vault.key_id()
    }
}

fn is_linked(envelope: &OpenedEnvelope) -> bool {
    envelope.slots.iter().any(|slot| slot.kind == SlotKind::Link)
}
