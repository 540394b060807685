//! The ring: the secrets that every holder of a vault's current master key needs besides it, sealed into the envelope
//! under K_ring.
//!
//! ```text
//! K_name[32] K_blobroot[32] earlier_count u8 { key_version u32 master[32] }…
//! ```
//!
//! K_name and K_blobroot are there even if names are shown and no blob was ever stored. Earlier master keys are in
//! strictly ascending order of version, all below the current one, and at most 64: that many fit into the envelope
//! beside three slots, and into the 2,560 bytes of the smallest keychain in their stored form. The ring has a fresh
//! nonce each time it is sealed.

use super::bytes::Reader;
use super::keys::{KEY_BYTES, Secret};
use super::malformed::Malformed;

/// Earlier master keys in a ring, at most.
pub const MAX_EARLIER_MASTERS: usize = 64;

/// Bytes of the longest ring.
pub(super) const MAX_RING_BYTES: usize = 2 * KEY_BYTES + 1 + MAX_EARLIER_MASTERS * EARLIER_BYTES;

/// Bytes of one earlier master key in the ring.
pub(super) const EARLIER_BYTES: usize = 4 + KEY_BYTES;

/// The secrets beside the current master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// K_name.
    pub name_key: Secret,
    /// K_blobroot.
    pub blob_root: Secret,
    /// Earlier master keys by version, ascending.
    pub earlier: Vec<(u32, Secret)>,
}

impl Ring {
    /// Bytes that [`Self::write`] appends.
    pub fn encoded_len(&self) -> usize {
        2 * KEY_BYTES + 1 + self.earlier.len() * EARLIER_BYTES
    }

    /// Appends the ring's plaintext. The caller wipes it, and has reserved the capacity, so that no copy is left
    /// behind.
    pub fn write(&self, out: &mut Vec<u8>) {
        let count =
            u8::try_from(self.earlier.len()).expect("a checked ring has at most 64 earlier master keys");
        out.extend_from_slice(self.name_key.expose());
        out.extend_from_slice(self.blob_root.expose());
        out.push(count);
        for (version, master) in &self.earlier {
            out.extend_from_slice(&version.to_le_bytes());
            out.extend_from_slice(master.expose());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (name_key, blob_root) = (Secret::read(reader)?, Secret::read(reader)?);
        let count = usize::from(reader.u8()?);
        if count > MAX_EARLIER_MASTERS {
            return Err(Malformed::EarlierKeys);
        }
        let mut earlier = Vec::with_capacity(count);
        for _ in 0..count {
            earlier.push((reader.u32()?, Secret::read(reader)?));
        }
        Ok(Self { name_key, blob_root, earlier })
    }

    /// Checks the earlier master keys against the version of the current one.
    pub(super) fn check(&self, key_version: u32) -> Result<(), Malformed> {
        let ascending = self.earlier.is_sorted_by(|(one, _), (next, _)| one < next);
        let below = self.earlier.last().is_none_or(|(last, _)| *last < key_version);
        if ascending && below && self.earlier.len() <= MAX_EARLIER_MASTERS {
            Ok(())
        } else {
            Err(Malformed::EarlierKeys)
        }
    }
}
