//! The batches that were sealed and are not acknowledged yet.
//!
//! The entries of a stream are chained, so sealed bytes are only ever sent again as they are, never sealed a second
//! time. If the outcome of a push is unknown, its batches stay here: pushing the same changes again sends the same
//! bytes under the same batch ids, and the server, which may have them already, stores them once. Other changes start
//! a new stream: some entries of the old one may or may not be in the log, and a stream must not fork.
//!
//! If the server refuses a batch because the key was replaced, it is sealed again under the new key.

#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only replicas build batches across restarts"))]
mod batch_builder;
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only replicas keep batches across restarts"))]
mod sealed_batch;

use std::collections::VecDeque;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

#[cfg(feature = "sqlite")]
pub(crate) use batch_builder::Added;
pub(crate) use batch_builder::{BatchBuilder, BatchOptions, payload_of};
pub(crate) use sealed_batch::SealedBatch;

use crate::formats::keys::VAULT_ID_BYTES;
use crate::formats::{FormatError, Stream, Vault};
use crate::watch::ViewId;
use crate::{ChangeEntry, Result};
use batch_builder::Payload;

/// Identifies the content of a push: device, vault and changes.
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

/// The outbox of a client: one stream, and at most one push in flight.
#[derive(Default)]
pub(crate) struct Outbox {
    /// The stream after everything that was sealed, and its vault; `None` before the first push and after the stream
    /// was abandoned.
    stream: Option<(VaultId, Stream)>,
    pending: Option<PendingPush>,
}

type VaultId = [u8; VAULT_ID_BYTES];

struct PendingPush {
    fingerprint: Fingerprint,
    view: ViewId,
    /// With the key that the batches are sealed under.
    vault: Arc<Vault>,
    batches: VecDeque<SealedBatch>,
    /// Changes in the batches that are acknowledged.
    acknowledged: usize,
}

impl Outbox {
    /// Whether exactly these changes are pending.
    pub(crate) fn holds(&self, fingerprint: Fingerprint) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.fingerprint == fingerprint)
    }

    /// Returns the stream for the next push: a new one in another vault, and if an earlier push is still pending.
    pub(crate) fn stream(&self, vault: &Vault) -> std::result::Result<Stream, FormatError> {
        match &self.stream {
            Some((vault_id, stream)) if *vault_id == vault.vault_id() && self.pending.is_none() => {
                Ok(stream.clone())
            }
            _ => Stream::generate(),
        }
    }

    /// Returns the view of the pending push, if there is one.
    pub(crate) fn in_doubt(&self) -> Option<ViewId> {
        self.pending.as_ref().map(|pending| pending.view)
    }

    /// Takes a sealed push, and the stream after it.
    pub(crate) fn put(
        &mut self,
        fingerprint: Fingerprint,
        view: ViewId,
        batches: Vec<SealedBatch>,
        vault: Arc<Vault>,
        stream: Stream,
    ) {
        self.stream = Some((vault.vault_id(), stream));
        self.pending =
            Some(PendingPush { fingerprint, view, vault, batches: batches.into(), acknowledged: 0 });
    }

    /// Whether the next batch is sealed under this vault's current key.
    pub(crate) fn is_under(&self, vault: &Vault) -> bool {
        self.pending.as_ref().is_none_or(|pending| pending.vault.key_id() == vault.key_id())
    }

    /// Seals the remaining batches again under the current key of `vault`; counter and link of each entry stay. Only
    /// for batches that the server has refused because of their key, so that none of them is in the log.
    pub(crate) fn reseal(&mut self, vault: &Arc<Vault>) -> Result<()> {
        if let Some(pending) = &mut self.pending {
            let resealed = |batch: &SealedBatch| batch.resealed(&pending.vault, vault);
            pending.batches = pending.batches.iter().map(resealed).collect::<Result<_>>()?;
            pending.vault = vault.clone();
        }
        Ok(())
    }

    /// Returns how many of the pushed changes come before the next batch.
    pub(crate) fn acknowledged(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.acknowledged)
    }

    /// Whether only one batch is left.
    pub(crate) fn at_last(&self) -> bool {
        self.pending.as_ref().is_none_or(|pending| pending.batches.len() <= 1)
    }

    /// Returns the next batch to send; `None` when all are acknowledged.
    pub(crate) fn next(&self) -> Option<SealedBatch> {
        self.pending.as_ref()?.batches.front().cloned()
    }

    /// The batch that [`next`](Self::next) returned is on the server's disk.
    pub(crate) fn acknowledge(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.acknowledged += pending.batches.pop_front().map_or(0, |batch| batch.changes);
            if pending.batches.is_empty() {
                self.pending = None;
            }
        }
    }

    /// Starts a new stream with the next push, because the log lost a part of its history.
    pub(crate) fn start_new_stream(&mut self) {
        self.stream = None;
    }

    /// Drops a push that will never be accepted, and its stream with it.
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
    fn the_next_push_continues_the_stream_of_an_acknowledged_one() {
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
    fn other_changes_start_a_new_stream_while_a_push_is_pending() {
        let mut outbox = Outbox::default();
        let vault = Arc::new(Vault::generate().unwrap());
        let stream = outbox.stream(&vault).unwrap();
        outbox.put(fingerprint(1), view(&vault), batches(2), vault.clone(), stream.clone());
        outbox.acknowledge();
        assert!(outbox.holds(fingerprint(1)) && !outbox.holds(fingerprint(2)));
        assert_ne!(outbox.stream(&vault).unwrap(), stream);
    }

    #[test]
    fn a_stream_never_continues_in_another_vault() {
        let mut outbox = Outbox::default();
        let (vault, other) = (Arc::new(Vault::generate().unwrap()), Vault::generate().unwrap());
        let stream = outbox.stream(&vault).unwrap();
        outbox.put(fingerprint(1), view(&vault), batches(1), vault.clone(), stream.clone());
        outbox.acknowledge();
        assert_ne!(outbox.stream(&other).unwrap(), stream);
    }

    #[test]
    fn giving_up_drops_batches_and_stream() {
        let mut outbox = Outbox::default();
        let vault = Arc::new(Vault::generate().unwrap());
        let stream = outbox.stream(&vault).unwrap();
        outbox.put(fingerprint(1), view(&vault), batches(1), vault.clone(), stream.clone());
        outbox.give_up();
        assert!(outbox.next().is_none());
        assert_ne!(outbox.stream(&vault).unwrap(), stream);
    }
}
