//! Secrets are never shown, and survive being stored.

use data_encoding::{BASE64, HEXLOWER};
use tidelog_client::formats::{
    EntryBody, KdfCost, RecoveryKey, Rotation, SealOptions, SlotPlan, Stream, Unlock, Vault, open_entry,
    open_envelope_with_recovery, seal_envelope_with,
};
use tidelog_protocol::Op;

use crate::slot;

/// The limit of the smallest keychain, that of Windows.
const SMALLEST_KEYCHAIN_BYTES: usize = 2_560;

#[test]
fn a_stored_vault_is_restored_and_fits_every_keychain() {
    let mut vault = Vault::generate_with_hidden_names().unwrap();
    for _ in 0..70 {
        let bytes = vault.to_secret_bytes();
        assert!(bytes.len() <= SMALLEST_KEYCHAIN_BYTES);
        assert_eq!(Vault::from_secret_bytes(&bytes).unwrap(), vault);
        vault = vault.rotated(Rotation::Routine).unwrap();
    }
}

#[test]
fn vaults_streams_and_recovery_keys_are_random() {
    let (one, other) = (Vault::generate().unwrap(), Vault::generate().unwrap());
    assert_ne!(one.vault_id(), other.vault_id());
    assert_ne!(one.current().master, other.current().master);
    assert_ne!(one.name_key(), other.name_key());
    assert_ne!(one.blob_root(), other.blob_root());
    assert_ne!(Stream::generate().unwrap().id(), Stream::generate().unwrap().id());
    assert_ne!(RecoveryKey::generate().unwrap(), RecoveryKey::generate().unwrap());
}

#[test]
fn sealing_the_same_payload_twice_gives_different_data() {
    let vault = Vault::generate().unwrap();
    let slot = slot(&vault, Op::Insert, "1");
    let stream = Stream::generate().unwrap();
    let sealed =
        || stream.clone().seal(&vault, &slot, EntryBody::Value(b"{}"), &SealOptions::default()).unwrap();
    assert_ne!(sealed().data, sealed().data);
}

#[test]
fn debug_output_shows_no_secret_no_payload_and_no_hidden_name() {
    let vault = Vault::generate_with_hidden_names().unwrap();
    let slot = slot(&vault, Op::Insert, "hidden-row");
    let sealed = Stream::generate().unwrap().seal(
        &vault,
        &slot,
        EntryBody::Value(b"my payload"),
        &SealOptions::default(),
    );
    let sealed = sealed.unwrap();
    let wire =
        tidelog_client::formats::Slot { table: &sealed.wire.table, row_id: &sealed.wire.row_id, ..slot };
    let opened = open_entry(&vault, &wire, &sealed.data).unwrap();
    let code = RecoveryKey::generate().unwrap();
    let plan = [SlotPlan::Wrap(Unlock::Recovery(&code), KdfCost::MIN)];
    let envelope =
        open_envelope_with_recovery(&seal_envelope_with(&vault, &plan, 0).unwrap(), &code).unwrap();
    let passphrase = Unlock::Passphrase("my passphrase");
    let shown = format!(
        "{vault:?} {opened:?} {code:?} {envelope:?} {passphrase:?} {plan:?} {:?} {:?} {:?}",
        vault.ring(),
        vault.current(),
        sealed.wire
    );
    let master = vault.current().master.expose();
    let secrets = [
        "my payload".to_owned(),
        "my passphrase".to_owned(),
        "hidden-row".to_owned(),
        code.to_text().to_string(),
        HEXLOWER.encode(master),
        BASE64.encode(master),
        format!("{master:?}"),
        format!("{:?}", vault.name_key().expose()),
        format!("{:?}", vault.current().keys.entry.expose()),
    ];
    for secret in secrets {
        assert!(!shown.contains(&secret));
    }
}
