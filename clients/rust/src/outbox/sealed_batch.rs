//! A sealed batch, ready to be sent.

use bytes::Bytes;
use tidelog_protocol::{Change, Op, PushRequest};

use crate::formats::{Names, Slot, Vault, open_entry, reseal_entry};
use crate::master_key::HeldKey;
use crate::transport::{from_json, to_json};
use crate::watch::{ChainEntry, OwnEntry};
use crate::{Result, SyncKitError};

/// One batch as it goes over the wire.
#[derive(Clone)]
pub(crate) struct SealedBatch {
    /// The whole request body. Only ever sent again as it is: sealing the entries a second time would fork the stream.
    pub(crate) body: Bytes,
    /// How many changes it holds.
    pub(crate) changes: usize,
    /// Its entries, to account for once they are stored; `None` if they do not open with the keys at hand.
    pub(crate) own: Option<Vec<OwnEntry>>,
}

impl SealedBatch {
    /// Restores a batch that was kept by an earlier run.
    pub(crate) fn from_body(key: &HeldKey, body: Bytes) -> Result<Self> {
        let request: PushRequest<'_> = from_json(&body)?;
        let own = request.changes.iter().map(|change| own_entry(key, change)).collect();
        Ok(Self { changes: request.changes.len(), own, body })
    }

    /// Returns the same batch with each entry sealed again under the current key of `to`; counter and link of each
    /// entry stay. Only for a batch that the server has refused because of its key, so that none of it is in the log.
    pub(crate) fn resealed(&self, from: &Vault, to: &Vault) -> Result<Self> {
        let mut request: PushRequest<'_> = from_json(&self.body)?;
        for change in &mut request.changes {
            let unknown_op = |_| SyncKitError::BadAnswer(String::from("an unknown operation"));
            let op = change.op.parse().map_err(unknown_op)?;
            let slot = slot_of(change, op, from.key_version());
            if let Some(data) = &change.data {
                change.data = Some(reseal_entry(from, to, &slot, data)?.into());
            }
            change.key_version = Some(to.key_version());
        }
        Ok(Self { body: to_json(&request)?, ..self.clone() })
    }
}

fn slot_of<'a>(change: &'a Change<'_>, op: Op, key_version: u32) -> Slot<'a> {
    let timestamp_us = change.timestamp.as_micros();
    Slot { table: &change.table, row_id: &change.row_id, op, timestamp_us, key_version }
}

fn own_entry(key: &HeldKey, change: &Change<'_>) -> Option<OwnEntry> {
    let (op, key_version) = (change.op.parse().ok()?, change.key_version?);
    let slot = slot_of(change, op, key_version);
    let opened = open_entry(key.vault_for(key_version), &slot, change.data.as_ref()?).ok()?;
    let wire = Names::new(&change.table, &change.row_id).into_owned();
    Some(OwnEntry { wire, deletes: op == Op::Delete, chain: ChainEntry::new(0, &opened) })
}
