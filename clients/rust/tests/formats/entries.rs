//! Sealing and opening entries.

use tidelog_client::formats::{
    EntryBody, EntryKind, FormatError, Head, Malformed, Padding, Rotation, SealOptions, Slot, Stream, Vault,
    open_entry, reseal_entry,
};
use tidelog_protocol::{Op, limits};

use crate::slot;

const PADDED: SealOptions = SealOptions { padding: Padding::Padme, head: None };

#[test]
fn entries_of_a_stream_are_numbered_and_linked() {
    let vault = Vault::generate().unwrap();
    let mut stream = Stream::generate().unwrap();
    let mut before = [0; 16];
    for counter in 0..3 {
        let slot = slot(&vault, Op::Insert, "1");
        let sealed = stream.seal(&vault, &slot, EntryBody::Value(b"{}"), &PADDED).unwrap();
        let opened = open_entry(&vault, &slot, &sealed.data).unwrap();
        assert_eq!((opened.stream, opened.counter, opened.prev), (stream.id(), counter, before));
        assert_eq!(opened.link, sealed.link);
        before = opened.link;
    }
    assert_eq!((stream.counter(), stream.prev()), (3, before));
}

#[test]
fn a_stream_continues_from_its_stored_state() {
    let vault = Vault::generate().unwrap();
    let mut stream = Stream::generate().unwrap();
    let slot = slot(&vault, Op::Insert, "1");
    let first = stream.seal(&vault, &slot, EntryBody::Value(b"{}"), &PADDED).unwrap();
    let mut again = Stream::from_bytes(&stream.to_bytes()).unwrap();
    assert_eq!(again, stream);
    let second = again.seal(&vault, &slot, EntryBody::Value(b"{}"), &PADDED).unwrap();
    let opened = open_entry(&vault, &slot, &second.data).unwrap();
    assert_eq!((opened.counter, opened.prev), (1, first.link));
}

#[test]
fn a_stream_is_unchanged_when_sealing_fails() {
    let vault = Vault::generate().unwrap();
    let mut stream = Stream::generate().unwrap();
    let before = stream.clone();
    let refused = [
        (slot(&vault, Op::Delete, "1"), EntryBody::Value(b"{}")),
        (slot(&vault, Op::Update, "1"), EntryBody::Tombstone),
        (Slot { key_version: 2, ..slot(&vault, Op::Insert, "1") }, EntryBody::Value(b"{}")),
    ];
    for (slot, body) in refused {
        assert!(stream.seal(&vault, &slot, body, &PADDED).is_err());
    }
    let huge = vec![b' '; limits::MAX_DATA_BYTES];
    let error =
        stream.seal(&vault, &slot(&vault, Op::Insert, "1"), EntryBody::Value(&huge), &PADDED).unwrap_err();
    assert_eq!(error, FormatError::TooLarge);
    assert_eq!(stream, before);
}

#[test]
fn the_last_counter_of_a_stream_is_never_used_twice() {
    let vault = Vault::generate().unwrap();
    let mut stream = Stream::from_parts([7; 8], u64::MAX, [1; 16]);
    let error =
        stream.seal(&vault, &slot(&vault, Op::Insert, "1"), EntryBody::Value(b"{}"), &PADDED).unwrap_err();
    assert_eq!(error, FormatError::CounterExhausted);
}

#[test]
fn the_largest_payload_fits_the_limit_on_data() {
    let vault = Vault::generate().unwrap();
    let slot = slot(&vault, Op::Insert, "1");
    // 3/4 of the limit, less 40 bytes of sealing and 38 of frame.
    let largest = limits::MAX_DATA_BYTES / 4 * 3 - 40 - 38;
    let unpadded = SealOptions { padding: Padding::Off, head: None };
    let mut stream = Stream::generate().unwrap();
    let sealed = stream.seal(&vault, &slot, EntryBody::Value(&vec![0; largest]), &unpadded).unwrap();
    assert_eq!(sealed.data.len(), limits::MAX_DATA_BYTES);
    let error = stream.seal(&vault, &slot, EntryBody::Value(&vec![0; largest + 1]), &unpadded).unwrap_err();
    assert_eq!(error, FormatError::TooLarge);
}

#[test]
fn without_a_payload_an_entry_is_a_tombstone() {
    let vault = Vault::generate().unwrap();
    let slot = slot(&vault, Op::Delete, "1");
    let sealed = Stream::generate().unwrap().seal(&vault, &slot, None.into(), &PADDED).unwrap();
    let opened = open_entry(&vault, &slot, &sealed.data).unwrap();
    assert_eq!((opened.kind, opened.payload.as_slice()), (EntryKind::Tombstone, &[][..]));
}

#[test]
fn payloads_of_similar_length_look_alike_unless_padding_is_off() {
    let vault = Vault::generate().unwrap();
    let slot = slot(&vault, Op::Insert, "1");
    let length = |payload: &[u8], padding| {
        let options = SealOptions { padding, head: None };
        Stream::generate()
            .unwrap()
            .seal(&vault, &slot, EntryBody::Value(payload), &options)
            .unwrap()
            .data
            .len()
    };
    assert_eq!(length(&[b' '; 1000], Padding::Padme), length(&[b' '; 1012], Padding::Padme));
    assert_ne!(length(&[b' '; 1000], Padding::Off), length(&[b' '; 1012], Padding::Off));
}

#[test]
fn a_vault_that_hides_names_sends_stand_ins_and_restores_the_names() {
    let vault = Vault::generate_with_hidden_names().unwrap();
    let slot = slot(&vault, Op::Insert, "secret-row");
    let sealed = Stream::generate().unwrap().seal(&vault, &slot, EntryBody::Value(b"{}"), &PADDED).unwrap();
    assert_eq!(sealed.wire, vault.wire_names("notes", "secret-row").unwrap());
    assert!(sealed.wire.table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    assert!(sealed.wire.table.len() <= limits::MAX_TABLE_CHARS);
    let wire_slot = Slot { table: &sealed.wire.table, row_id: &sealed.wire.row_id, ..slot };
    let names = open_entry(&vault, &wire_slot, &sealed.data).unwrap().names.unwrap();
    assert_eq!((&*names.table, &*names.row_id), ("notes", "secret-row"));
}

#[test]
fn stand_ins_survive_a_rotation() {
    let vault = Vault::generate_with_hidden_names().unwrap();
    let rotated = vault.rotated(Rotation::Compromise).unwrap();
    assert_eq!(vault.wire_names("notes", "1"), rotated.wire_names("notes", "1"));
}

#[test]
fn rotation_keeps_stream_counter_link_head_and_payload() {
    for hidden in [false, true] {
        let old = if hidden { Vault::generate_with_hidden_names() } else { Vault::generate() }.unwrap();
        let new = old.rotated(Rotation::Compromise).unwrap();
        let head = Head { seq: 9, key_version: 1, digest: [3; 32] };
        let options = SealOptions { padding: Padding::Padme, head: Some(head) };
        let slot = slot(&old, Op::Update, "1");
        let sealed =
            Stream::generate().unwrap().seal(&old, &slot, EntryBody::Value(b"{\"n\":1}"), &options).unwrap();
        let slot = Slot { table: &sealed.wire.table, row_id: &sealed.wire.row_id, ..slot };
        let resealed = reseal_entry(&old, &new, &slot, &sealed.data).unwrap();
        let before = open_entry(&old, &slot, &sealed.data).unwrap();
        let after = open_entry(&new, &Slot { key_version: 2, ..slot }, &resealed).unwrap();
        assert_eq!((after.link, after.head), (before.link, Some(head)));
        assert_eq!((after.stream, after.counter, after.prev), (before.stream, before.counter, before.prev));
        assert_eq!(after.payload, before.payload);
        assert_eq!(resealed.len(), sealed.data.len());
    }
}

#[test]
fn entries_under_earlier_keys_only_open_after_a_routine_rotation() {
    let old = Vault::generate().unwrap();
    let slot = slot(&old, Op::Insert, "1");
    let sealed = Stream::generate().unwrap().seal(&old, &slot, EntryBody::Value(b"{}"), &PADDED).unwrap();
    let routine = old.rotated(Rotation::Routine).unwrap();
    assert_eq!(&*open_entry(&routine, &slot, &sealed.data).unwrap().payload, b"{}");
    let compromise = old.rotated(Rotation::Compromise).unwrap();
    let error = open_entry(&compromise, &slot, &sealed.data).unwrap_err();
    assert_eq!(error, FormatError::WrongKey { have: 2, want: 1 });
}

#[test]
fn a_change_that_was_never_sealed_has_another_error_than_one_that_does_not_open() {
    let vault = Vault::generate().unwrap();
    let slot = slot(&vault, Op::Insert, "1");
    assert_eq!(open_entry(&vault, &slot, "{\"title\":1}").unwrap_err(), FormatError::NotBase64);
    assert_eq!(open_entry(&vault, &slot, "AAAA").unwrap_err(), FormatError::TooShort);
    assert_eq!(open_entry(&vault, &slot, &"AAAA".repeat(30)).unwrap_err(), FormatError::DoesNotOpen);
}

#[test]
fn invalid_stored_streams_are_refused() {
    let error = Stream::from_bytes(&Stream::from_parts([1; 8], 0, [1; 16]).to_bytes()).unwrap_err();
    assert_eq!(error, FormatError::Malformed(Malformed::PrevAtStart));
}
