//! From a passphrase to 32 bytes: NFC, so that every keyboard gives the same bytes, then Argon2id v1.3 without secret
//! or associated data.
//!
//! The cost is checked before anything is allocated. NFC of characters that the Unicode version at hand does not know
//! is undefined; that of assigned characters never changes.
#![allow(clippy::disallowed_types, reason = "the key envelope is the one place in the SDK that knows argon2")]

use argon2::{Algorithm, Argon2, Block, Params, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::envelope_error::EnvelopeError;
use super::kdf_cost::KdfCost;
use super::keys::{KEY_BYTES, Secret};

/// Bytes of a key slot's salt.
pub const SALT_BYTES: usize = 32;

/// Derives the PRK of a passphrase. Takes `cost.m_kib` of memory and some tenths of a second: do not call it on an
/// async thread.
///
/// # Errors
/// [`EnvelopeError::KdfCost`] outside the accepted ranges, [`EnvelopeError::OutOfMemory`].
pub fn prk(passphrase: &str, salt: &[u8; SALT_BYTES], cost: KdfCost) -> Result<Secret, EnvelopeError> {
    if !cost.is_accepted() {
        return Err(EnvelopeError::KdfCost(cost));
    }
    let passphrase = normalized(passphrase);
    let params =
        Params::new(cost.m_kib, cost.t, cost.p, Some(KEY_BYTES)).map_err(|_| EnvelopeError::KdfCost(cost))?;
    // Allocated here, because argon2 would neither wipe the blocks nor survive a failed allocation.
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

/// Returns the passphrase in NFC. Capacity for the longest possible form, three times its length: growing would leave
/// copies.
pub fn normalized(passphrase: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(passphrase.len() * 3));
    text.extend(passphrase.nfc());
    text
}
