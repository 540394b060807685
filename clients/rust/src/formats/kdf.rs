//! From a passphrase to 32 bytes: NFC, so that every keyboard gives the same bytes, then Argon2id v1.3 without secret or
//! associated data.
//!
//! What an envelope asks for is checked before anything is allocated: below the range a server could make guessing cheap,
//! above it a device would run out of memory or time. NFC of characters that the Unicode version at hand does not know is
//! undefined; those that are assigned keep theirs for ever.
#![allow(clippy::disallowed_types, reason = "the key envelope is the one place in the SDK that knows argon2")]

use std::fmt;
use std::ops::RangeInclusive;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::error::EnvelopeError;
use super::keys::{KEY_BYTES, Secret};

/// Bytes of a key slot's salt.
pub const SALT_BYTES: usize = 32;

/// The memory that is accepted, in KiB.
pub const ACCEPTED_M_KIB: RangeInclusive<u32> = 19_456..=262_144;

/// The passes over it that are accepted.
pub const ACCEPTED_T: RangeInclusive<u32> = 2..=10;

/// The lanes that are accepted.
pub const ACCEPTED_P: RangeInclusive<u32> = 1..=4;

/// What a passphrase costs to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl KdfCost {
    /// The least that is accepted: for tests and for machines that can do no more.
    pub const MIN: Self =
        Self { m_kib: *ACCEPTED_M_KIB.start(), t: *ACCEPTED_T.start(), p: *ACCEPTED_P.start() };

    /// Refuses a cost outside the accepted ranges.
    ///
    /// # Errors
    /// [`EnvelopeError::KdfCost`].
    pub fn check(self) -> Result<(), EnvelopeError> {
        let accepted = ACCEPTED_M_KIB.contains(&self.m_kib)
            && ACCEPTED_T.contains(&self.t)
            && ACCEPTED_P.contains(&self.p);
        if accepted { Ok(()) } else { Err(EnvelopeError::KdfCost(self)) }
    }
}

impl Default for KdfCost {
    fn default() -> Self {
        Self { m_kib: 65_536, t: 3, p: 1 }
    }
}

impl fmt::Display for KdfCost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} KiB, {} passes, {} lanes", self.m_kib, self.t, self.p)
    }
}

/// The PRK of a passphrase. Takes `cost.m_kib` of memory and some tenths of a second: call it off the async threads.
///
/// # Errors
/// [`EnvelopeError::KdfCost`] outside the accepted ranges, [`EnvelopeError::OutOfMemory`].
pub fn prk(passphrase: &str, salt: &[u8; SALT_BYTES], cost: KdfCost) -> Result<Secret, EnvelopeError> {
    cost.check()?;
    let passphrase = normalized(passphrase);
    let params =
        Params::new(cost.m_kib, cost.t, cost.p, Some(KEY_BYTES)).map_err(|_| EnvelopeError::KdfCost(cost))?;
    // Allocated here, not by argon2: it would neither wipe the blocks nor survive a refusal by the allocator.
    let mut blocks = Zeroizing::new(Vec::<Block>::new());
    blocks.try_reserve_exact(params.block_count()).map_err(|_| EnvelopeError::OutOfMemory)?;
    blocks.resize(params.block_count(), Block::default());
    let mut prk = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(
            passphrase.as_bytes(),
            salt,
            prk.as_mut_slice(),
            blocks.as_mut_slice(),
        )
        .map_err(|_| EnvelopeError::KdfCost(cost))?;
    Ok(Secret::new(*prk))
}

/// The passphrase in NFC, in room for the longest form there is: three times its length.
pub fn normalized(passphrase: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(passphrase.len() * 3));
    text.extend(passphrase.nfc());
    text
}
