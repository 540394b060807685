//! Rotation: a new master key, every entry sealed again under it, and the key of every blob wrapped again.
//!
//! The server keeps the state of a rotation, so it goes on after a crash, and another device may finish it. Until it is
//! complete the old key stays the current one: what is pushed meanwhile is under it and is sealed again in a later round.

use std::sync::Arc;

use data_encoding::BASE64;
use tidelog_protocol::{
    BeginRotationRequest, CompleteRotationRequest, Cursor, ErrorCode, RotationBatchResponse,
    RotationEntriesRequest, RotationResponse, RotationStateResponse,
};
use zeroize::Zeroizing;

use super::follow::successor;
use super::reseal::{Treatment, sealed_page};
use super::setup::{FIRST_WRAP, other_version};
use super::{HeldKey, opened_with_passphrase};
use crate::blocking::blocking;
use crate::formats::vault::Rotation;
use crate::formats::{OpenedEnvelope, RecoveryCode, SlotKind, SlotPlan, Unlock, seal_envelope_with};
use crate::session::Owner;
use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

/// Looks at the server's keys in one call: each finds a rotation begun, finished or cancelled by some device.
const MAX_ATTEMPTS: usize = 20;

/// Rounds in which entries that were pushed meanwhile are caught up with; each is far shorter than the one before.
const MAX_ROUNDS: usize = 100;

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotationProgress {
    /// Entries that are done.
    pub done: u64,
    /// Entries in all; grows with what is pushed meanwhile.
    pub total: u64,
    /// Keys of blobs that are done. They come after the entries.
    pub blobs_done: u64,
    /// Keys of blobs in all; 0 until their turn comes. Grows with what is uploaded meanwhile.
    pub blobs_total: u64,
}

/// What a rotation led to.
#[derive(Debug)]
#[non_exhaustive]
pub struct RotationOutcome {
    /// Names the new master key.
    pub key_version: u32,
    /// Opens the new key in place of the passphrase. The codes before it open nothing any more.
    pub recovery_code: RecoveryCode,
    /// Entries that this device sealed again.
    pub resealed: u64,
    /// Entries that this device left as they are: they do not open, or are no entries of this vault.
    pub kept: u64,
    /// Keys of blobs that this device wrapped again. No byte of a blob has moved, and each goes by the name that it had.
    pub blobs_rewrapped: u64,
    /// Keys of blobs that this device left as they are: they do not open.
    pub blobs_kept: u64,
}

/// What was done in a rotation.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) resealed: u64,
    pub(super) kept: u64,
    pub(super) blobs_rewrapped: u64,
    pub(super) blobs_kept: u64,
}

impl Tally {
    fn add(&mut self, more: Self) {
        self.resealed += more.resealed;
        self.kept += more.kept;
        self.blobs_rewrapped += more.blobs_rewrapped;
        self.blobs_kept += more.blobs_kept;
    }

    /// With this many entries and keys of blobs left to do.
    pub(super) fn progress(&self, entries_left: u64, blobs_left: u64) -> RotationProgress {
        let (done, blobs_done) = (self.resealed + self.kept, self.blobs_rewrapped + self.blobs_kept);
        RotationProgress {
            done,
            total: done + entries_left,
            blobs_done,
            blobs_total: blobs_done + blobs_left,
        }
    }
}

impl SyncKitClient {
    /// Replaces the master key: makes a new one under the same passphrase, seals every entry again under it, and issues a new
    /// recovery code. A rotation that was interrupted, here or on another device, is continued.
    ///
    /// With [`Rotation::Routine`] other devices follow by themselves, unless they have slept through more than one rotation. With [`Rotation::Compromise`] nothing that the old key
    /// opens leads to the new one: every other device asks for the passphrase
    /// ([`SyncKitError::Blocked`]). If the passphrase may be known to somebody, change it first
    /// ([`change_passphrase`](Self::change_passphrase)): the new key is wrapped under the passphrase given here.
    ///
    /// Only what opens in its place is sealed again; anything else is left as it is. Of blobs only the keys are wrapped again: no
    /// byte of them moves, and every name that the app keeps goes on naming the same file. Memory is bounded by a page. The old key
    /// stays in use until the rotation is complete, and other devices may push all the while. Until then any error leaves
    /// everything readable: call again to go on.
    ///
    /// # Errors
    /// [`SyncKitError::NoMasterKey`]; [`SyncKitError::WrongPassphrase`], before anything is changed;
    /// [`SyncKitError::KeyChanged`] and [`SyncKitError::KeyGone`] if the server contradicts what this device knows; those of
    /// every request.
    pub async fn rotate_key(
        &self,
        passphrase: &str,
        mode: Rotation,
        mut progress: impl FnMut(RotationProgress) + Send,
    ) -> Result<RotationOutcome> {
        let owner = self.owner_with(passphrase)?;
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        let mut known = self.known_key(owner).await?.ok_or(SyncKitError::NoMasterKey)?;
        let mut begun: Option<Begun> = None;
        for _ in 0..MAX_ATTEMPTS {
            let found = self.required_server_key(Some(&known)).await?;
            let opened = opened_with_passphrase(&found.encrypted_key, passphrase).await?;
            known = self.keep(owner, &opened, found.key_version, Some(&known)).await?;
            if let Some(ours) = begun.take_if(|ours| ours.is(&opened)) {
                return self.concluded(owner, passphrase, ours).await;
            }
            let Some(pending) = &found.pending else {
                if let Some(ours) = self.begin_rotation(&opened, passphrase, mode).await? {
                    begun = Some(ours);
                }
                continue;
            };
            let next = opened_with_passphrase(&pending.encrypted_key, passphrase).await?;
            if mode == Rotation::Compromise && is_linked(&next) && self.try_to_cancel().await? {
                continue;
            }
            let mut ours = begun.take().filter(|it| it.is(&next)).unwrap_or_else(|| Begun::another(&next));
            let vault = Arc::new(successor(&known, pending.key_version, next)?);
            self.encryption.hold(HeldKey { pending: Some(vault.clone()), ..known.clone() });
            let treatment = Treatment::Reseal { from: known.vault.clone(), to: vault };
            ours.tally.add(self.finish_rotation(pending.key_version, treatment, &mut progress).await?);
            // A routine rotation that could not be cancelled is done; the one that was asked for follows it.
            begun = (mode == Rotation::Routine || !ours.linked).then_some(ours);
        }
        Err(SyncKitError::RotationOutrun)
    }

    /// Cancels a rotation that is under way, here or on another device, and keeps the old key.
    ///
    /// # Errors
    /// [`SyncKitError::RotationInProgress`] once entries are under the new key: then it can only be finished. Those of every
    /// request.
    pub async fn cancel_rotation(&self) -> Result<()> {
        let _one_at_a_time = self.encryption.one_at_a_time.lock().await;
        if self.try_to_cancel().await? { Ok(()) } else { Err(SyncKitError::RotationInProgress) }
    }

    /// Begins a rotation. `None`: another device was first.
    async fn begin_rotation(
        &self,
        current: &OpenedEnvelope,
        passphrase: &str,
        mode: Rotation,
    ) -> Result<Option<Begun>> {
        let cost = self.encryption.options.cost;
        let state: RotationStateResponse = self.fetch(&Request::get("/keys/rotate")).await?;
        if state.key_version != current.vault.key_version() || state.pending.is_some() {
            return Ok(None);
        }
        let next = state.next_key_version;
        let passphrase = Zeroizing::new(passphrase.to_owned());
        let old = current.vault.clone();
        let (vault, code, envelope) = blocking(move || {
            let vault = old.rotated_to(next, mode)?;
            let code = RecoveryCode::generate().map_err(crate::formats::FormatError::from)?;
            let mut plan = vec![
                SlotPlan::Wrap(Unlock::Passphrase(&passphrase), cost),
                SlotPlan::Wrap(Unlock::Recovery(&code), cost),
            ];
            if mode == Rotation::Routine {
                plan.push(SlotPlan::Wrap(Unlock::Previous(&old), cost));
            }
            let envelope = seal_envelope_with(&vault, &plan, FIRST_WRAP)?;
            Ok((vault, code, envelope))
        })
        .await?;
        let body =
            BeginRotationRequest { new_encrypted_key: BASE64.encode(&envelope), key_version: Some(next) };
        match self.fetch::<RotationResponse>(&Request::post("/keys/rotate/begin", &body)?).await {
            Ok(answer) if answer.key_version == vault.key_version() => Ok(Some(Begun {
                key_version: vault.key_version(),
                key_id: vault.key_id(),
                linked: mode == Rotation::Routine,
                code: Some(code),
                tally: Tally::default(),
            })),
            Ok(answer) => Err(other_version(answer.key_version, vault.key_version())),
            // Another device was first; what it did is looked at anew.
            Err(SyncKitError::RotationInProgress | SyncKitError::KeyVersionConflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Cancels a rotation. `false`: entries are under its key already.
    async fn try_to_cancel(&self) -> Result<bool> {
        match self.send(&Request::post_nothing("/keys/rotate/cancel")).await {
            Ok(_) | Err(SyncKitError::Server { code: Some(ErrorCode::NoRotation), .. }) => Ok(true),
            Err(SyncKitError::Server { code: Some(ErrorCode::RotationStarted), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes through what is left, round by round, until the server takes the rotation as complete. If another device completes
    /// it meanwhile, that is fine.
    pub(super) async fn finish_rotation(
        &self,
        key_version: u32,
        treatment: Treatment,
        progress: &mut (impl FnMut(RotationProgress) + Send),
    ) -> Result<Tally> {
        let mut tally = Tally::default();
        let complete = Request::post(
            "/keys/rotate/complete",
            &CompleteRotationRequest { key_version: Some(key_version) },
        )?;
        for _ in 0..MAX_ROUNDS {
            match self.one_round(&treatment, key_version, progress, &mut tally).await {
                Ok(()) => {}
                Err(SyncKitError::Server { code: Some(ErrorCode::NoRotation), .. }) => {}
                Err(error) => return Err(error),
            }
            match self.fetch::<RotationResponse>(&complete).await {
                Ok(answer) if answer.key_version == key_version => return Ok(tally),
                Ok(answer) => return Err(other_version(answer.key_version, key_version)),
                Err(SyncKitError::Server { code: Some(ErrorCode::RotationIncomplete), .. }) => {}
                // Completed or cancelled by another device: what is there now is looked at anew.
                Err(
                    SyncKitError::Server { code: Some(ErrorCode::NoRotation), .. }
                    | SyncKitError::KeyVersionConflict { .. },
                ) => return Ok(tally),
                Err(error) => return Err(error),
            }
        }
        Err(SyncKitError::RotationOutrun)
    }

    /// Seals and wraps all that is left now.
    async fn one_round(
        &self,
        treatment: &Treatment,
        key_version: u32,
        progress: &mut (impl FnMut(RotationProgress) + Send),
        tally: &mut Tally,
    ) -> Result<()> {
        self.one_round_of_entries(treatment, key_version, progress, tally).await?;
        self.one_round_of_blobs(treatment, key_version, progress, tally).await
    }

    /// Seals all entries that are left now, page by page.
    async fn one_round_of_entries(
        &self,
        treatment: &Treatment,
        key_version: u32,
        progress: &mut (impl FnMut(RotationProgress) + Send),
        tally: &mut Tally,
    ) -> Result<()> {
        let max_bytes = self.limits().await?.max_body_bytes;
        let mut cursor = Cursor::Start;
        loop {
            let request = RotationEntriesRequest { cursor, limit: None };
            let body = self.send(&Request::post("/keys/rotate/entries", &request)?).await?;
            let treatment = treatment.clone();
            let page = blocking(move || sealed_page(&body, &treatment, key_version, max_bytes)).await?;
            let mut remaining = page.remaining;
            for batch in page.batches {
                let request = Request::post_bytes("/keys/rotate/batch", batch);
                remaining = self.fetch::<RotationBatchResponse>(&request).await?.remaining;
            }
            tally.resealed += page.resealed;
            tally.kept += page.kept;
            progress(tally.progress(remaining, 0));
            if !page.has_more {
                return Ok(());
            }
            cursor = page.cursor;
        }
    }

    /// The rotation is complete and its key in use. Whoever finished one that another device began has no recovery code of
    /// it, and makes one.
    async fn concluded(&self, owner: Owner, passphrase: &str, begun: Begun) -> Result<RotationOutcome> {
        let recovery_code = match begun.code {
            Some(code) => code,
            None => self.rewrap_with_new_code(owner, passphrase).await?,
        };
        let Tally { resealed, kept, blobs_rewrapped, blobs_kept } = begun.tally;
        let key_version = begun.key_version;
        Ok(RotationOutcome { key_version, recovery_code, resealed, kept, blobs_rewrapped, blobs_kept })
    }
}

/// A rotation that is being brought to its end.
struct Begun {
    key_version: u32,
    key_id: [u8; 16],
    linked: bool,
    /// `None`: another device has it.
    code: Option<RecoveryCode>,
    tally: Tally,
}

impl Begun {
    fn another(next: &OpenedEnvelope) -> Self {
        Self {
            key_version: next.vault.key_version(),
            key_id: next.vault.key_id(),
            linked: is_linked(next),
            code: None,
            tally: Tally::default(),
        }
    }

    fn is(&self, next: &OpenedEnvelope) -> bool {
        self.key_id == next.vault.key_id()
    }
}

fn is_linked(envelope: &OpenedEnvelope) -> bool {
    envelope.slots.iter().any(|slot| slot.kind == SlotKind::Link)
}
