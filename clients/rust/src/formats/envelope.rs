//! The key envelope: what the server keeps so that a new device needs nothing but a passphrase.
//!
//! ```text
//! header  "TLK1" flags u8 (1 hidden names) min_format u8 key_version u32 wrap_no u32 vault_id[16] key_id[16]
//! body    slot_count u8 slots  ring_len u16 ring_nonce[24] ring  mac[32]
//! ring    XChaCha20-Poly1305(K_ring, ring_nonce, plaintext of the ring, header); ring_len counts its tag, not its nonce
//! mac     HMAC(K_env, all before it)
//! ```
//!
//! One to three slots, at most one of each type, in ascending order of type: so nothing is tried with two keys, one set of
//! slots has one form, and an envelope costs one run of Argon2 at most. `min_format` is the lowest version of this format that
//! a reader must know, 1 here; a higher one is refused before anything else is looked at, zero is malformed.
//!
//! Opened in this order: size, form, `min_format`, flags, slots (types, costs, order), lengths; the commitment of the slot;
//! the wrapped master; `key_id`; `mac`; the ring. From the commitment on, a failure is the work of somebody who could not
//! know the key. An envelope is at most 3,072 bytes, below the 4,096 of base64 that a server takes.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{self, Nonce, TAG_BYTES};
use super::bytes::Reader;
use super::error::{EnvelopeError, Fault};
use super::header::{HEADER_BYTES, Header};
use super::kdf::{KdfCost, SALT_BYTES};
use super::keys::{MasterKey, Secret, hmac};
use super::recovery::RecoveryCode;
use super::ring::Ring;
use super::slot::{KeySlot, SLOT_BYTES, SlotKind, Unlock};
use super::vault::Vault;

/// Bytes of an envelope, at most.
pub const MAX_ENVELOPE_BYTES: usize = 3_072;

const MAC_BYTES: usize = 32;

/// An envelope taken apart, not yet opened: nothing in it is to be believed.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// What it says about itself.
    pub header: Header,
    /// Its slots, in ascending order of type.
    pub slots: Vec<KeySlot>,
    ring_nonce: Nonce,
    ring: &'a [u8],
    header_bytes: &'a [u8],
    authenticated: &'a [u8],
    mac: [u8; MAC_BYTES],
}

/// An envelope that opened.
#[derive(Clone)]
pub struct OpenedEnvelope {
    /// The vault inside.
    pub vault: Vault,
    /// How often the same master was wrapped before.
    pub wrap_no: u32,
    /// The slots, for a re-wrap to carry over those whose secret it does not know.
    pub slots: Vec<KeySlot>,
}

/// A slot to be written.
#[derive(Clone, Copy, Debug)]
pub enum SlotPlan<'a> {
    /// A new slot for this secret; the cost counts only for a passphrase.
    Wrap(Unlock<'a>, KdfCost),
    /// The slot of this kind in an earlier envelope around the same master, as it was.
    Keep(&'a OpenedEnvelope, SlotKind),
}

impl OpenedEnvelope {
    /// The slot of this kind, if it is one around the vault's current master: kept beside another, it would give that back.
    fn kept_slot(&self, vault: &Vault, kind: SlotKind) -> Result<&KeySlot, EnvelopeError> {
        if self.vault.vault_id() != vault.vault_id() || self.vault.current().master != vault.current().master
        {
            return Err(EnvelopeError::ForeignSlot);
        }
        self.slots.iter().find(|slot| slot.kind == kind).ok_or(EnvelopeError::NoSlot(kind))
    }
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart, refusing all that can be refused without a key, costs included.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`], [`EnvelopeError::TooNew`], [`EnvelopeError::KdfCost`], [`EnvelopeError::Malformed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge);
        }
        let mut reader = Reader::new(bytes);
        let header = Header::read(&mut reader)?;
        let slots = read_slots(&mut reader)?;
        let ring_len = usize::from(reader.u16()?);
        let (ring_nonce, ring) = (reader.array()?, reader.take(ring_len)?);
        let mac = reader.array()?;
        reader.finish()?;
        let authenticated = &bytes[..bytes.len() - MAC_BYTES];
        Ok(Self { header, slots, ring_nonce, ring, header_bytes: &bytes[..HEADER_BYTES], authenticated, mac })
    }

    /// Opens it. With a passphrase this runs Argon2: call it off the async threads.
    ///
    /// # Errors
    /// [`EnvelopeError::NoSlot`]; that the secret is wrong; [`EnvelopeError::Tampered`]; a ring that is malformed.
    pub fn open(self, unlock: Unlock<'_>) -> Result<OpenedEnvelope, EnvelopeError> {
        let slot = self.slots.iter().find(|slot| slot.kind == unlock.kind());
        let slot = slot.ok_or(EnvelopeError::NoSlot(unlock.kind()))?;
        let Header { key_version, vault_id, .. } = self.header;
        let key = MasterKey::new(key_version, slot.unwrap(&self.header, &unlock)?, &vault_id);
        let same_key = key.keys.key_id.ct_eq(&self.header.key_id);
        let authentic = hmac(&key.keys.env, &[self.authenticated]).ct_eq(&self.mac);
        if !bool::from(same_key & authentic) {
            return Err(EnvelopeError::Tampered);
        }
        let ring = self.open_ring(&key.keys.ring)?;
        let vault =
            Vault::from_parts(vault_id, self.header.hidden_names, key_version, key.master.clone(), ring)?;
        Ok(OpenedEnvelope { vault, wrap_no: self.header.wrap_no, slots: self.slots })
    }

    /// Checks that a holder of this vault's current master has put the envelope together, without any slot's secret.
    ///
    /// # Errors
    /// [`EnvelopeError::Tampered`].
    pub fn authenticate(&self, vault: &Vault) -> Result<(), EnvelopeError> {
        let same_vault = self.header == Header::of(vault, self.header.wrap_no);
        let authentic = hmac(&vault.current().keys.env, &[self.authenticated]).ct_eq(&self.mac);
        if same_vault && bool::from(authentic) { Ok(()) } else { Err(EnvelopeError::Tampered) }
    }

    fn open_ring(&self, ring_key: &Secret) -> Result<Ring, EnvelopeError> {
        let plaintext = aead::open(ring_key, &self.ring_nonce, self.header_bytes, self.ring);
        let plaintext = plaintext.ok_or(EnvelopeError::Tampered)?;
        let mut reader = Reader::new(&plaintext);
        let ring = Ring::read(&mut reader)?;
        reader.finish()?;
        Ok(ring)
    }

    /// Puts an envelope together, with a nonce for the ring that must be used for nothing else.
    ///
    /// # Errors
    /// [`Fault::SlotCount`] and [`Fault::SlotOrder`].
    pub fn assemble(
        vault: &Vault,
        wrap_no: u32,
        slots: &[KeySlot],
        ring_nonce: Nonce,
    ) -> Result<Vec<u8>, EnvelopeError> {
        check_slots(slots)?;
        let ring = vault.ring();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(ring.encoded_len()));
        ring.write(&mut plaintext);
        let mut out = Vec::with_capacity(MAX_ENVELOPE_BYTES);
        Header::of(vault, wrap_no).write(&mut out);
        let keys = &vault.current().keys;
        let ring = aead::seal(&keys.ring, &ring_nonce, &out, &plaintext);
        out.push(u8::try_from(slots.len()).map_err(|_| Fault::SlotCount)?);
        slots.iter().for_each(|slot| slot.write(&mut out));
        out.extend_from_slice(&u16::try_from(ring.len()).map_err(|_| EnvelopeError::TooLarge)?.to_le_bytes());
        out.extend_from_slice(&ring_nonce);
        out.extend_from_slice(&ring);
        let mac = hmac(&keys.env, &[&out]);
        out.extend_from_slice(&mac);
        Ok(out)
    }
}

/// The largest envelope there can be fits.
const _: () = assert!(
    HEADER_BYTES
        + 1
        + SlotKind::COUNT as usize * SLOT_BYTES
        + 2
        + aead::NONCE_BYTES
        + super::ring::MAX_RING_BYTES
        + TAG_BYTES
        + MAC_BYTES
        <= MAX_ENVELOPE_BYTES
);

/// Wraps the vault under a passphrase. Runs Argon2: call it off the async threads.
///
/// # Errors
/// [`EnvelopeError::EmptyPassphrase`], [`EnvelopeError::KdfCost`], [`EnvelopeError::OutOfMemory`],
/// [`EnvelopeError::NoRandomness`].
pub fn seal_envelope(
    vault: &Vault,
    passphrase: &str,
    cost: KdfCost,
    wrap_no: u32,
) -> Result<Vec<u8>, EnvelopeError> {
    seal_envelope_with(vault, &[SlotPlan::Wrap(Unlock::Passphrase(passphrase), cost)], wrap_no)
}

/// Wraps the vault in these slots, which may come in any order. Runs Argon2 for a passphrase.
///
/// # Errors
/// As [`seal_envelope`], [`EnvelopeError::ForeignSlot`] for a slot or a link of another key, and [`Fault::SlotCount`] or
/// [`Fault::SlotOrder`] for none or for two of one type.
pub fn seal_envelope_with(
    vault: &Vault,
    plan: &[SlotPlan<'_>],
    wrap_no: u32,
) -> Result<Vec<u8>, EnvelopeError> {
    let mut slots = Vec::with_capacity(plan.len());
    for planned in plan {
        slots.push(match *planned {
            SlotPlan::Keep(earlier, kind) => earlier.kept_slot(vault, kind)?.clone(),
            SlotPlan::Wrap(unlock, cost) => {
                let mut salt = [0; SALT_BYTES];
                getrandom::fill(&mut salt)?;
                KeySlot::wrap(vault, unlock, cost, salt, aead::random_nonce()?)?
            }
        });
    }
    slots.sort_by_key(|slot| slot.kind);
    Envelope::assemble(vault, wrap_no, &slots, aead::random_nonce()?)
}

/// Opens an envelope with its passphrase. Runs Argon2: call it off the async threads.
///
/// # Errors
/// As [`Envelope::parse`] and [`Envelope::open`].
pub fn open_envelope(bytes: &[u8], passphrase: &str) -> Result<OpenedEnvelope, EnvelopeError> {
    Envelope::parse(bytes)?.open(Unlock::Passphrase(passphrase))
}

/// Opens an envelope with its recovery code.
///
/// # Errors
/// As [`Envelope::parse`] and [`Envelope::open`].
pub fn open_envelope_with_recovery(
    bytes: &[u8],
    code: &RecoveryCode,
) -> Result<OpenedEnvelope, EnvelopeError> {
    Envelope::parse(bytes)?.open(Unlock::Recovery(code))
}

/// Opens an envelope with the master before the one inside: how a device follows a routine rotation by itself.
///
/// # Errors
/// As [`Envelope::parse`] and [`Envelope::open`].
pub fn open_envelope_with_previous(bytes: &[u8], previous: &Vault) -> Result<OpenedEnvelope, EnvelopeError> {
    Envelope::parse(bytes)?.open(Unlock::Previous(previous))
}

fn read_slots(reader: &mut Reader<'_>) -> Result<Vec<KeySlot>, EnvelopeError> {
    let count = reader.u8()?;
    if !(1..=SlotKind::COUNT).contains(&count) {
        return Err(Fault::SlotCount.into());
    }
    let slots = (0..count).map(|_| KeySlot::read(reader)).collect::<Result<Vec<_>, _>>()?;
    check_slots(&slots)?;
    Ok(slots)
}

fn check_slots(slots: &[KeySlot]) -> Result<(), Fault> {
    if slots.is_empty() {
        return Err(Fault::SlotCount);
    }
    if !slots.is_sorted_by(|one, next| one.kind < next.kind) {
        return Err(Fault::SlotOrder);
    }
    Ok(())
}

/// Shows which vault and key it is, never a secret.
impl fmt::Debug for OpenedEnvelope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OpenedEnvelope")
            .field("vault", &self.vault)
            .field("wrap_no", &self.wrap_no)
            .finish_non_exhaustive()
    }
}
