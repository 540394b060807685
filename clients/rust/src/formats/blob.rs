//! Keys and names of blobs, which both forms of a blob have in common.
//!
//! ```text
//! file_key    = HMAC(K_blobroot, "tidelog/blob/1" ‖ SHA-256(plaintext))
//! name        = SHA-256(all bytes of the sealed blob), on the wire 64 lower-case hexadecimal digits
//! wrapped_key = nonce[24] ‖ XChaCha20-Poly1305(K_wrap, nonce, file_key, ad)        72 bytes; the nonce is random
//! ad            "TLB1" vault_id[16] key_version u32 name[32]
//! ```
//!
//! In one vault, a file always has the same key, the same sealed bytes and the same name: it is stored once, and a
//! rotation only wraps its key again. Other vaults have another K_blobroot, so equal files of two users have nothing
//! in common.
//!
//! A reader refuses, in this order: a key that does not open, bytes that do not open, and a content whose hash does
//! not give the key.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{self, NONCE_BYTES, Nonce, TAG_BYTES};
use super::blob_error::BlobError;
use super::keys::{KEY_BYTES, Secret, hmac};
use super::malformed::Malformed;
use super::vault::Vault;

/// Bytes of a SHA-256.
pub const HASH_BYTES: usize = 32;

/// Bytes of a wrapped key.
pub const WRAPPED_KEY_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

const FILE_KEY_LABEL: &[u8] = b"tidelog/blob/1";
const WRAP_MAGIC: &[u8; 4] = b"TLB1";

/// The name of a blob: the SHA-256 of its sealed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobHash(pub [u8; HASH_BYTES]);

impl BlobHash {
    /// Returns the name of these sealed bytes.
    pub fn of(sealed: &[u8]) -> Self {
        Self(Sha256::digest(sealed).into())
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_write(&self.0, out)
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A name is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 lower-case hexadecimal digits")]
pub struct InvalidBlobHash;

impl FromStr for BlobHash {
    type Err = InvalidBlobHash;

    fn from_str(text: &str) -> Result<Self, InvalidBlobHash> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| InvalidBlobHash)?;
        bytes.try_into().map(Self).map_err(|_| InvalidBlobHash)
    }
}

/// Derives the key of the file whose plaintext has this SHA-256.
pub fn file_key(blob_root: &Secret, plaintext_hash: &[u8; HASH_BYTES]) -> Secret {
    Secret::new(hmac(blob_root, &[FILE_KEY_LABEL, plaintext_hash]))
}

/// Checks that the key was derived from content with this SHA-256.
pub(super) fn check_content(
    vault: &Vault,
    key: &Secret,
    plaintext_hash: &[u8; HASH_BYTES],
) -> Result<(), BlobError> {
    let expected = file_key(vault.blob_root(), plaintext_hash);
    let fits = expected.expose().ct_eq(key.expose());
    if bool::from(fits) { Ok(()) } else { Err(BlobError::OtherContent) }
}

/// Wraps a file key under the vault's current master key, for the blob of this name.
///
/// # Errors
/// [`BlobError::NoRandomness`].
pub fn wrap_file_key(vault: &Vault, name: &BlobHash, key: &Secret) -> Result<Vec<u8>, BlobError> {
    Ok(wrap_file_key_with(vault, name, key, aead::random_nonce()?))
}

/// Like [`wrap_file_key`], with this nonce, which must not be used for anything else.
pub fn wrap_file_key_with(vault: &Vault, name: &BlobHash, key: &Secret, nonce: Nonce) -> Vec<u8> {
    let master = vault.current();
    let ad = wrap_ad(vault, master.version, name);
    [&nonce[..], &aead::seal(&master.keys.wrap, &nonce, &ad, key.expose())].concat()
}

/// Unwraps a file key that was wrapped for the blob of this name under the master key of this version.
///
/// # Errors
/// [`BlobError::WrongKey`], [`BlobError::KeyDoesNotOpen`], and [`BlobError::Malformed`] for anything but 72 bytes.
pub fn unwrap_file_key(
    vault: &Vault,
    key_version: u32,
    name: &BlobHash,
    wrapped: &[u8],
) -> Result<Secret, BlobError> {
    let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(Malformed::Truncated)?;
    match sealed.len().cmp(&(KEY_BYTES + TAG_BYTES)) {
        std::cmp::Ordering::Less => return Err(Malformed::Truncated.into()),
        std::cmp::Ordering::Greater => return Err(Malformed::TrailingBytes.into()),
        std::cmp::Ordering::Equal => {}
    }
    let wrong_key = BlobError::WrongKey { have: vault.key_version(), want: key_version };
    let master = vault.master(key_version).ok_or(wrong_key)?;
    let ad = wrap_ad(vault, key_version, name);
    let opened = aead::open(&master.keys.wrap, nonce, &ad, sealed).ok_or(BlobError::KeyDoesNotOpen)?;
    let key = opened.first_chunk::<KEY_BYTES>().ok_or(BlobError::KeyDoesNotOpen)?;
    Ok(Secret::new(*Zeroizing::new(*key)))
}

/// Returns the associated data of a wrapped key.
pub fn wrap_ad(vault: &Vault, key_version: u32, name: &BlobHash) -> Vec<u8> {
    [&WRAP_MAGIC[..], &vault.vault_id(), &key_version.to_le_bytes(), &name.0].concat()
}
