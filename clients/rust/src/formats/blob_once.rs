//! A blob sealed as a whole: for files that fit into memory, 40 bytes over the file.
//!
//! ```text
//! nonce[24] ‖ XChaCha20-Poly1305(file_key, nonce, plaintext, "TLB0" ‖ vault_id)
//! nonce = HMAC(file_key, "nonce")[..24]
//! ```
//!
//! The nonce can be derived because the key seals this one plaintext and no other.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::aead::{self, NONCE_BYTES, Nonce, TAG_BYTES};
use super::blob::{check_content, file_key};
use super::blob_error::BlobError;
use super::keys::{Secret, hmac};
use super::malformed::Malformed;
use super::vault::Vault;

/// Bytes that sealing adds to a file.
pub const ONCE_OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

const MAGIC: &[u8; 4] = b"TLB0";
const NONCE_LABEL: &[u8] = b"nonce";

/// Seals a file. Returns its key and the blob.
pub fn seal_once(vault: &Vault, plaintext: &[u8]) -> (Secret, Vec<u8>) {
    let key = file_key(vault.blob_root(), &Sha256::digest(plaintext).into());
    let nonce = once_nonce(&key);
    let mut sealed = Vec::with_capacity(plaintext.len() + ONCE_OVERHEAD_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = aead::encrypt(&key, &nonce, &once_ad(vault), &mut sealed[NONCE_BYTES..]);
    sealed.extend_from_slice(&tag);
    (key, sealed)
}

/// Opens a blob that was sealed as a whole.
///
/// # Errors
/// [`BlobError::Malformed`] below 40 bytes, [`BlobError::DoesNotOpen`], [`BlobError::OtherContent`].
pub fn open_once(vault: &Vault, key: &Secret, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BlobError> {
    if sealed.len() < ONCE_OVERHEAD_BYTES {
        return Err(Malformed::Truncated.into());
    }
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Malformed::Truncated)?;
    if *nonce != once_nonce(key) {
        return Err(BlobError::DoesNotOpen);
    }
    let opened = aead::open(key, nonce, &once_ad(vault), ciphertext).ok_or(BlobError::DoesNotOpen)?;
    check_content(vault, key, &Sha256::digest(opened.as_slice()).into())?;
    Ok(opened)
}

/// Derives the nonce with which a key seals its one plaintext.
pub fn once_nonce(key: &Secret) -> Nonce {
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&hmac(key, &[NONCE_LABEL])[..NONCE_BYTES]);
    nonce
}

/// Returns the associated data of a blob that is sealed as a whole.
pub fn once_ad(vault: &Vault) -> Vec<u8> {
    [&MAGIC[..], &vault.vault_id()].concat()
}
