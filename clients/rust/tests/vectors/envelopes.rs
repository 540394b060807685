//! Key envelopes, with every intermediate value.

use serde_json::{Value, json};
use tidelog_client::formats::envelope::Envelope;
use tidelog_client::formats::header::{HEADER_BYTES, Header};
use tidelog_client::formats::kdf::normalized;
use tidelog_client::formats::keys::Secret;
use tidelog_client::formats::ring::Ring;
use tidelog_client::formats::slot::{KeySlot, kek_and_commit, wrap_ad};
use tidelog_client::formats::{EnvelopeError, KdfCost, RecoveryKey, Unlock, Vault};

use crate::case::{CaseInput, CaseResult, envelope_code, hex, secret_json, vault_json};

const MAC_BYTES: usize = 32;

pub(crate) fn envelope(operation: &str, given: &CaseInput<'_>) -> CaseResult {
    if operation == "seal" { seal(given) } else { open(given) }
}

/// The secret that a case opens or wraps with, for [`Unlock`] to borrow.
enum UnlockSecret {
    Passphrase(String),
    Recovery(RecoveryKey),
    Previous(Box<Vault>),
}

impl UnlockSecret {
    fn of(given: &CaseInput<'_>, vault_id: [u8; 16]) -> Self {
        match given.text("type") {
            "passphrase" => Self::Passphrase(given.text("passphrase").to_owned()),
            "recovery" => Self::Recovery(RecoveryKey::from_secret(given.secret("secret"))),
            _ => {
                let ring = Ring {
                    name_key: Secret::new([0; 32]),
                    blob_root: Secret::new([0; 32]),
                    earlier: Vec::new(),
                };
                let vault = Vault::from_parts(vault_id, false, 1, given.secret("secret"), ring);
                Self::Previous(Box::new(vault.unwrap()))
            }
        }
    }

    fn unlock(&self) -> Unlock<'_> {
        match self {
            Self::Passphrase(passphrase) => Unlock::Passphrase(passphrase),
            Self::Recovery(code) => Unlock::Recovery(code),
            Self::Previous(vault) => Unlock::Previous(vault),
        }
    }
}

fn seal(given: &CaseInput<'_>) -> CaseResult {
    let (vault, wrap_no) = (given.at("vault").vault(), given.number("wrap_no"));
    let mut slots = Vec::new();
    let mut shown_slots = Vec::new();
    for planned in given.at("slots").each() {
        let slot = wrap(&vault, &planned).map_err(envelope_code)?;
        shown_slots.push(slot_json(&vault, &planned, &slot));
        slots.push(slot);
    }
    let envelope =
        Envelope::assemble(&vault, wrap_no, &slots, given.array("ring_nonce")).map_err(envelope_code)?;
    let mut ring_plaintext = Vec::new();
    vault.ring().write(&mut ring_plaintext);
    let mac_at = envelope.len() - MAC_BYTES;
    let ring_at = mac_at - ring_plaintext.len() - tidelog_client::formats::TAG_BYTES;
    Ok(json!({
        "slots": shown_slots,
        "header": hex(&envelope[..HEADER_BYTES]),
        "ring_plaintext": hex(ring_plaintext),
        "ring": hex(&envelope[ring_at..mac_at]),
        "mac": hex(&envelope[mac_at..]),
        "envelope": hex(&envelope),
    }))
}

fn wrap(vault: &Vault, planned: &CaseInput<'_>) -> Result<KeySlot, EnvelopeError> {
    let key = UnlockSecret::of(planned, vault.vault_id());
    KeySlot::wrap(vault, key.unlock(), cost(planned), planned.array("salt"), planned.array("nonce"))
}

fn cost(planned: &CaseInput<'_>) -> KdfCost {
    match planned.text("type") {
        "passphrase" => {
            KdfCost { m_kib: planned.number("m_kib"), t: planned.number("t"), p: planned.number("p") }
        }
        _ => KdfCost { m_kib: 0, t: 0, p: 0 },
    }
}

fn slot_json(vault: &Vault, planned: &CaseInput<'_>, slot: &KeySlot) -> Value {
    let key = UnlockSecret::of(planned, vault.vault_id());
    let prk = key.unlock().prk(&slot.salt, slot.cost).unwrap();
    let (kek, commit) = kek_and_commit(&prk, &slot.salt, slot.kind);
    let mut bytes = Vec::new();
    slot.write(&mut bytes);
    let mut shown = json!({
        "prk": secret_json(&prk),
        "kek": secret_json(&kek),
        "commit": hex(commit),
        "ad": hex(wrap_ad(&Header::of(vault, 0), slot.kind, slot.cost, &slot.salt, &commit)),
        "wrapped": hex(slot.wrapped),
        "slot": hex(bytes),
    });
    if let UnlockSecret::Passphrase(passphrase) = key {
        shown["normalized"] = hex(normalized(&passphrase).as_bytes()).into();
    }
    shown
}

fn open(given: &CaseInput<'_>) -> CaseResult {
    let bytes = given.bytes("envelope");
    let envelope = Envelope::parse(&bytes).map_err(envelope_code)?;
    let key = UnlockSecret::of(&given.at("unlock"), envelope.header.vault_id);
    let opened = envelope.open(key.unlock()).map_err(envelope_code)?;
    Ok(json!({"wrap_no": opened.wrap_no, "vault": vault_json(&opened.vault)}))
}
