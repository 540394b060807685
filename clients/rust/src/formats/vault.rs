//! A vault: everything that a user of an app needs to read and write the log. Its id and two secrets never change;
//! master keys are replaced by rotations, and numbered by key version.
//!
//! Stored form, for key stores that protect it (it is not encrypted):
//!
//! ```text
//! "TLV1" flags u8 (1 hidden names) vault_id[16] key_version u32 master[32] K_name[32] K_blobroot[32]
//! earlier_count u8 { key_version u32 master[32] }…   check[8] = SHA-256("tidelog/vault/1" ‖ all before)[..8]
//! ```
//!
//! K_name and K_blobroot are random, not derived from a master key: rotation must not change them.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::bytes::Reader;
use super::error::FormatError;
use super::keys::{KEY_BYTES, KEY_ID_BYTES, MasterKey, Secret, VAULT_ID_BYTES};
use super::malformed::Malformed;
use super::names::Names;
use super::ring::{EARLIER_BYTES, MAX_EARLIER_MASTERS, Ring};

const MAGIC: [u8; 4] = *b"TLV1";
const CHECK_LABEL: &[u8] = b"tidelog/vault/1";
const CHECK_BYTES: usize = 8;
const FLAG_HIDDEN_NAMES: u8 = 1;
/// Bytes of the stored form without earlier master keys.
const FIXED_BYTES: usize = 4 + 1 + VAULT_ID_BYTES + 4 + 3 * KEY_BYTES + 1 + CHECK_BYTES;

/// The version of a vault's first master key.
pub const FIRST_KEY_VERSION: u32 = 1;

/// Why a master key is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Routinely: earlier master keys are kept in the ring, and other devices follow by themselves.
    Routine,
    /// Because somebody may have the key: earlier master keys are dropped.
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
    /// Generates a new vault that shows the names of tables and rows to the server.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`].
    pub fn generate() -> Result<Self, FormatError> {
        Self::generate_as(FIRST_KEY_VERSION, false)
    }

    /// Generates a new vault that hides the names of tables and rows from the server, for its whole life.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`].
    pub fn generate_with_hidden_names() -> Result<Self, FormatError> {
        Self::generate_as(FIRST_KEY_VERSION, true)
    }

    /// Generates a new vault whose first key has this version, for a user who starts over.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`].
    pub fn generate_as(key_version: u32, hidden_names: bool) -> Result<Self, FormatError> {
        let mut vault_id = [0; VAULT_ID_BYTES];
        getrandom::fill(&mut vault_id)?;
        let ring = Ring { name_key: Secret::random()?, blob_root: Secret::random()?, earlier: Vec::new() };
        Ok(Self::from_parts(vault_id, hidden_names, key_version, Secret::random()?, ring)?)
    }

    /// Assembles a vault from its parts.
    ///
    /// # Errors
    /// [`Malformed::EarlierKeys`] if the ring's earlier master keys do not ascend below `key_version`.
    pub fn from_parts(
        vault_id: [u8; VAULT_ID_BYTES],
        hidden_names: bool,
        key_version: u32,
        master: Secret,
        ring: Ring,
    ) -> Result<Self, Malformed> {
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

    /// Returns the same vault under a new master key with the next version. If there are too many earlier ones, the
    /// oldest is dropped.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`], and [`FormatError::CounterExhausted`] at the last version.
    pub fn rotated(&self, rotation: Rotation) -> Result<Self, FormatError> {
        let next = self.key_version().checked_add(1).ok_or(FormatError::CounterExhausted)?;
        self.rotated_to(next, rotation)
    }

    /// Like [`rotated`](Self::rotated), with this version: versions of cancelled rotations are not used again.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`], and [`FormatError::CounterExhausted`] for a version that is not above the
    /// current one.
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

    /// Returns the random id of the vault, which is no secret.
    pub fn vault_id(&self) -> [u8; VAULT_ID_BYTES] {
        self.vault_id
    }

    /// Returns the version of the current master key.
    pub fn key_version(&self) -> u32 {
        self.current.version
    }

    /// Returns the id of the current master key, which reveals nothing about it.
    pub fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        self.current.keys.key_id
    }

    /// Returns whether the names of tables and rows are hidden from the server.
    pub fn hides_names(&self) -> bool {
        self.hidden_names
    }

    /// Returns the current master key, under which new entries are sealed.
    pub fn current(&self) -> &MasterKey {
        &self.current
    }

    /// Returns the master key of this version, if the vault holds it.
    pub fn master(&self, key_version: u32) -> Option<&MasterKey> {
        let mut masters = std::iter::once(&self.current).chain(self.earlier.iter().rev());
        masters.find(|master| master.version == key_version)
    }

    /// Returns K_name, which hides the names of tables and rows. It is the same under every master key.
    pub fn name_key(&self) -> &Secret {
        &self.name_key
    }

    /// Returns K_blobroot, from which file keys are derived. It is the same under every master key.
    pub fn blob_root(&self) -> &Secret {
        &self.blob_root
    }

    /// Returns the names of a row on the wire: its own, or their stand-ins.
    ///
    /// # Errors
    /// [`FormatError::NameTooLong`].
    pub fn wire_names<'a>(&self, table: &'a str, row_id: &'a str) -> Result<Names<'a>, FormatError> {
        let names = Names::new(table, row_id);
        if self.hidden_names { names.hidden(&self.name_key) } else { Ok(names) }
    }

    /// Returns the secrets that an envelope keeps in its ring.
    pub fn ring(&self) -> Ring {
        let earlier = self.earlier.iter().map(|key| (key.version, key.master.clone())).collect();
        Ring { name_key: self.name_key.clone(), blob_root: self.blob_root.clone(), earlier }
    }

    /// Returns the stored form: every secret, unencrypted.
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

    /// Parses the stored form.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let (content, check) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(Malformed::Truncated)?;
        let mut reader = Reader::new(content);
        if reader.array()? != MAGIC {
            return Err(Malformed::UnknownForm.into());
        }
        if !bool::from(check_sum(content).ct_eq(check)) {
            return Err(Malformed::CheckSum.into());
        }
        let flags = reader.u8()?;
        if flags & !FLAG_HIDDEN_NAMES != 0 {
            return Err(Malformed::UnknownFlags.into());
        }
        let (vault_id, key_version, master) = (reader.array()?, reader.u32()?, Secret::read(&mut reader)?);
        let ring = Ring::read(&mut reader)?;
        reader.finish()?;
        Ok(Self::from_parts(vault_id, flags == FLAG_HIDDEN_NAMES, key_version, master, ring)?)
    }
}

/// Two vaults are equal if their stored forms are. Compared in constant time.
impl PartialEq for Vault {
    fn eq(&self, other: &Self) -> bool {
        self.to_secret_bytes().ct_eq(&other.to_secret_bytes()).into()
    }
}

impl Eq for Vault {}

/// Shows the key version, never a secret.
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
