//! Pushing: changes are sealed into batches, which are sent until the server has stored each of them exactly once.

#[cfg_attr(
    not(feature = "sqlite"),
    allow(dead_code, reason = "only replicas place their batches in the log")
)]
mod send;

use tidelog_protocol::Cursor;
use uuid::Uuid;

pub(crate) use send::{PushOutcome, Refusal};

use crate::blocking::blocking;
use crate::change::faults_of;
use crate::master_key::HeldKey;
use crate::outbox::{BatchBuilder, BatchOptions, Fingerprint, Outbox, payload_of};
use crate::watch::ViewId;
use crate::{ChangeEntry, Result, SyncKitClient, SyncKitError};

/// Key replacements that one push follows: more would mean that other devices complete one rotation after another.
const MAX_KEYS_FOLLOWED: usize = 3;

impl SyncKitClient {
    /// Seals the changes and pushes them, in as many batches as the server's limits require. Returns a cursor that is
    /// safe to pull from.
    ///
    /// When this returns, the changes are on the server's disk. When it fails, they may or may not be: push the same
    /// changes again, and they will be in the log exactly once. (This is remembered in memory: after a restart,
    /// pushing again can write a change a second time, which is harmless since the newest entry of a row counts.)
    /// Pushing other changes instead gives up this guarantee for the earlier ones. Dropping the future counts as a
    /// failure. One push runs at a time; others wait.
    ///
    /// # Errors
    /// - Before anything is sent: [`SyncKitError::NoMasterKey`], [`SyncKitError::NothingToPush`],
    ///   [`SyncKitError::InvalidChanges`], [`SyncKitError::ChangeTooLarge`].
    /// - With the first push under a key from the key store, and if the key was replaced: [`SyncKitError::Blocked`],
    ///   [`SyncKitError::KeyChanged`], [`SyncKitError::KeyGone`].
    /// - From the server: [`SyncKitError::DeviceRevoked`], [`SyncKitError::MembershipRequired`],
    ///   [`SyncKitError::QuotaExceeded`], [`SyncKitError::WrongKey`], and those of every request.
    pub async fn push(&self, device_id: Uuid, changes: Vec<ChangeEntry>) -> Result<Cursor> {
        let owner = self.owner()?;
        self.encryption.key_for(owner)?;
        if changes.is_empty() {
            return Err(SyncKitError::NothingToPush);
        }
        let faults = faults_of(&changes);
        if !faults.is_empty() {
            return Err(SyncKitError::InvalidChanges { faults });
        }
        let mut outbox = self.outbox.lock().await;
        let key = self.checked_key(owner).await?;
        let view = ViewId::new(device_id, &key.vault);
        self.seal_into(&mut outbox, &key, device_id, changes).await?;
        self.send_pending(&mut outbox, key, view).await
    }

    /// Seals the changes into the outbox, unless they are in it already.
    async fn seal_into(
        &self,
        outbox: &mut Outbox,
        key: &HeldKey,
        device_id: Uuid,
        changes: Vec<ChangeEntry>,
    ) -> Result<()> {
        let payloads = changes.iter().map(payload_of).collect::<Result<Vec<_>>>()?;
        let fingerprint = Fingerprint::of(device_id, &key.vault, &changes, &payloads);
        if outbox.holds(fingerprint) {
            return Ok(());
        }
        let limits = self.limits().await?;
        let view = ViewId::new(device_id, &key.vault);
        let stream = outbox.stream(&key.vault)?;
        if let Some(abandoned) = outbox.in_doubt() {
            self.watch.batches_abandoned(abandoned);
        }
        let head = self.watch.next_head(view, &key.vault);
        let (vault, padding) = (key.vault.clone(), self.padding);
        let (batches, stream) = blocking(move || {
            let options = BatchOptions {
                vault: &vault,
                padding,
                head,
                limits: &limits,
                max_changes: usize::MAX,
                device_id,
                expected_cursor: None,
            };
            BatchBuilder::new(options, stream).seal_all(&changes, &payloads)
        })
        .await?;
        outbox.put(fingerprint, view, batches, key.vault.clone(), stream);
        Ok(())
    }

    async fn send_pending(&self, outbox: &mut Outbox, mut key: HeldKey, view: ViewId) -> Result<Cursor> {
        let (mut cursor, mut followed) = (Cursor::Start, 0);
        while let Some(batch) = outbox.next() {
            match self.send_batch(outbox, view, batch, outbox.at_last()).await {
                PushOutcome::Stored { cursor: reached, .. } => {
                    cursor = reached;
                    outbox.acknowledge();
                }
                PushOutcome::Refused(Refusal::KeyReplaced { key_version }, _) => {
                    followed += 1;
                    key = self.replaced_key(outbox, key, key_version, followed).await?;
                    outbox.reseal(&key.vault)?;
                }
                PushOutcome::Refused(refusal, error) => {
                    let error = in_pushed_list(error, outbox.acknowledged());
                    if matches!(refusal, Refusal::TooLarge | Refusal::InvalidBatch | Refusal::Rejected) {
                        outbox.give_up();
                    }
                    return Err(error);
                }
                PushOutcome::Unknown(error) => return Err(error),
            }
        }
        Ok(cursor)
    }

    /// Returns the key that replaced the one which the server refuses. The batch is not in the log, since the repeat
    /// of a stored batch is answered before the key is checked.
    async fn replaced_key(
        &self,
        outbox: &Outbox,
        key: HeldKey,
        want: u32,
        followed: usize,
    ) -> Result<HeldKey> {
        self.encryption.mark_unchecked();
        let have = key.vault.key_version();
        let now = self.refreshed_key(key.owner, |_| false).await?;
        if outbox.is_under(&now.vault) || followed > MAX_KEYS_FOLLOWED {
            return Err(SyncKitError::WrongKey { have, want });
        }
        Ok(now)
    }
}

/// Converts the error to indices of the pushed list, in which the batch begins at `first_index`.
fn in_pushed_list(mut error: SyncKitError, first_index: usize) -> SyncKitError {
    if let SyncKitError::InvalidChanges { faults } = &mut error {
        faults.iter_mut().for_each(|fault| fault.index += first_index);
    }
    error
}
