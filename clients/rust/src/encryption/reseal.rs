//! What a rotation makes of a page of entries: each sealed again under the next key, or left where it does not open.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use tidelog_protocol::{
    BlobKey, Entry, RotatedBlobKey, RotatedEntry, RotationBatchRequest, RotationEntriesResponse,
};

use crate::Result;
use crate::formats::{Slot, Vault, reseal_entry, unwrap_file_key, wrap_file_key};
use crate::transport::{from_json, to_json};

/// Bytes of a batch's JSON around the data of its entries, and around each of them.
const BATCH_FRAME_BYTES: usize = 64;
const ENTRY_FRAME_BYTES: usize = 64;

/// What becomes of that which is under the old key.
#[derive(Clone)]
pub(super) enum Treatment {
    /// It is sealed under the next one, where it opens.
    Reseal { from: Arc<Vault>, to: Arc<Vault> },
    /// It stays as it is.
    Leave,
}

impl Treatment {
    fn of_entry(&self, entry: &Entry<'_>) -> RotatedEntry<'static> {
        let data = match self {
            Self::Reseal { from, to } => resealed(from, to, entry),
            Self::Leave => None,
        };
        RotatedEntry { seq: entry.seq, keep: data.is_none(), data: data.map(Into::into) }
    }

    pub(super) fn of_blob(&self, blob: BlobKey) -> RotatedBlobKey {
        let wrapped_key = match self {
            Self::Reseal { from, to } => rewrapped(from, to, &blob),
            Self::Leave => None,
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

/// A page, ready to be sent.
pub(super) struct SealedPage {
    pub(super) batches: Vec<Bytes>,
    pub(super) resealed: u64,
    pub(super) kept: u64,
    pub(super) cursor: tidelog_protocol::Cursor,
    pub(super) has_more: bool,
    pub(super) remaining: u64,
}

/// Seals a page, in as many batches as the server's limit on bodies asks for.
pub(super) fn sealed_page(
    body: &[u8],
    treatment: &Treatment,
    key_version: u32,
    max_bytes: usize,
) -> Result<SealedPage> {
    let page: RotationEntriesResponse<'_> = from_json(body)?;
    let (mut batches, mut entries, mut bytes) = (Vec::new(), Vec::new(), BATCH_FRAME_BYTES);
    let (mut resealed, mut kept) = (0, 0);
    for entry in &page.entries {
        let entry = treatment.of_entry(entry);
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
    Ok(SealedPage { batches, resealed, kept, cursor, has_more, remaining })
}

/// The key is named, as the rotation may have given way to another one meanwhile: that must not take these for its own.
fn batch_of(key_version: u32, entries: Vec<RotatedEntry<'_>>) -> Result<Bytes> {
    to_json(&RotationBatchRequest { key_version: Some(key_version), entries })
}
