//! Pushing: seal, split, send, and send again until it is on the server's disk once.

use tidelog_protocol::{Cursor, ErrorCode, PushResponse};
use uuid::Uuid;

use crate::blocking::blocking;
use crate::change::faults_of;
use crate::encryption::HeldKey;
use crate::outbox::{Fingerprint, Outbox, SealedBatch};
use crate::seal::{Sealing, payloads_of, seal_push};
use crate::transport::Request;
use crate::watch::Subject;
use crate::{ChangeEntry, Result, SyncKitClient, SyncKitError};

/// Keys that one push follows: another device would have to complete rotation after rotation meanwhile.
const MAX_KEYS_FOLLOWED: usize = 3;

impl SyncKitClient {
    /// Seals the changes and pushes them, in as many batches as the server's limits ask for; gives back a cursor that is
    /// safe to pull from.
    ///
    /// When this returns, the changes are on the server's disk. When it fails, they may or may not be: push the same
    /// changes again, and they will be there once. (What is remembered for that is in memory: after a restart, pushing
    /// again can write a change a second time, which the rule "the newest entry of a row counts" makes harmless.) Pushing
    /// other changes instead gives that up for the old ones. A push whose future was dropped has failed in this sense. One push
    /// runs at a time; others wait.
    ///
    /// # Errors
    /// Before anything is sent: [`SyncKitError::NoMasterKey`], [`SyncKitError::NothingToPush`],
    /// [`SyncKitError::InvalidChanges`], [`SyncKitError::ChangeTooLarge`]; with the first push of a key that came from the
    /// key store, and where the key was replaced, also [`SyncKitError::Blocked`], [`SyncKitError::KeyChanged`] and
    /// [`SyncKitError::KeyGone`]. From the server: [`SyncKitError::DeviceRevoked`], [`SyncKitError::MembershipRequired`],
    /// [`SyncKitError::QuotaExceeded`], [`SyncKitError::WrongKey`], and those of every request.
    pub async fn push(&self, device_id: Uuid, changes: Vec<ChangeEntry>) -> Result<Cursor> {
        let owner = self.owner()?;
        self.encryption.key_of(owner)?;
        if changes.is_empty() {
            return Err(SyncKitError::NothingToPush);
        }
        let faults = faults_of(&changes);
        if !faults.is_empty() {
            return Err(SyncKitError::InvalidChanges { faults });
        }
        let mut outbox = self.outbox.lock().await;
        let key = self.checked_key(owner).await?;
        let subject = Subject::new(device_id, &key.vault);
        self.seal_into(&mut outbox, &key, device_id, changes).await?;
        self.send_pending(&mut outbox, key, subject).await
    }

    /// Seals the changes, unless these very changes are on their way already.
    async fn seal_into(
        &self,
        outbox: &mut Outbox,
        key: &HeldKey,
        device_id: Uuid,
        changes: Vec<ChangeEntry>,
    ) -> Result<()> {
        let payloads = payloads_of(&changes)?;
        let fingerprint = Fingerprint::of(device_id, &key.vault, &changes, &payloads);
        if outbox.holds(fingerprint) {
            return Ok(());
        }
        let limits = self.limits().await?;
        let subject = Subject::new(device_id, &key.vault);
        let mut stream = outbox.stream(&key.vault)?;
        if let Some(given_up) = outbox.in_doubt() {
            self.watch.gave_up(given_up, false);
        }
        let head = self.watch.head(subject, &key.vault);
        let (vault, padding) = (key.vault.clone(), self.padding);
        let (batches, stream) = blocking(move || {
            let sealing = Sealing { vault: &vault, stream: &mut stream, padding, head, limits: &limits };
            let batches = seal_push(sealing, device_id, &changes, &payloads)?;
            Ok((batches, stream))
        })
        .await?;
        outbox.put(fingerprint, subject, batches, key.vault.clone(), stream);
        Ok(())
    }

    async fn send_pending(&self, outbox: &mut Outbox, mut key: HeldKey, subject: Subject) -> Result<Cursor> {
        let (mut cursor, mut followed) = (Cursor::Start, 0);
        while let Some(batch) = outbox.next() {
            self.watch.sending(subject);
            match self.fetch::<PushResponse>(&Request::post_bytes("/push", batch.body.clone())).await {
                Ok(answer) => {
                    let last = outbox.at_last();
                    cursor = self.watch.sent(subject, batch.own, answer.cursor, answer.last_seq, last);
                    outbox.acknowledge();
                }
                Err(SyncKitError::KeyVersionConflict { key_version, .. }) => {
                    followed += 1;
                    key = self.replaced_key(outbox, key, key_version, followed).await?;
                    outbox.reseal(&key.vault)?;
                }
                Err(error) => {
                    if never_to_be_taken(&error) {
                        outbox.give_up();
                        self.watch.gave_up(subject, true);
                    }
                    return Err(self.explained(error, &batch));
                }
            }
        }
        Ok(cursor)
    }

    /// Sends a batch that its owner keeps until it is acknowledged; gives back the position to pull from, and the place of the
    /// batch's last entry.
    #[cfg(feature = "sqlite")]
    pub(crate) async fn push_kept(
        &self,
        subject: Subject,
        body: bytes::Bytes,
        own: Option<Vec<crate::watch::OwnEntry>>,
    ) -> Result<(Cursor, Option<i64>)> {
        let _one_at_a_time = self.outbox.lock().await;
        self.watch.sending(subject);
        match self.fetch::<PushResponse>(&Request::post_bytes("/push", body)).await {
            Ok(PushResponse { cursor, last_seq }) => {
                // Entries that are not known cannot be accounted for.
                let accounted = last_seq.filter(|_| own.is_some());
                let safe = self.watch.sent(subject, own.unwrap_or_default(), cursor, accounted, true);
                Ok((safe, last_seq))
            }
            Err(error) => {
                if error.is_refusal() {
                    self.watch.gave_up(subject, true);
                }
                if let SyncKitError::LogRewound { .. } = error {
                    self.watch.rewound();
                }
                Err(error)
            }
        }
    }

    /// The key that has taken the place of the one which the server refuses. The batch is not in the log: a repeat of one that
    /// is would have been answered.
    async fn replaced_key(
        &self,
        outbox: &Outbox,
        key: HeldKey,
        want: u32,
        followed: usize,
    ) -> Result<HeldKey> {
        self.encryption.doubt();
        let have = key.vault.key_version();
        let now = self.followed_key(key.owner, |_| false).await?;
        if outbox.is_under(&now.vault) || followed > MAX_KEYS_FOLLOWED {
            return Err(SyncKitError::WrongKey { have, want });
        }
        Ok(now)
    }

    /// The error in the terms of the caller's list, and what this client has to learn from it.
    fn explained(&self, error: SyncKitError, batch: &SealedBatch) -> SyncKitError {
        match error {
            SyncKitError::LogRewound { .. } => {
                self.watch.rewound();
                error
            }
            SyncKitError::InvalidChanges { mut faults } => {
                faults.iter_mut().for_each(|fault| fault.index += batch.first_index);
                SyncKitError::InvalidChanges { faults }
            }
            SyncKitError::Server { status: 413, .. } => {
                self.limits.forget();
                error
            }
            other => other,
        }
    }
}

/// Whether the same bytes would be refused for ever. Anything else, be it a lost answer or a full quota, may pass later.
fn never_to_be_taken(error: &SyncKitError) -> bool {
    match error {
        SyncKitError::BatchIdReused { .. }
        | SyncKitError::InvalidChanges { .. }
        | SyncKitError::InvalidField { .. }
        | SyncKitError::DeviceRevoked => true,
        SyncKitError::Server { status, code, .. } => {
            matches!(status, 400 | 413 | 415 | 422) || matches!(code, Some(ErrorCode::TooManyChanges))
        }
        _ => false,
    }
}
