//! A vault: all that one user of one app needs to read and write their log. Its id and two secrets are made once and stay;
//! master keys come and go with rotations, each under its own number.
//!
//! Stored form, for key stores that keep it away from others (it is not encrypted):
//!
//! ```text
//! "TLV1" flags u8 (1 hidden names) vault_id[16] key_version u32 master[32] K_name[32] K_blobroot[32]
//! earlier_count u8 { key_version u32 master[32] }…   check[8] = SHA-256("tidelog/vault/1" ‖ all before)[..8]
//! ```
//!
//! K_name and K_blobroot are random, not derived from a master: rotation must not change them.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::bytes::Reader;
use super::error::{Fault, FormatError};
use super::keys::{KEY_BYTES, KEY_ID_BYTES, MasterKey, Secret, VAULT_ID_BYTES};
use super::names::Names;
use super::ring::{EARLIER_BYTES, MAX_EARLIER_MASTERS, Ring};

const MAGIC: [u8; 4] = *b"TLV1";
const CHECK_LABEL: &[u8] = b"tidelog/vault/1";
const CHECK_BYTES: usize = 8;
const FLAG_HIDDEN_NAMES: u8 = 1;
/// Bytes of the stored form without earlier masters.
const FIXED_BYTES: usize = 4 + 1 + VAULT_ID_BYTES + 4 + 3 * KEY_BYTES + 1 + CHECK_BYTES;

/// The key version of a vault's first master.
pub const FIRST_KEY_VERSION: u32 = 1;

/// Why a master key is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// As a matter of course: earlier masters go along in the ring, and other devices follow by themselves.
    Routine,
    /// Somebody may have the key: nothing of it goes along.
    Compromise,
}

/// The keys of one user in one app. Wiped when dropped.
#[derive(Clone)]
pub struct Vault {
    vault_id: [u8; VAULT_ID_BYTES],
    hidden_names: bool,
    current: MasterKey,
    /// In ascending order of version.
    earlier: Vec<MasterKey>,
    name_key: Secret,
    blob_root: Secret,
}

impl Vault {
    /// A new vault that shows the names of tables and rows to the server.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`].
    pub fn generate() -> Result<Self, FormatError> {
        Self::generate_as(FIRST_KEY_VERSION, false)
    }

    /// A new vault that hides the names of tables and rows from the server. Fixed for ever.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`].
    pub fn generate_with_hidden_names() -> Result<Self, FormatError> {
        Self::generate_as(FIRST_KEY_VERSION, true)
    }

    /// A new vault whose first key has this number: for a user who starts over after another vault.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`].
    pub fn generate_as(key_version: u32, hidden_names: bool) -> Result<Self, FormatError> {
        let mut vault_id = [0; VAULT_ID_BYTES];
        getrandom::fill(&mut vault_id)?;
        let ring = Ring { name_key: Secret::random()?, blob_root: Secret::random()?, earlier: Vec::new() };
        Ok(Self::from_parts(vault_id, hidden_names, key_version, Secret::random()?, ring)?)
    }

    /// A vault from what it consists of.
    ///
    /// # Errors
    /// [`Fault::EarlierKeys`] when the ring's earlier masters do not ascend below `key_version`.
    pub fn from_parts(
        vault_id: [u8; VAULT_ID_BYTES],
        hidden_names: bool,
        key_version: u32,
        master: Secret,
        ring: Ring,
    ) -> Result<Self, Fault> {
        ring.check(key_version)?;
        let derive = |(version, master)| MasterKey::new(version, master, &vault_id);
        Ok(Self {
            vault_id,
            hidden_names,
            current: derive((key_version, master)),
            earlier: ring.earlier.into_iter().map(derive).collect(),
            name_key: ring.name_key,
            blob_root: ring.blob_root,
        })
    }

    /// The same vault under a new master with the next number. The oldest earlier master goes when there are too many.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`], and [`FormatError::CounterExhausted`] at the last number.
    pub fn rotated(&self, rotation: Rotation) -> Result<Self, FormatError> {
        let next = self.key_version().checked_add(1).ok_or(FormatError::CounterExhausted)?;
        self.rotated_to(next, rotation)
    }

    /// Like [`rotated`](Self::rotated), with this number: numbers of keys that were given up are not used again.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`], and [`FormatError::CounterExhausted`] for a number that is not above the current one.
    pub fn rotated_to(&self, key_version: u32, rotation: Rotation) -> Result<Self, FormatError> {
        if key_version <= self.key_version() {
            return Err(FormatError::CounterExhausted);
        }
        let mut ring = self.ring();
        match rotation {
            Rotation::Routine => {
                ring.earlier.push((self.key_version(), self.current.master.clone()));
                let surplus = ring.earlier.len().saturating_sub(MAX_EARLIER_MASTERS);
                ring.earlier.drain(..surplus);
            }
            Rotation::Compromise => ring.earlier.clear(),
        }
        Ok(Self::from_parts(self.vault_id, self.hidden_names, key_version, Secret::random()?, ring)?)
    }

    /// Random, made once. Names the vault; no secret.
    pub fn vault_id(&self) -> [u8; VAULT_ID_BYTES] {
        self.vault_id
    }

    /// The number of the current master.
    pub fn key_version(&self) -> u32 {
        self.current.version
    }

    /// Names the current master without telling anything about it.
    pub fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        self.current.keys.key_id
    }

    /// Whether names of tables and rows are hidden from the server.
    pub fn hides_names(&self) -> bool {
        self.hidden_names
    }

    /// The current master: what is written is written under it.
    pub fn current(&self) -> &MasterKey {
        &self.current
    }

    /// The master with this number, if the vault holds it.
    pub fn master(&self, key_version: u32) -> Option<&MasterKey> {
        let mut masters = std::iter::once(&self.current).chain(self.earlier.iter().rev());
        masters.find(|master| master.version == key_version)
    }

    /// K_name: hides the names of tables and rows. The same under every master.
    pub fn name_key(&self) -> &Secret {
        &self.name_key
    }

    /// K_blobroot: the root of the keys of blobs. The same under every master.
    pub fn blob_root(&self) -> &Secret {
        &self.blob_root
    }

    /// The names under which a row of the app goes over the wire: its own, or what stands for them.
    ///
    /// # Errors
    /// [`FormatError::NameTooLong`].
    pub fn wire_names<'a>(&self, table: &'a str, row_id: &'a str) -> Result<Names<'a>, FormatError> {
        let names = Names::new(table, row_id);
        if self.hidden_names { names.hidden(&self.name_key) } else { Ok(names) }
    }

    /// What an envelope keeps in its ring.
    pub fn ring(&self) -> Ring {
        let earlier = self.earlier.iter().map(|key| (key.version, key.master.clone())).collect();
        Ring { name_key: self.name_key.clone(), blob_root: self.blob_root.clone(), earlier }
    }

    /// The stored form: every secret, unencrypted.
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let flags = if self.hidden_names { FLAG_HIDDEN_NAMES } else { 0 };
        let mut out = Zeroizing::new(Vec::with_capacity(FIXED_BYTES + self.earlier.len() * EARLIER_BYTES));
        out.extend_from_slice(&MAGIC);
        out.push(flags);
        out.extend_from_slice(&self.vault_id);
        out.extend_from_slice(&self.key_version().to_le_bytes());
        out.extend_from_slice(self.current.master.expose());
        self.ring().write(&mut out);
        let check = check_sum(&out);
        out.extend_from_slice(&check);
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let (content, check) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(Fault::Truncated)?;
        let mut reader = Reader::new(content);
        if reader.array()? != MAGIC {
            return Err(Fault::UnknownForm.into());
        }
        if !bool::from(check_sum(content).ct_eq(check)) {
            return Err(Fault::CheckSum.into());
        }
        let flags = reader.u8()?;
        if flags & !FLAG_HIDDEN_NAMES != 0 {
            return Err(Fault::UnknownFlags.into());
        }
        let (vault_id, key_version, master) = (reader.array()?, reader.u32()?, Secret::read(&mut reader)?);
        let ring = Ring::read(&mut reader)?;
        reader.finish()?;
        Ok(Self::from_parts(vault_id, flags == FLAG_HIDDEN_NAMES, key_version, master, ring)?)
    }
}

/// Two vaults are equal when their stored forms are.
impl PartialEq for Vault {
    fn eq(&self, other: &Self) -> bool {
        self.to_secret_bytes().ct_eq(&other.to_secret_bytes()).into()
    }
}

impl Eq for Vault {}

/// Shows which vault and key it is, never a secret.
impl fmt::Debug for Vault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Vault").field("key_version", &self.key_version()).finish_non_exhaustive()
    }
}

fn check_sum(content: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::new().chain_update(CHECK_LABEL).chain_update(content).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash[..CHECK_BYTES]);
    check
}
