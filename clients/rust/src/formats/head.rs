//! Heads: what a writer had seen, sealed into its entry, so that readers notice a server that shows devices different
//! logs.
//!
//! ```text
//! head    seq u64   key_version u32   digest[32]
//! digest  Σ mod 2²⁵⁶ of HMAC(K_head, table_len u8 ‖ table ‖ row_len u16 ‖ row_id ‖ link[16])
//! ```
//!
//! The sum is over the rows whose newest entry up to `seq` is not a delete, with their names as they are on the wire
//! and the link of that entry. Each HMAC is read as a little-endian number, and so is the sum. It is a sum, not a
//! hash of a list, because it can be kept up to date by adding and subtracting, and does not change when superseded
//! entries are compacted. `key_version` names the master key of K_head, because a rotation seals frames again as they
//! are.

use super::error::FormatError;
use super::keys::{Secret, hmac};
use super::link::Link;
use super::names::Names;

/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 32;

/// What the writer of an entry had seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log was seen up to here.
    pub seq: u64,
    /// The version of the master key whose K_head made the digest.
    pub key_version: u32,
    /// The digest of the rows that existed at `seq`.
    pub digest: [u8; DIGEST_BYTES],
}

/// The digest of the rows that exist, kept up to date. Starts as that of an empty log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadDigest([u8; DIGEST_BYTES]);

impl HeadDigest {
    /// Continues from a stored digest.
    pub fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the digest, little-endian.
    pub fn to_bytes(self) -> [u8; DIGEST_BYTES] {
        self.0
    }

    /// Adds a row whose newest entry has this link. `wire` are its names as they are on the wire.
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

    /// Removes a row whose newest entry had this link: it was superseded or deleted.
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

/// Returns one row's term of the sum, little-endian.
pub fn row_term(head_key: &Secret, wire: &Names<'_>, link: &Link) -> Result<[u8; DIGEST_BYTES], FormatError> {
    let mut row = Vec::with_capacity(wire.encoded_len() + link.len());
    wire.write(&mut row)?;
    row.extend_from_slice(link);
    Ok(hmac(head_key, &[&row]))
}
