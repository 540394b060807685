//! Heads: what a writer had seen, sealed into its entry, so that readers notice a server that shows devices different pasts.
//!
//! ```text
//! head    seq u64   key_version u32   digest[32]
//! digest  Σ mod 2²⁵⁶ of HMAC(K_head, table_len u8 ‖ table ‖ row_len u16 ‖ row_id ‖ link[16])
//! ```
//!
//! The sum runs over the rows whose newest entry up to `seq` is no delete, with their names as they stand on the wire and
//! the link of that newest entry. Each HMAC is read as a little-endian number and the sum is written as one. A sum, not a
//! hash of a list: it is kept up to date by adding what comes and subtracting what goes, and it does not change when
//! superseded entries are compacted away. `key_version` says whose K_head it is: a rotation re-seals frames as they are.

use super::entry::Link;
use super::error::FormatError;
use super::keys::{Secret, hmac};
use super::names::Names;

/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 32;

/// What the writer of an entry had seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Up to where in the log.
    pub seq: u64,
    /// The master key whose K_head made the digest.
    pub key_version: u32,
    /// Of the rows that were there at `seq`.
    pub digest: [u8; DIGEST_BYTES],
}

/// The running sum over the rows that are there. Starts as that of an empty log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadDigest([u8; DIGEST_BYTES]);

impl HeadDigest {
    /// Continues from a stored sum.
    pub fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }

    /// The sum, little-endian.
    pub fn to_bytes(self) -> [u8; DIGEST_BYTES] {
        self.0
    }

    /// A row's newest entry is now the one with this link. `wire` are the names as they stand on the wire.
    ///
    /// # Errors
    /// [`FormatError::NameTooLong`].
    pub fn add(&mut self, head_key: &Secret, wire: &Names<'_>, link: &Link) -> Result<(), FormatError> {
        let mut carry = 0;
        for (sum, term) in self.0.iter_mut().zip(row_term(head_key, wire, link)?) {
            let total = u16::from(*sum) + u16::from(term) + carry;
            *sum = total.to_le_bytes()[0];
            carry = total >> 8;
        }
        Ok(())
    }

    /// The entry with this link is no longer its row's newest, or the row was deleted.
    ///
    /// # Errors
    /// [`FormatError::NameTooLong`].
    pub fn remove(&mut self, head_key: &Secret, wire: &Names<'_>, link: &Link) -> Result<(), FormatError> {
        let mut borrow = false;
        for (sum, term) in self.0.iter_mut().zip(row_term(head_key, wire, link)?) {
            let (without_term, under) = sum.overflowing_sub(term);
            let (difference, under_again) = without_term.overflowing_sub(u8::from(borrow));
            *sum = difference;
            borrow = under || under_again;
        }
        Ok(())
    }
}

/// One row's share in the sum, little-endian.
pub fn row_term(head_key: &Secret, wire: &Names<'_>, link: &Link) -> Result<[u8; DIGEST_BYTES], FormatError> {
    let mut row = Vec::with_capacity(wire.encoded_len() + link.len());
    wire.write(&mut row)?;
    row.extend_from_slice(link);
    Ok(hmac(head_key, &[&row]))
}
