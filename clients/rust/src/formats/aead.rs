//! XChaCha20-Poly1305 as the formats use it: a random nonce of 24 bytes, the tag after the ciphertext.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::keys::Secret;

/// Bytes of a nonce: long enough to be random.
pub const NONCE_BYTES: usize = 24;

/// Bytes of the authentication tag.
pub const TAG_BYTES: usize = 16;

/// A nonce.
pub type Nonce = [u8; NONCE_BYTES];

/// Returns a fresh nonce from the operating system.
pub(super) fn random_nonce() -> Result<Nonce, getrandom::Error> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
}

/// Encrypts `message` in place and returns the tag.
pub(super) fn encrypt(key: &Secret, nonce: &Nonce, ad: &[u8], message: &mut [u8]) -> [u8; TAG_BYTES] {
    cipher(key)
        .encrypt_inout_detached(&XNonce::from(*nonce), ad, message.into())
        .expect("messages are bounded by limits far below the cipher's 256 GiB")
        .into()
}

/// Encrypts to `ciphertext ‖ tag`.
pub(super) fn seal(key: &Secret, nonce: &Nonce, ad: &[u8], message: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(message.len() + TAG_BYTES);
    sealed.extend_from_slice(message);
    let tag = encrypt(key, nonce, ad, &mut sealed);
    sealed.extend_from_slice(&tag);
    sealed
}

/// Opens `ciphertext ‖ tag`; `None` if the tag does not match.
pub(super) fn open(key: &Secret, nonce: &Nonce, ad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (ciphertext, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
    let mut message = Zeroizing::new(ciphertext.to_vec());
    cipher(key)
        .decrypt_inout_detached(&XNonce::from(*nonce), ad, message.as_mut_slice().into(), &Tag::from(*tag))
        .ok()?;
    Some(message)
}

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key.expose()))
}
