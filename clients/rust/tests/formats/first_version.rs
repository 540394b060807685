//! What the first version of the SDK wrote still opens, byte for byte: a log, its key envelope, and a key file.

use data_encoding::BASE64;
use serde_json::Value;
use tidelog_client::formats::{EntryKind, Slot, Vault, open_entry, open_envelope};
use tidelog_client::{ChangeOp, KeyStore, SealedFileStore, Timestamp};

/// Bytes before the vault in a key store's record: magic and wrap_no.
const PIN_BYTES: usize = 8;

fn written() -> Value {
    serde_json::from_str(include_str!("first_version.json")).expect("JSON")
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().expect("text")
}

fn vault(written: &Value) -> Vault {
    let envelope = BASE64.decode(text(written, "envelope").as_bytes()).expect("base64");
    open_envelope(&envelope, text(written, "passphrase")).expect("the envelope opens").vault
}

#[test]
fn every_entry_of_its_log_opens_in_its_slot() {
    let written = written();
    let vault = vault(&written);
    let mut read = Vec::new();
    for entry in written["entries"].as_array().expect("entries") {
        let timestamp: Timestamp = text(entry, "timestamp").parse().expect("a time");
        let slot = Slot {
            table: text(entry, "table"),
            row_id: text(entry, "row_id"),
            op: text(entry, "op").parse().expect("an operation"),
            timestamp_us: timestamp.as_micros(),
            key_version: 1,
        };
        let opened = open_entry(&vault, &slot, text(entry, "data")).expect("the entry opens");
        read.push((
            slot.op,
            opened.kind,
            opened.counter,
            String::from_utf8(opened.payload.to_vec()).unwrap(),
        ));
    }
    let long = format!("\"{}\"", "x".repeat(700));
    let wanted = [
        (ChangeOp::Insert, EntryKind::Value, 0, r#"{"title":"Buy milk","done":false}"#),
        (ChangeOp::Insert, EntryKind::Value, 1, long.as_str()),
        (ChangeOp::Update, EntryKind::Value, 2, r#"{"title":"Buy milk","done":true}"#),
        (ChangeOp::Delete, EntryKind::Tombstone, 3, ""),
        (ChangeOp::Insert, EntryKind::Value, 4, "null"),
    ];
    let wanted: Vec<_> = wanted
        .into_iter()
        .map(|(op, kind, number, payload)| (op, kind, number, payload.to_owned()))
        .collect();
    assert_eq!(read, wanted);
}

#[test]
fn its_key_file_has_the_key_of_its_envelope() {
    let written = written();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    std::fs::write(&path, BASE64.decode(text(&written, "key_file").as_bytes()).expect("base64")).unwrap();
    let store = SealedFileStore::new(&path, text(&written, "key_file_passphrase")).expect("a store");
    let record = store.get(text(&written, "account")).expect("the file opens").expect("it has the key");
    assert_eq!(Vault::from_secret_bytes(&record[PIN_BYTES..]).expect("a vault"), vault(&written));
}
