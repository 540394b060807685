//! Re-encrypting a page of a rotation: each entry is sealed again under the next key, or kept as it is if it does not
//! open.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use tidelog_protocol::{
    BlobKey, Cursor, Entry, RotatedBlobKey, RotatedEntry, RotationBatchRequest, RotationEntriesResponse,
};

use crate::Result;
use crate::formats::{Slot, Vault, reseal_entry, unwrap_file_key, wrap_file_key};
use crate::transport::{from_json, to_json};

/// Bytes of a batch's JSON around its entries, and of an entry around its data.
const BATCH_FRAME_BYTES: usize = 64;
const ENTRY_FRAME_BYTES: usize = 64;

/// What a rotation does with entries and wrapped keys that are under the old key.
#[derive(Clone)]
pub(super) enum ReencryptionPlan {
    /// Seal them again under the next key, if they open.
    Reseal { from: Arc<Vault>, to: Arc<Vault> },
    /// Keep them as they are.
    Keep,
}

impl ReencryptionPlan {
    fn entry(&self, entry: &Entry<'_>) -> RotatedEntry<'static> {
        let data = match self {
            Self::Reseal { from, to } => resealed(from, to, entry),
            Self::Keep => None,
        };
        RotatedEntry { seq: entry.seq, keep: data.is_none(), data: data.map(Into::into) }
    }

    pub(super) fn blob_key(&self, blob: BlobKey) -> RotatedBlobKey {
        let wrapped_key = match self {
            Self::Reseal { from, to } => rewrapped(from, to, &blob),
            Self::Keep => None,
        };
        RotatedBlobKey { hash: blob.hash, keep: wrapped_key.is_none(), wrapped_key }
    }
}

fn resealed(from: &Vault, to: &Vault, entry: &Entry<'_>) -> Option<String> {
    let slot = Slot {
        table: &entry.table,
        row_id: &entry.row_id,
        op: entry.op.parse().ok()?,
        timestamp_us: entry.timestamp.as_micros(),
        key_version: entry.key_version,
    };
    reseal_entry(from, to, &slot, entry.data.as_ref()?).ok()
}

fn rewrapped(from: &Vault, to: &Vault, blob: &BlobKey) -> Option<String> {
    let name = blob.hash.parse().ok()?;
    let wrapped = BASE64.decode(blob.wrapped_key.as_bytes()).ok()?;
    let key = unwrap_file_key(from, blob.key_version, &name, &wrapped).ok()?;
    Some(BASE64.encode(&wrap_file_key(to, &name, &key).ok()?))
}

/// A page, ready to be sent back.
pub(super) struct ResealedPage {
    pub(super) batches: Vec<Bytes>,
    pub(super) resealed: u64,
    pub(super) kept: u64,
    pub(super) cursor: Cursor,
    pub(super) has_more: bool,
    pub(super) remaining: u64,
}

/// Re-encrypts a page, in as many batches as the server's limit on bodies requires.
pub(super) fn reseal_page(
    body: &[u8],
    plan: &ReencryptionPlan,
    key_version: u32,
    max_bytes: usize,
) -> Result<ResealedPage> {
    let page: RotationEntriesResponse<'_> = from_json(body)?;
    let (mut batches, mut entries, mut bytes) = (Vec::new(), Vec::new(), BATCH_FRAME_BYTES);
    let (mut resealed, mut kept) = (0, 0);
    for entry in &page.entries {
        let entry = plan.entry(entry);
        *(if entry.keep { &mut kept } else { &mut resealed }) += 1;
        let more = ENTRY_FRAME_BYTES + entry.data.as_ref().map_or(0, |data| data.len());
        if bytes + more > max_bytes && !entries.is_empty() {
            batches.push(batch_of(key_version, std::mem::take(&mut entries))?);
            bytes = BATCH_FRAME_BYTES;
        }
        bytes += more;
        entries.push(entry);
    }
    if !entries.is_empty() {
        batches.push(batch_of(key_version, entries)?);
    }
    let RotationEntriesResponse { cursor, has_more, remaining, .. } = page;
    Ok(ResealedPage { batches, resealed, kept, cursor, has_more, remaining })
}

/// Names the key, so that another rotation, which may have replaced this one meanwhile, does not take the entries for
/// its own.
fn batch_of(key_version: u32, entries: Vec<RotatedEntry<'_>>) -> Result<Bytes> {
    to_json(&RotationBatchRequest { key_version: Some(key_version), entries })
}
