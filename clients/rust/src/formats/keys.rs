//! Secrets of 32 bytes, and what is derived from them. Every use has a sub-key of its own, so no bytes are ever tried
//! with two keys, and the label of the derivation is the version of the format.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::bytes::Reader;
use super::malformed::Malformed;

/// Bytes of a master key, a sub-key, a file key and a recovery secret.
pub const KEY_BYTES: usize = 32;

/// Bytes of a vault's id.
pub const VAULT_ID_BYTES: usize = 16;

/// Bytes of a key id.
pub const KEY_ID_BYTES: usize = 16;

/// 32 secret bytes: wiped when dropped, compared in constant time, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; KEY_BYTES]);

impl Secret {
    /// Wraps the bytes. It is up to the caller to wipe their own copy.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns fresh bytes from the operating system.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Self([0; KEY_BYTES]);
        getrandom::fill(&mut secret.0)?;
        Ok(secret)
    }

    /// Reads the next 32 bytes.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array().map(Self)
    }

    /// Returns the bytes. Any copy of them must be wiped.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// HKDF-SHA-256: extracts with `salt`, expands with the concatenation of `info`.
pub(super) fn hkdf<const N: usize>(key: &[u8], salt: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut output = [0; N];
    Hkdf::<Sha256>::new(Some(salt), key)
        .expand_multi_info(info, &mut output)
        .expect("N is a constant far below HKDF's limit of 8,160 bytes");
    output
}

/// HMAC-SHA-256 over the concatenation of `parts`.
pub(super) fn hmac(key: &Secret, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The sub-keys of one master key in one vault: `HKDF(master, vault_id, "tidelog/<use>/1")`.
#[derive(Clone, Debug)]
pub struct SubKeys {
    /// Seals entries.
    pub entry: Secret,
    /// Makes the digests of heads.
    pub head: Secret,
    /// Authenticates the key envelope.
    pub env: Secret,
    /// Seals the ring inside the envelope.
    pub ring: Secret,
    /// Wraps the keys of blobs.
    pub wrap: Secret,
    /// Names the master key without revealing anything about it.
    pub key_id: [u8; KEY_ID_BYTES],
}

impl SubKeys {
    /// Derives all of them.
    pub fn derive(master: &Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Self {
        let sub_key = |label: &str| Secret(hkdf(master.expose(), vault_id, &[label.as_bytes()]));
        Self {
            entry: sub_key("tidelog/entry/1"),
            head: sub_key("tidelog/head/1"),
            env: sub_key("tidelog/env/1"),
            ring: sub_key("tidelog/ring/1"),
            wrap: sub_key("tidelog/wrap/1"),
            key_id: hkdf(master.expose(), vault_id, &[b"tidelog/keyid/1"]),
        }
    }
}

/// A master key with its version and its sub-keys.
#[derive(Clone, Debug)]
pub struct MasterKey {
    /// `key_version` on the wire.
    pub version: u32,
    /// The key itself: it derives sub-keys and seals nothing.
    pub master: Secret,
    /// Its sub-keys.
    pub keys: SubKeys,
}

impl MasterKey {
    /// Derives the sub-keys of `master`.
    pub fn new(version: u32, master: Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Self {
        let keys = SubKeys::derive(&master, vault_id);
        Self { version, master, keys }
    }
}
