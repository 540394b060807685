//! Key slots: the master key wrapped under a passphrase, a recovery key, or the master key before it.
//!
//! ```text
//! slot  type u8 (1 passphrase, 2 recovery, 3 link)  m_KiB u32  t u32  p u32  salt[32]  commit[32]  nonce[24]  wrapped[48]
//! PRK   1: Argon2id(NFC(passphrase), salt, m, t, p)   2: the recovery key's secret   3: the previous master key
//! KEK ‖ commit = HKDF(PRK, salt, "tidelog/kek/1" ‖ type, 64)
//! ad    "TLK1" key_version u32 vault_id[16] key_id[16] ‖ the slot from its type to the end of commit
//! ```
//!
//! Argon2 and HKDF use the same salt. Slots 2 and 3 have m, t and p of 0. The commitment tells a wrong passphrase
//! from a damaged envelope, and it binds the ciphertext to one key. Nothing in a slot depends on `wrap_no`, so that a
//! new wrapping can carry over the slots whose secrets it does not know.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{self, NONCE_BYTES, Nonce, TAG_BYTES};
use super::bytes::Reader;
use super::envelope_error::EnvelopeError;
use super::header::{Header, MAGIC};
use super::kdf::{self, SALT_BYTES};
use super::kdf_cost::KdfCost;
use super::keys::{KEY_BYTES, Secret, hkdf};
use super::malformed::Malformed;
use super::recovery_key::RecoveryKey;
use super::slot_kind::SlotKind;
use super::vault::Vault;

/// Bytes of a commitment.
pub const COMMIT_BYTES: usize = 32;

/// Bytes of a wrapped master key.
pub const WRAPPED_BYTES: usize = KEY_BYTES + TAG_BYTES;

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 1 + 3 * 4 + SALT_BYTES + COMMIT_BYTES + NONCE_BYTES + WRAPPED_BYTES;

const KEK_LABEL: &[u8] = b"tidelog/kek/1";
const NO_COST: KdfCost = KdfCost { m_kib: 0, t: 0, p: 0 };

/// A secret that opens an envelope.
#[derive(Clone, Copy)]
pub enum Unlock<'a> {
    /// Slot 1.
    Passphrase(&'a str),
    /// Slot 2.
    Recovery(&'a RecoveryKey),
    /// Slot 3: a vault whose current master key is the one before the envelope's.
    Previous(&'a Vault),
}

impl Unlock<'_> {
    /// Returns the kind of slot that it opens.
    pub fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Recovery(_) => SlotKind::Recovery,
            Self::Previous(_) => SlotKind::Link,
        }
    }

    /// Returns the PRK of a slot with this salt and cost.
    ///
    /// # Errors
    /// Those of [`kdf::prk`].
    pub fn prk(&self, salt: &[u8; SALT_BYTES], cost: KdfCost) -> Result<Secret, EnvelopeError> {
        match self {
            Self::Passphrase(passphrase) => kdf::prk(passphrase, salt, cost),
            Self::Recovery(recovery_key) => Ok(recovery_key.secret().clone()),
            Self::Previous(vault) => Ok(vault.current().master.clone()),
        }
    }
}

/// Shows which slot it opens, never the secret.
impl fmt::Debug for Unlock<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Unlock({})", self.kind())
    }
}

/// A slot of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySlot {
    /// The kind of secret that opens it.
    pub kind: SlotKind,
    /// Zeros unless it is a passphrase.
    pub cost: KdfCost,
    /// Random.
    pub salt: [u8; SALT_BYTES],
    /// Commits to the key that wraps the master key.
    pub commit: [u8; COMMIT_BYTES],
    /// Random.
    pub nonce: Nonce,
    /// The wrapped master key.
    pub wrapped: [u8; WRAPPED_BYTES],
}

impl KeySlot {
    /// Wraps the vault's current master key, with a salt and a nonce that must not be used for anything else. `cost`
    /// applies only to a passphrase.
    ///
    /// # Errors
    /// [`EnvelopeError::EmptyPassphrase`], [`EnvelopeError::ForeignSlot`] for a link from another vault, and those of
    /// [`kdf::prk`].
    pub fn wrap(
        vault: &Vault,
        unlock: Unlock<'_>,
        cost: KdfCost,
        salt: [u8; SALT_BYTES],
        nonce: Nonce,
    ) -> Result<Self, EnvelopeError> {
        let cost = match unlock {
            Unlock::Passphrase("") => return Err(EnvelopeError::EmptyPassphrase),
            Unlock::Passphrase(_) => cost,
            Unlock::Previous(previous) if previous.vault_id() != vault.vault_id() => {
                return Err(EnvelopeError::ForeignSlot);
            }
            Unlock::Recovery(_) | Unlock::Previous(_) => NO_COST,
        };
        let kind = unlock.kind();
        let (kek, commit) = kek_and_commit(&unlock.prk(&salt, cost)?, &salt, kind);
        let mut slot = Self { kind, cost, salt, commit, nonce, wrapped: [0; WRAPPED_BYTES] };
        let (wrapped, tag) = slot.wrapped.split_at_mut(KEY_BYTES);
        wrapped.copy_from_slice(vault.current().master.expose());
        let ad = wrap_ad(&Header::of(vault, 0), kind, cost, &salt, &commit);
        tag.copy_from_slice(&aead::encrypt(&kek, &nonce, &ad, wrapped));
        Ok(slot)
    }

    /// Unwraps the master key of the envelope with this header. The commitment is compared first, in constant time.
    pub(super) fn unwrap(&self, header: &Header, unlock: &Unlock<'_>) -> Result<Secret, EnvelopeError> {
        let (kek, commit) = kek_and_commit(&unlock.prk(&self.salt, self.cost)?, &self.salt, self.kind);
        if !bool::from(commit.ct_eq(&self.commit)) {
            return Err(wrong_secret(self.kind));
        }
        let ad = wrap_ad(header, self.kind, self.cost, &self.salt, &self.commit);
        let master = aead::open(&kek, &self.nonce, &ad, &self.wrapped).ok_or(EnvelopeError::Tampered)?;
        Ok(Secret::read(&mut Reader::new(&master))?)
    }

    /// Appends the slot as it is in an envelope.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_to_commit(out, self.kind, self.cost, &self.salt, &self.commit);
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.wrapped);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, EnvelopeError> {
        let kind = SlotKind::from_byte(reader.u8()?)?;
        let cost = KdfCost { m_kib: reader.u32()?, t: reader.u32()?, p: reader.u32()? };
        match kind {
            SlotKind::Passphrase if cost.is_accepted() => {}
            SlotKind::Passphrase => return Err(EnvelopeError::KdfCost(cost)),
            SlotKind::Recovery | SlotKind::Link if cost == NO_COST => {}
            SlotKind::Recovery | SlotKind::Link => return Err(Malformed::SlotCost.into()),
        }
        let (salt, commit) = (reader.array()?, reader.array()?);
        Ok(Self { kind, cost, salt, commit, nonce: reader.array()?, wrapped: reader.array()? })
    }
}

/// Derives the key that wraps the master key, and the commitment to it.
pub fn kek_and_commit(prk: &Secret, salt: &[u8; SALT_BYTES], kind: SlotKind) -> (Secret, [u8; COMMIT_BYTES]) {
    let output = Zeroizing::new(hkdf::<{ KEY_BYTES + COMMIT_BYTES }>(
        prk.expose(),
        salt,
        &[KEK_LABEL, &[kind.to_byte()]],
    ));
    let (mut kek, mut commit) = (Zeroizing::new([0; KEY_BYTES]), [0; COMMIT_BYTES]);
    kek.copy_from_slice(&output[..KEY_BYTES]);
    commit.copy_from_slice(&output[KEY_BYTES..]);
    (Secret::new(*kek), commit)
}

/// Returns the associated data of a wrapped master key.
pub fn wrap_ad(
    header: &Header,
    kind: SlotKind,
    cost: KdfCost,
    salt: &[u8; SALT_BYTES],
    commit: &[u8; COMMIT_BYTES],
) -> Vec<u8> {
    let mut ad = Vec::with_capacity(SLOT_BYTES);
    ad.extend_from_slice(&MAGIC);
    ad.extend_from_slice(&header.key_version.to_le_bytes());
    ad.extend_from_slice(&header.vault_id);
    ad.extend_from_slice(&header.key_id);
    write_to_commit(&mut ad, kind, cost, salt, commit);
    ad
}

fn wrong_secret(kind: SlotKind) -> EnvelopeError {
    match kind {
        SlotKind::Passphrase => EnvelopeError::WrongPassphrase,
        SlotKind::Recovery => EnvelopeError::WrongRecoveryKey,
        SlotKind::Link => EnvelopeError::WrongPreviousKey,
    }
}

/// Appends the fields of a slot from its type to its commitment.
fn write_to_commit(
    out: &mut Vec<u8>,
    kind: SlotKind,
    cost: KdfCost,
    salt: &[u8; SALT_BYTES],
    commit: &[u8; COMMIT_BYTES],
) {
    out.push(kind.to_byte());
    for number in [cost.m_kib, cost.t, cost.p] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(salt);
    out.extend_from_slice(commit);
}
