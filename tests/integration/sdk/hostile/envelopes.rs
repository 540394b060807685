//! Lies about the key. Each is told to a device that knows the key and to a new one.

use std::sync::Arc;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tidelog_client::formats::{EnvelopeError, PinError, Vault, seal_envelope};
use tidelog_client::{KdfCost, MemoryStore, Result, Rotation, SyncKitError};

use crate::hostile::scenario::Scenario;
use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{PASSPHRASE, tasks};

/// Where the first slot begins, after the header and the number of slots, and how long a slot is.
const SLOT_AT: usize = 47;
const SLOT_BYTES: usize = 149;
/// Where the memory cost is.
const COST_AT: usize = SLOT_AT + 1;

/// The outcomes for a device that has the key, and for one that only has the passphrase.
struct Outcomes {
    known: Result<()>,
    new: Result<()>,
}

async fn outcomes_of(scenario: &Scenario, lie: impl Fn(&mut Value) + Send + 'static) -> Outcomes {
    let known = scenario.next_run().await;
    let new = scenario.client_with(&Arc::new(MemoryStore::new()));
    let before = scenario.log().await.len();
    scenario.proxy.rewrite_json(move |asked, answer| {
        if asked.path == "/keys" && asked.method == "GET" {
            lie(&mut answer.body);
        }
    });
    let pushed = known.push(scenario.laptop.device.id, tasks(1)).await.map(drop);
    let set_up = new.setup_encryption_new(PASSPHRASE).await;
    scenario.proxy.stop_rewriting();
    if pushed.is_err() {
        assert_eq!(scenario.log().await.len(), before, "nothing was pushed");
    }
    if set_up.is_err() {
        let refused = new.push(scenario.laptop.device.id, tasks(1)).await;
        assert!(matches!(refused, Err(SyncKitError::NoMasterKey)), "nothing was taken for a key");
    }
    Outcomes { known: pushed, new: set_up }
}

fn altered(change: impl Fn(&mut Vec<u8>) + Send + 'static) -> impl Fn(&mut Value) + Send + 'static {
    move |body| {
        let mut envelope = BASE64.decode(body["encrypted_key"].as_str().unwrap().as_bytes()).unwrap();
        change(&mut envelope);
        body["encrypted_key"] = json!(BASE64.encode(&envelope));
    }
}

fn replaced(envelope: String, version: u32) -> impl Fn(&mut Value) + Send + 'static {
    move |body| (body["encrypted_key"], body["key_version"]) = (json!(envelope), json!(version))
}

async fn envelope_of(scenario: &Scenario) -> String {
    RawClient::with_token_of(&scenario.fixture, &scenario.laptop.client).envelope().await
}

fn is(outcome: &Result<()>, error: PinError) -> bool {
    matches!(outcome, Err(SyncKitError::KeyChanged(found)) if *found == error)
}

#[tokio::test]
async fn both_accept_the_true_envelope() {
    let scenario = Scenario::new().await;
    let outcomes = outcomes_of(&scenario, |_| {}).await;
    assert!(outcomes.known.is_ok() && outcomes.new.is_ok());
}

#[tokio::test]
async fn a_cost_outside_the_accepted_range_is_refused() {
    let scenario = Scenario::new().await;
    for m_kib in [8_u32, 1 << 24] {
        let outcomes = outcomes_of(
            &scenario,
            altered(move |bytes| bytes[COST_AT..COST_AT + 4].copy_from_slice(&m_kib.to_le_bytes())),
        )
        .await;
        for outcome in [outcomes.known, outcomes.new] {
            let refused =
                matches!(outcome, Err(SyncKitError::BadEnvelope(EnvelopeError::KdfCost(KdfCost { .. }))));
            assert!(refused, "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn no_byte_of_an_envelope_can_be_changed() {
    let scenario = Scenario::new().await;
    let length = BASE64.decode(envelope_of(&scenario).await.as_bytes()).unwrap().len();
    // In the header, the slot's cost, salt, commitment, nonce and wrapped key, the ring and the MAC.
    for at in [6, 10, 14, 30, COST_AT, 70, 100, 130, 160, 200, 240, length - 1] {
        let outcomes = outcomes_of(&scenario, altered(move |bytes| bytes[at] ^= 1)).await;
        assert!(
            outcomes.known.is_err() && outcomes.new.is_err(),
            "byte {at}: {:?}, {:?}",
            outcomes.known,
            outcomes.new
        );
    }
}

#[tokio::test]
async fn the_slot_of_an_older_envelope_cannot_be_put_into_a_newer_one() {
    let scenario = Scenario::new().await;
    let old = BASE64.decode(envelope_of(&scenario).await.as_bytes()).unwrap();
    scenario.laptop.client.change_passphrase(PASSPHRASE, "another passphrase altogether").await.unwrap();
    let spliced = move |bytes: &mut Vec<u8>| {
        let slot = SLOT_AT..SLOT_AT + SLOT_BYTES;
        bytes[slot.clone()].copy_from_slice(&old[slot]);
    };
    let outcomes = outcomes_of(&scenario, altered(spliced)).await;
    for outcome in [outcomes.known, outcomes.new] {
        assert!(
            matches!(outcome, Err(SyncKitError::BadEnvelope(EnvelopeError::Tampered))),
            "the old passphrase opens the slot, and not the envelope: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_device_that_knows_its_vault_refuses_another_one() {
    let scenario = Scenario::new().await;
    let another = seal_envelope(&Vault::generate().unwrap(), "somebody else's", KdfCost::MIN, 0).unwrap();
    let outcomes = outcomes_of(&scenario, replaced(BASE64.encode(&another), 1)).await;
    assert!(is(&outcomes.known, PinError::OtherVault));
    assert!(matches!(outcomes.new, Err(SyncKitError::WrongPassphrase)));
}

#[tokio::test]
async fn a_device_that_has_seen_the_newer_wrapping_refuses_the_older_one() {
    let scenario = Scenario::new().await;
    let old = envelope_of(&scenario).await;
    scenario.laptop.client.create_recovery_key(PASSPHRASE).await.unwrap();
    let outcomes = outcomes_of(&scenario, replaced(old, 1)).await;
    assert!(is(&outcomes.known, PinError::OlderWrap));
}

#[tokio::test]
async fn an_older_key_is_refused_by_a_device_with_the_newer_one_and_useless_to_a_new_device() {
    let scenario = Scenario::new().await;
    let old = envelope_of(&scenario).await;
    scenario.laptop.client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    let outcomes = outcomes_of(&scenario, replaced(old.clone(), 1)).await;
    assert!(is(&outcomes.known, PinError::OlderKey));
    // A new device cannot tell, but cannot open what is under the newer key.
    let new = scenario.client_with(&Arc::new(MemoryStore::new()));
    scenario.proxy.rewrite_json(move |asked, answer| {
        if asked.path == "/keys" && asked.method == "GET" {
            replaced(old.clone(), 1)(&mut answer.body);
        }
    });
    new.setup_encryption_existing(PASSPHRASE).await.unwrap();
    let (opened, _, _) = new.pull(scenario.phone.device.id, 0).await.unwrap();
    assert_eq!(opened, []);
    assert!(!new.evidence().is_empty(), "entries under a key that the server denies are no honest log");
}

#[tokio::test]
async fn an_envelope_under_a_version_that_is_not_its_own_is_refused() {
    let scenario = Scenario::new().await;
    let outcomes = outcomes_of(&scenario, |body| body["key_version"] = json!(2)).await;
    let told = PinError::OtherVersion { server: 2, envelope: 1 };
    assert!(is(&outcomes.known, told) && is(&outcomes.new, told), "{:?} {:?}", outcomes.known, outcomes.new);
}

#[tokio::test]
async fn bytes_that_are_not_an_envelope_are_refused() {
    let scenario = Scenario::new().await;
    let lies: [fn(&mut Vec<u8>); 4] =
        [|bytes| bytes.truncate(100), |bytes| bytes.resize(4_096, 0), Vec::clear, |bytes| bytes.push(0)];
    for lie in lies {
        let outcomes = outcomes_of(&scenario, altered(lie)).await;
        for outcome in [outcomes.known, outcomes.new] {
            assert!(matches!(outcome, Err(SyncKitError::BadEnvelope(_))), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_device_that_has_seen_a_key_never_creates_another_when_it_is_denied() {
    let scenario = Scenario::new().await;
    let known = scenario.next_run().await;
    scenario.proxy.rewrite_json(|asked, answer| {
        if asked.path == "/keys" && asked.method == "GET" {
            (answer.status, answer.body) = (404, json!({ "error": "absent", "code": "not_found" }));
        }
    });
    let gone = |outcome: Result<()>| matches!(outcome, Err(SyncKitError::KeyGone));
    assert!(gone(known.setup_encryption_new(PASSPHRASE).await));
    assert!(gone(known.setup_encryption_existing(PASSPHRASE).await));
    assert!(gone(known.push(scenario.laptop.device.id, tasks(1)).await.map(drop)));
    assert!(gone(known.verify(scenario.laptop.device.id).await.map(drop)));
    let rotated = known.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.map(drop);
    assert!(gone(rotated));
}

#[tokio::test]
async fn a_forged_rotation_leads_to_no_other_key() {
    let scenario = Scenario::new().await;
    let another = Vault::generate_as(2, false).unwrap();
    let envelope = BASE64.encode(&seal_envelope(&another, PASSPHRASE, KdfCost::MIN, 0).unwrap());
    let pending = json!({ "encrypted_key": envelope, "key_version": 2 });
    let known = scenario.next_run().await;
    let new = scenario.client_with(&Arc::new(MemoryStore::new()));
    scenario.proxy.rewrite_json(move |asked, answer| {
        if asked.path == "/keys" && asked.method == "GET" {
            answer.body["pending"] = pending.clone();
        }
    });
    // A key without a link from the held one is not accepted, and the passphrase alone does not make it one of this
    // vault.
    known.push(scenario.laptop.device.id, tasks(1)).await.unwrap();
    assert!(is(&new.setup_encryption_new(PASSPHRASE).await, PinError::OtherVault));
    let rotated = known.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.map(drop);
    assert!(is(&rotated, PinError::OtherVault), "{rotated:?}");
    scenario.proxy.stop_rewriting();
    assert_eq!(scenario.laptop.pull().await.unwrap().quarantined, []);
}
