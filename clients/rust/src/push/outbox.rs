//! What was sealed and is not acknowledged yet.
//!
//! The entries of a stream are numbered and linked, so sealed bytes are sent again as they are, never sealed a second time.
//! If the outcome of a push is unknown, its batches stay here: pushing the same changes again resends the same bytes under
//! the same batch ids, and the server, which may have them already, inserts them once. Other changes begin a new stream:
//! the old one may or may not have reached its end, and a stream must not fork.
//!
//! Should the key be replaced meanwhile, what the server refuses for that is sealed again under the new one.

use std::collections::VecDeque;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::batch::{Payload, SealedBatch};
use crate::formats::keys::VAULT_ID_BYTES;
use crate::formats::{FormatError, Stream, Vault};
use crate::watch::ViewId;
use crate::{ChangeEntry, Result};

/// Names the content of a push: device, vault and changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(device_id: Uuid, vault: &Vault, changes: &[ChangeEntry], payloads: &[Payload]) -> Self {
        let mut hash = Sha256::new().chain_update(device_id).chain_update(vault.vault_id());
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        for (change, payload) in changes.iter().zip(payloads) {
            add(change.op.as_str().as_bytes());
            add(change.table.as_bytes());
            add(change.row_id.as_bytes());
            add(&change.timestamp.timestamp_micros().to_le_bytes());
            add(payload.as_deref().map_or(&[], Vec::as_slice));
        }
        Self(hash.finalize().into())
    }
}

/// The pushing side of a client: one stream, at most one push under way.
#[derive(Default)]
pub(crate) struct Outbox {
    /// Where the stream stands after all that was sealed, and the vault it belongs to; `None` before the first push and
    /// where the stream was given up.
    stream: Option<(VaultId, Stream)>,
    pending: Option<Pending>,
}

type VaultId = [u8; VAULT_ID_BYTES];

struct Pending {
    fingerprint: Fingerprint,
    view: ViewId,
    /// Holds the key that the batches are sealed under.
    vault: Arc<Vault>,
    batches: VecDeque<SealedBatch>,
    /// Changes in the batches that are acknowledged.
    acknowledged: usize,
}

impl Outbox {
    /// Whether these very changes are still on their way.
    pub(crate) fn holds(&self, fingerprint: Fingerprint) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.fingerprint == fingerprint)
    }

    /// The stream to seal the next push with: a new one in another vault, and if an earlier push is still without an answer.
    pub(crate) fn stream(&self, vault: &Vault) -> std::result::Result<Stream, FormatError> {
        match &self.stream {
            Some((vault_id, stream)) if *vault_id == vault.vault_id() && self.pending.is_none() => {
                Ok(stream.clone())
            }
            _ => Stream::generate(),
        }
    }

    /// Whose push has no answer yet.
    pub(crate) fn in_doubt(&self) -> Option<ViewId> {
        self.pending.as_ref().map(|pending| pending.view)
    }

    /// Takes a freshly sealed push, and the vault's stream as it stands after it.
    pub(crate) fn put(
        &mut self,
        fingerprint: Fingerprint,
        view: ViewId,
        batches: Vec<SealedBatch>,
        vault: Arc<Vault>,
        stream: Stream,
    ) {
        self.stream = Some((vault.vault_id(), stream));
        self.pending = Some(Pending { fingerprint, view, vault, batches: batches.into(), acknowledged: 0 });
    }

    /// Whether the next batch is sealed under this vault's current key.
    pub(crate) fn is_under(&self, vault: &Vault) -> bool {
        self.pending.as_ref().is_none_or(|pending| pending.vault.key_id() == vault.key_id())
    }

    /// Seals what is left again under the current key of `vault`, frame by frame: number and link of each entry stay. Only for
    /// batches that the server has refused under their key, so that it has none of them.
    pub(crate) fn reseal(&mut self, vault: &Arc<Vault>) -> Result<()> {
        if let Some(pending) = &mut self.pending {
            let resealed = |batch: &SealedBatch| batch.resealed(&pending.vault, vault);
            pending.batches = pending.batches.iter().map(resealed).collect::<Result<_>>()?;
            pending.vault = vault.clone();
        }
        Ok(())
    }

    /// How many of the pushed changes come before the next batch.
    pub(crate) fn acknowledged(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.acknowledged)
    }

    /// Whether only one batch is left.
    pub(crate) fn at_last(&self) -> bool {
        self.pending.as_ref().is_none_or(|pending| pending.batches.len() <= 1)
    }

    /// The next batch to send, `None` when all are acknowledged.
    pub(crate) fn next(&self) -> Option<SealedBatch> {
        self.pending.as_ref()?.batches.front().cloned()
    }

    /// The batch that [`next`](Self::next) gave is on the server's disk.
    pub(crate) fn acknowledge(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.acknowledged += pending.batches.pop_front().map_or(0, |batch| batch.changes);
            if pending.batches.is_empty() {
                self.pending = None;
            }
        }
    }

    /// The log that the stream was in is not what it was: what is sealed from now on is on a new one.
    pub(crate) fn start_new_stream(&mut self) {
        self.stream = None;
    }

    /// What is pending can never be taken as it is: it is dropped, and its stream with it.
    pub(crate) fn give_up(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(byte: u8) -> Fingerprint {
        Fingerprint([byte; 32])
    }

    fn view(vault: &Vault) -> ViewId {
        ViewId::new(Uuid::nil(), vault)
    }

    fn batches(count: usize) -> Vec<SealedBatch> {
        let batch = SealedBatch { body: bytes::Bytes::new(), changes: 1, own: None };
        vec![batch; count]
    }

    #[test]
    fn an_acknowledged_push_leaves_the_stream_for_the_next_one() {
        let mut outbox = Outbox::default();
        let vault = Arc::new(Vault::generate().unwrap());
        let stream = outbox.stream(&vault).unwrap();
        outbox.put(fingerprint(1), view(&vault), batches(2), vault.clone(), stream.clone());
        outbox.acknowledge();
        assert!(outbox.next().is_some());
        assert_eq!(outbox.acknowledged(), 1);
        outbox.acknowledge();
        assert!(outbox.next().is_none() && !outbox.holds(fingerprint(1)));
        assert_eq!(outbox.stream(&vault).unwrap(), stream);
    }

    #[test]
    fn while_an_answer_is_missing_other_changes_begin_a_new_stream() {
        let mut outbox = Outbox::default();
        let vault = Arc::new(Vault::generate().unwrap());
        let stream = outbox.stream(&vault).unwrap();
        outbox.put(fingerprint(1), view(&vault), batches(2), vault.clone(), stream.clone());
        outbox.acknowledge();
        assert!(outbox.holds(fingerprint(1)) && !outbox.holds(fingerprint(2)));
        assert_ne!(outbox.stream(&vault).unwrap(), stream);
    }

    #[test]
    fn a_stream_never_goes_on_in_another_vault() {
        let mut outbox = Outbox::default();
        let (vault, other) = (Arc::new(Vault::generate().unwrap()), Vault::generate().unwrap());
        let stream = outbox.stream(&vault).unwrap();
        outbox.put(fingerprint(1), view(&vault), batches(1), vault.clone(), stream.clone());
        outbox.acknowledge();
        assert_ne!(outbox.stream(&other).unwrap(), stream);
    }

    #[test]
    fn giving_up_forgets_batches_and_stream() {
        let mut outbox = Outbox::default();
        let vault = Arc::new(Vault::generate().unwrap());
        let stream = outbox.stream(&vault).unwrap();
        outbox.put(fingerprint(1), view(&vault), batches(1), vault.clone(), stream.clone());
        outbox.give_up();
        assert!(outbox.next().is_none());
        assert_ne!(outbox.stream(&vault).unwrap(), stream);
    }
}
