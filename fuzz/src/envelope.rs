//! Key envelopes from a server that may have forged them.
//!
//! | first byte | rest of the input |
//! |---|---|
//! | even | secret[32], then an envelope: parsed, and opened with the secret as recovery key and as previous master key |
//! | odd | flags, key_version u32, wrap_no u32, then the plaintext of a ring: sealed by a holder of the key |
//!
//! Passphrases are left out: Argon2 would take nearly all of the time, and everything after it is the same for every
//! slot.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tidelog_client::formats::envelope::{Envelope, MAX_ENVELOPE_BYTES};
use tidelog_client::formats::header::HEADER_BYTES;
use tidelog_client::formats::keys::{KEY_BYTES, Secret, SubKeys, VAULT_ID_BYTES};
use tidelog_client::formats::ring::{MAX_EARLIER_MASTERS, Ring};
use tidelog_client::formats::slot::{KeySlot, SLOT_BYTES};
use tidelog_client::formats::{
    EnvelopeError, KdfCost, OpenedEnvelope, RecoveryKey, Unlock, Vault, open_envelope_with_previous,
    open_envelope_with_recovery,
};

use crate::input::Input;

/// Where the ring's nonce is in an envelope with this many slots: after header, count, slots and length of the ring.
const fn ring_nonce_at(slots: usize) -> usize {
    HEADER_BYTES + 1 + slots * SLOT_BYTES + 2
}

const VAULT_ID: [u8; VAULT_ID_BYTES] = [0x1d; VAULT_ID_BYTES];
const NONCE: [u8; 24] = [0x2e; 24];
const SALT: [u8; 32] = [0x3f; 32];
/// Bytes of one earlier master key in a ring.
const EARLIER_BYTES: usize = 4 + KEY_BYTES;

/// Checks an input; see the module.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let _was_complete = match input.u8() {
        Some(mode) if mode % 2 == 0 => check_foreign(input),
        Some(_) => check_own_ring(input),
        None => None,
    };
}

fn check_foreign(mut input: Input<'_>) -> Option<()> {
    let secret = Secret::new(input.array()?);
    let bytes = input.rest();
    let Ok(envelope) = Envelope::parse(bytes) else {
        assert!(open_envelope_with_recovery(bytes, &RecoveryKey::from_secret(secret)).is_err());
        return None;
    };
    check_parts(bytes, &envelope);
    let previous = vault_before(&envelope, &secret);
    let opened = [
        open_envelope_with_recovery(bytes, &RecoveryKey::from_secret(secret)),
        open_envelope_with_previous(bytes, &previous),
    ];
    opened.iter().flatten().for_each(|opened| check_opened(bytes, opened));
    Some(())
}

/// The parsed parts are those in the bytes.
fn check_parts(bytes: &[u8], envelope: &Envelope<'_>) {
    assert!(bytes.len() <= MAX_ENVELOPE_BYTES);
    let header = &envelope.header;
    let mut written = b"TLK1".to_vec();
    written.extend_from_slice(&[u8::from(header.hidden_names), 1]);
    written.extend_from_slice(&header.key_version.to_le_bytes());
    written.extend_from_slice(&header.wrap_no.to_le_bytes());
    written.extend_from_slice(&header.vault_id);
    written.extend_from_slice(&header.key_id);
    written.push(envelope.slots.len().try_into().expect("three slots at most"));
    envelope.slots.iter().for_each(|slot| slot.write(&mut written));
    assert!(bytes.starts_with(&written));
    assert!(envelope.slots.is_sorted_by(|one, next| one.kind < next.kind), "one slot of each kind, in order");
    for slot in &envelope.slots {
        let unlocked_by_passphrase = slot.cost.is_accepted();
        assert!(unlocked_by_passphrase || slot.cost == KdfCost { m_kib: 0, t: 0, p: 0 });
    }
}

/// An opened envelope is the one that assembling its content again gives.
fn check_opened(bytes: &[u8], opened: &OpenedEnvelope) {
    let nonce_at = ring_nonce_at(opened.slots.len());
    let nonce = bytes[nonce_at..nonce_at + 24].try_into().expect("an envelope that opened has a nonce");
    let again = Envelope::assemble(&opened.vault, opened.wrap_no, &opened.slots, nonce);
    assert_eq!(again.expect("an opened envelope can be assembled"), bytes);
}

/// A vault whose current master key is this secret, so that it may be the one before the envelope's.
fn vault_before(envelope: &Envelope<'_>, secret: &Secret) -> Vault {
    let ring = Ring { name_key: secret.clone(), blob_root: secret.clone(), earlier: Vec::new() };
    let version = envelope.header.key_version.saturating_sub(1);
    Vault::from_parts(envelope.header.vault_id, false, version, secret.clone(), ring)
        .expect("a ring without earlier masters fits every version")
}

fn check_own_ring(mut input: Input<'_>) -> Option<()> {
    let (flags, key_version, wrap_no) = (input.u8()? & 1, input.u32()?, input.u32()?);
    let plaintext = input.rest();
    let master = Secret::new([0x4a; KEY_BYTES]);
    let recovery_key = RecoveryKey::from_secret(Secret::new([0x5b; KEY_BYTES]));
    let ring = Ring { name_key: master.clone(), blob_root: master.clone(), earlier: Vec::new() };
    let vault = Vault::from_parts(VAULT_ID, flags == 1, key_version, master, ring).ok()?;
    let slot = KeySlot::wrap(&vault, Unlock::Recovery(&recovery_key), KdfCost::MIN, SALT, NONCE).ok()?;
    let envelope = seal_ring(&vault, wrap_no, &slot, plaintext)?;
    match open_envelope_with_recovery(&envelope, &recovery_key) {
        Ok(opened) => {
            assert!(is_ring(plaintext, key_version));
            let mut written = Vec::new();
            opened.vault.ring().write(&mut written);
            assert!(written == plaintext, "a ring is parsed as it was written");
            assert_eq!(opened.wrap_no, wrap_no);
            assert!(opened.vault.key_version() == key_version && opened.vault.hides_names() == (flags == 1));
            check_opened(&envelope, &opened);
        }
        Err(EnvelopeError::TooLarge) => assert!(envelope.len() > MAX_ENVELOPE_BYTES),
        Err(EnvelopeError::Malformed(_)) => assert!(!is_ring(plaintext, key_version)),
        Err(other) => panic!("an envelope made with the right key is refused as {}", other.code()),
    }
    Some(())
}

/// Returns an envelope around this vault with any plaintext in place of the ring, properly sealed and authenticated.
fn seal_ring(vault: &Vault, wrap_no: u32, slot: &KeySlot, plaintext: &[u8]) -> Option<Vec<u8>> {
    let SubKeys { ring: ring_key, env, .. } = &vault.current().keys;
    // Takes the header from a real one, instead of a copy of its layout.
    let real = Envelope::assemble(vault, wrap_no, std::slice::from_ref(slot), NONCE).ok()?;
    let mut envelope = real[..ring_nonce_at(1) - 2].to_vec();
    let ad = &real[..HEADER_BYTES];
    let cipher = XChaCha20Poly1305::new(&Key::from(*ring_key.expose()));
    let ring = cipher.encrypt(&XNonce::from(NONCE), Payload { msg: plaintext, aad: ad }).ok()?;
    envelope.extend_from_slice(&u16::try_from(ring.len()).ok()?.to_le_bytes());
    envelope.extend_from_slice(&NONCE);
    envelope.extend_from_slice(&ring);
    let mac = Hmac::<Sha256>::new_from_slice(env.expose()).ok()?.chain_update(&envelope).finalize();
    envelope.extend_from_slice(&mac.into_bytes());
    Some(envelope)
}

/// Whether these bytes are a ring that is valid with this key version: a second implementation of the rules.
fn is_ring(bytes: &[u8], key_version: u32) -> bool {
    let Some((&count, earlier)) = bytes.get(2 * KEY_BYTES..).and_then(<[u8]>::split_first) else {
        return false;
    };
    let versions: Vec<u32> = earlier
        .chunks_exact(EARLIER_BYTES)
        .map(|key| u32::from_le_bytes([key[0], key[1], key[2], key[3]]))
        .chain([key_version])
        .collect();
    usize::from(count) <= MAX_EARLIER_MASTERS
        && earlier.len() == usize::from(count) * EARLIER_BYTES
        && versions.windows(2).all(|pair| pair[0] < pair[1])
}
