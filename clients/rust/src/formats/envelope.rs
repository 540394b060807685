//! The key envelope: what the server keeps so that a new device needs only the passphrase.
//!
//! ```text
//! header  "TLK1" flags u8 (1 hidden names) min_format u8 key_version u32 wrap_no u32 vault_id[16] key_id[16]
//! body    slot_count u8 slots  ring_len u16 ring_nonce[24] ring  mac[32]
//! ring    XChaCha20-Poly1305(K_ring, ring_nonce, plaintext of the ring, header); ring_len counts its tag, not its nonce
//! mac     HMAC(K_env, all before it)
//! ```
//!
//! There are one to three slots, at most one of each type, in ascending order of type: so nothing is tried with two
//! keys, each set of slots has exactly one encoding, and opening an envelope runs Argon2 at most once. `min_format`
//! is the lowest version of this format that a reader must know, 1 here; a higher one is refused before anything else
//! is read, zero is malformed.
//!
//! Checked in this order: size, magic, `min_format`, flags, slots (types, costs, order), lengths; the commitment of
//! the slot; the wrapped master key; `key_id`; `mac`; the ring. If the commitment matches and something after it
//! fails, the envelope was tampered with by somebody without the key. An envelope has at most 3,072 bytes, which is
//! 4,096 in base64, the server's limit.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::{self, Nonce, TAG_BYTES};
use super::bytes::Reader;
use super::envelope_error::EnvelopeError;
use super::header::{HEADER_BYTES, Header};
use super::kdf::SALT_BYTES;
use super::kdf_cost::KdfCost;
use super::keys::{MasterKey, Secret, hmac};
use super::malformed::Malformed;
use super::recovery_key::RecoveryKey;
use super::ring::Ring;
use super::slot::{KeySlot, SLOT_BYTES, Unlock};
use super::slot_kind::SlotKind;
use super::vault::Vault;

/// Bytes of an envelope, at most.
pub const MAX_ENVELOPE_BYTES: usize = 3_072;

const MAC_BYTES: usize = 32;

/// A parsed envelope that is not opened yet: nothing in it can be trusted.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// Its header.
    pub header: Header,
    /// Its slots, in ascending order of type.
    pub slots: Vec<KeySlot>,
    ring_nonce: Nonce,
    ring: &'a [u8],
    header_bytes: &'a [u8],
    authenticated: &'a [u8],
    mac: [u8; MAC_BYTES],
}

/// An opened envelope.
#[derive(Clone)]
pub struct OpenedEnvelope {
    /// The vault inside.
    pub vault: Vault,
    /// How often the same master key was wrapped before.
    pub wrap_no: u32,
    /// The slots, so that a new wrapping can carry over those whose secrets it does not know.
    pub slots: Vec<KeySlot>,
}

/// A slot to be written.
#[derive(Clone, Copy, Debug)]
pub enum SlotPlan<'a> {
    /// A new slot for this secret; the cost applies only to a passphrase.
    Wrap(Unlock<'a>, KdfCost),
    /// The slot of this kind from an earlier envelope around the same master key.
    Keep(&'a OpenedEnvelope, SlotKind),
}

impl OpenedEnvelope {
    /// Returns the slot of this kind if it is around the vault's current master key: any other would open to another
    /// key.
    fn kept_slot(&self, vault: &Vault, kind: SlotKind) -> Result<&KeySlot, EnvelopeError> {
        if self.vault.vault_id() != vault.vault_id() || self.vault.current().master != vault.current().master
        {
            return Err(EnvelopeError::ForeignSlot);
        }
        self.slots.iter().find(|slot| slot.kind == kind).ok_or(EnvelopeError::NoSlot(kind))
    }
}

impl<'a> Envelope<'a> {
    /// Parses an envelope, and refuses everything that can be refused without a key, costs included.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`], [`EnvelopeError::TooNew`], [`EnvelopeError::KdfCost`],
    /// [`EnvelopeError::Malformed`].
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

    /// Opens the envelope. With a passphrase this runs Argon2: do not call it on an async thread.
    ///
    /// # Errors
    /// [`EnvelopeError::NoSlot`]; the error for a wrong secret; [`EnvelopeError::Tampered`];
    /// [`EnvelopeError::Malformed`] for the ring.
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

    /// Checks that a holder of this vault's current master key assembled the envelope. Needs no slot's secret.
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

    /// Assembles an envelope, with a nonce for the ring that must not be used for anything else.
    ///
    /// # Errors
    /// [`Malformed::SlotCount`] and [`Malformed::SlotOrder`].
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
        out.push(u8::try_from(slots.len()).map_err(|_| Malformed::SlotCount)?);
        slots.iter().for_each(|slot| slot.write(&mut out));
        out.extend_from_slice(&u16::try_from(ring.len()).map_err(|_| EnvelopeError::TooLarge)?.to_le_bytes());
        out.extend_from_slice(&ring_nonce);
        out.extend_from_slice(&ring);
        let mac = hmac(&keys.env, &[&out]);
        out.extend_from_slice(&mac);
        Ok(out)
    }
}

/// The largest possible envelope fits.
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

/// Seals an envelope around the vault, under a passphrase. Runs Argon2: do not call it on an async thread.
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

/// Seals an envelope around the vault with these slots, in any order. Runs Argon2 for a passphrase.
///
/// # Errors
/// Those of [`seal_envelope`], [`EnvelopeError::ForeignSlot`] for a slot or a link of another key, and
/// [`Malformed::SlotCount`] or [`Malformed::SlotOrder`] for no slot or two of one type.
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

/// Opens an envelope with its passphrase. Runs Argon2: do not call it on an async thread.
///
/// # Errors
/// Those of [`Envelope::parse`] and [`Envelope::open`].
pub fn open_envelope(bytes: &[u8], passphrase: &str) -> Result<OpenedEnvelope, EnvelopeError> {
    Envelope::parse(bytes)?.open(Unlock::Passphrase(passphrase))
}

/// Opens an envelope with its recovery key.
///
/// # Errors
/// Those of [`Envelope::parse`] and [`Envelope::open`].
pub fn open_envelope_with_recovery(
    bytes: &[u8],
    recovery_key: &RecoveryKey,
) -> Result<OpenedEnvelope, EnvelopeError> {
    Envelope::parse(bytes)?.open(Unlock::Recovery(recovery_key))
}

/// Opens an envelope with the master key before the one inside: this is how a device follows a routine rotation by
/// itself.
///
/// # Errors
/// Those of [`Envelope::parse`] and [`Envelope::open`].
pub fn open_envelope_with_previous(bytes: &[u8], previous: &Vault) -> Result<OpenedEnvelope, EnvelopeError> {
    Envelope::parse(bytes)?.open(Unlock::Previous(previous))
}

fn read_slots(reader: &mut Reader<'_>) -> Result<Vec<KeySlot>, EnvelopeError> {
    let count = reader.u8()?;
    if !(1..=SlotKind::COUNT).contains(&count) {
        return Err(Malformed::SlotCount.into());
    }
    let slots = (0..count).map(|_| KeySlot::read(reader)).collect::<Result<Vec<_>, _>>()?;
    check_slots(&slots)?;
    Ok(slots)
}

fn check_slots(slots: &[KeySlot]) -> Result<(), Malformed> {
    if slots.is_empty() {
        return Err(Malformed::SlotCount);
    }
    if !slots.is_sorted_by(|one, next| one.kind < next.kind) {
        return Err(Malformed::SlotOrder);
    }
    Ok(())
}

/// Shows the vault and the key by name, never a secret.
impl fmt::Debug for OpenedEnvelope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OpenedEnvelope")
            .field("vault", &self.vault)
            .field("wrap_no", &self.wrap_no)
            .finish_non_exhaustive()
    }
}
