//! Entries from a server that may have forged or moved them.
//!
//! | first byte mod 3 | rest of the input, after the slot |
//! |---|---|
//! | 0 | vault_id[16] master[32] K_name[32], then `data` as it came over the wire |
//! | 1 | the plaintext of a frame, sealed here under the right key, as another holder of the key could |
//! | 2 | stream[8] counter u64 prev[16] flags u8, then a payload: an honest entry, which must survive everything |
//!
//! The slot: flags u8 (1 hidden names, 2 under the earlier key, 4 names of the slot are those of the frame), op u8,
//! timestamp u64, key_version u32 (used in mode 0), table and row_id, each after its length in one byte.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64;
use tidelog_client::formats::entry::{associated_data, seal_frame};
use tidelog_client::formats::frame::Frame;
use tidelog_client::formats::keys::{KEY_BYTES, Secret, VAULT_ID_BYTES};
use tidelog_client::formats::ring::Ring;
use tidelog_client::formats::{
    EntryKind, FormatError, Head, Names, OpenedEntry, Padding, Slot, Vault, open_entry, reseal_entry,
};
use tidelog_protocol::Op;

use crate::input::Input;

const VAULT_ID: [u8; VAULT_ID_BYTES] = [0x1d; VAULT_ID_BYTES];
const NONCE: [u8; 24] = [0x2e; 24];
const NAME_KEY: [u8; KEY_BYTES] = [0x3f; KEY_BYTES];
/// Master keys by version: an earlier one, the current one, and the next one.
const MASTERS: [(u32, [u8; KEY_BYTES]); 3] = [(2, [0x62; 32]), (5, [0x65; 32]), (6, [0x66; 32])];

const HIDDEN: u8 = 1;
const EARLIER_KEY: u8 = 2;
const NAMES_OF_FRAME: u8 = 4;

/// Checks an input; see the module.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let _was_complete = input.u8().and_then(|mode| {
        let flags = input.u8()?;
        let slot = read_slot(&mut input)?;
        match mode % 3 {
            0 => check_foreign(input, flags, slot),
            1 => check_plaintext(input, flags, slot),
            _ => check_honest(input, flags, slot),
        }
    });
}

fn read_slot<'a>(input: &mut Input<'a>) -> Option<Slot<'a>> {
    let op = [Op::Insert, Op::Update, Op::Delete][usize::from(input.u8()? % 3)];
    let timestamp_us = input.u64()?.cast_signed();
    Some(Slot { op, timestamp_us, key_version: input.u32()?, table: input.text()?, row_id: input.text()? })
}

/// The vault of [`MASTERS`] before or after the rotation.
fn vault(hidden: bool, rotated: bool) -> Vault {
    let masters = MASTERS.map(|(version, master)| (version, Secret::new(master)));
    let [earlier, current, next] = masters;
    let (earlier, (version, master)) =
        if rotated { (vec![earlier, current], next) } else { (vec![earlier], current) };
    let ring = Ring { name_key: Secret::new(NAME_KEY), blob_root: Secret::new(NAME_KEY), earlier };
    Vault::from_parts(VAULT_ID, hidden, version, master, ring).expect("the versions ascend")
}

fn check_foreign(mut input: Input<'_>, flags: u8, slot: Slot<'_>) -> Option<()> {
    let (vault_id, master) = (input.array()?, Secret::new(input.array()?));
    let ring = Ring { name_key: Secret::new(input.array()?), blob_root: master.clone(), earlier: Vec::new() };
    let vault = Vault::from_parts(vault_id, flags & HIDDEN != 0, slot.key_version, master, ring).ok()?;
    let data = std::str::from_utf8(input.rest()).ok()?;
    let opened = open_entry(&vault, &slot, data).ok()?;
    let nonce = *BASE64.decode(data.as_bytes()).expect("it opened").first_chunk().expect("it opened");
    check_sealed_again(&vault, &slot, &opened, nonce, data);
    Some(())
}

fn check_plaintext(input: Input<'_>, flags: u8, slot: Slot<'_>) -> Option<()> {
    let plaintext = input.rest();
    let vault = vault(flags & HIDDEN != 0, false);
    let parsed = Frame::parse(plaintext);
    let names = match &parsed {
        Ok((frame, _)) if flags & NAMES_OF_FRAME != 0 => frame.names.clone(),
        _ => None,
    };
    let names = names.unwrap_or_else(|| Names::new(slot.table, slot.row_id));
    let wire = vault.wire_names(&names.table, &names.row_id).expect("names of a frame or slot are short");
    let key_version = MASTERS[usize::from(flags & EARLIER_KEY == 0)].0;
    let slot = Slot { key_version, table: &wire.table, row_id: &wire.row_id, ..slot };
    let data = seal(&vault, &slot, plaintext)?;
    match open_entry(&vault, &slot, &data) {
        Ok(opened) => {
            let (frame, unpadded) = parsed.expect("an opened frame is well formed");
            assert!(*frame.encode().expect("a parsed frame can be encoded") == *unpadded);
            check_matches_slot(&vault, &slot, &opened);
            if key_version == vault.key_version() {
                check_sealed_again(&vault, &slot, &opened, NONCE, &data);
            }
            check_nowhere_else(&vault, &slot, &data);
            check_resealed(&vault, &slot, &opened, &data);
        }
        Err(FormatError::Malformed(fault)) => {
            assert!(parsed.err().is_none_or(|first| first == fault), "the frame's own fault comes first");
            let resealed = reseal_entry(&vault, &self::vault(vault.hides_names(), true), &slot, &data);
            assert_eq!(resealed, Err(FormatError::Malformed(fault)), "a malformed entry is not re-encrypted");
        }
        Err(other) => panic!("an entry under the right key is refused as {}", other.code()),
    }
    Some(())
}

fn check_honest(mut input: Input<'_>, flags: u8, slot: Slot<'_>) -> Option<()> {
    let (stream, counter, prev) = (input.array()?, input.u64()?, input.array()?);
    let options = input.u8()?;
    let payload = input.rest();
    let kind = match (slot.op, options & 1) {
        (Op::Delete, _) => EntryKind::Tombstone,
        (_, 0) => EntryKind::Value,
        _ => EntryKind::Control,
    };
    let head = Head { seq: counter ^ u64::MAX, key_version: slot.key_version, digest: NAME_KEY };
    let frame = Frame {
        kind,
        stream,
        counter,
        prev: if counter == 0 { [0; 16] } else { prev },
        head: (options & 2 != 0).then_some(head),
        names: None,
        payload: if kind == EntryKind::Tombstone { (&[][..]).into() } else { payload.into() },
    };
    let padding = if options & 4 != 0 { Padding::Off } else { Padding::Padme };
    let vault = vault(flags & HIDDEN != 0, false);
    let slot = Slot { key_version: vault.key_version(), ..slot };
    let sealed = seal_frame(&vault, &slot, frame.clone(), padding, NONCE).expect("an honest frame seals");
    let wire = Slot { table: &sealed.wire.table, row_id: &sealed.wire.row_id, ..slot };
    let opened = open_entry(&vault, &wire, &sealed.data).expect("what was sealed opens");
    assert!(opened.link == sealed.link && opened.kind == kind && opened.head == frame.head);
    assert!((opened.stream, opened.counter, opened.prev) == (stream, counter, frame.prev));
    assert!(*opened.payload == *frame.payload);
    let names = Names::new(slot.table, slot.row_id);
    assert!(opened.names == vault.hides_names().then_some(names), "hidden names are restored");
    check_nowhere_else(&vault, &wire, &sealed.data);
    check_resealed(&vault, &wire, &opened, &sealed.data);
    Some(())
}

/// An opened entry matches its slot.
fn check_matches_slot(vault: &Vault, slot: &Slot<'_>, opened: &OpenedEntry) {
    assert_eq!(opened.kind == EntryKind::Tombstone, slot.op == Op::Delete);
    assert!(opened.kind != EntryKind::Tombstone || opened.payload.is_empty());
    assert!(opened.counter != 0 || opened.prev == [0; 16]);
    assert_eq!(opened.names.is_some(), vault.hides_names());
}

/// An entry has exactly one encoding per nonce and padding: the one that sealing its content again gives.
fn check_sealed_again(vault: &Vault, slot: &Slot<'_>, opened: &OpenedEntry, nonce: [u8; 24], data: &str) {
    let names = opened.names.clone().unwrap_or_else(|| Names::new(slot.table, slot.row_id).into_owned());
    let slot = Slot { table: &names.table, row_id: &names.row_id, ..*slot };
    let frame = Frame {
        kind: opened.kind,
        stream: opened.stream,
        counter: opened.counter,
        prev: opened.prev,
        head: opened.head,
        names: None,
        payload: opened.payload.as_slice().into(),
    };
    let again = [Padding::Padme, Padding::Off]
        .map(|padding| seal_frame(vault, &slot, frame.clone(), padding, nonce).expect("what opened seals"));
    assert!(again.iter().any(|again| again.data == data));
    assert!(again.iter().all(|again| again.link == opened.link));
}

/// An entry does not open in any other slot, or with any bit changed.
fn check_nowhere_else(vault: &Vault, slot: &Slot<'_>, data: &str) {
    let other_op = if slot.op == Op::Insert { Op::Update } else { Op::Insert };
    let other_row = format!("{}x", slot.row_id);
    let other_key = MASTERS[usize::from(slot.key_version == MASTERS[0].0)].0;
    let elsewhere = [
        Slot { op: other_op, ..*slot },
        Slot { timestamp_us: slot.timestamp_us.wrapping_add(1), ..*slot },
        Slot { row_id: &other_row, ..*slot },
        Slot { table: slot.row_id.get(..1).unwrap_or("no row"), row_id: slot.table, ..*slot },
        Slot { key_version: other_key, ..*slot },
    ];
    for other in elsewhere.iter().filter(|other| *other != slot) {
        assert_eq!(open_entry(vault, other, data).err(), Some(FormatError::DoesNotOpen));
    }
    let mut bytes = BASE64.decode(data.as_bytes()).expect("it opened");
    let at = usize::try_from(slot.timestamp_us.unsigned_abs()).unwrap_or_default() % bytes.len();
    bytes[at] ^= 1;
    let changed = BASE64.encode(&bytes);
    assert_eq!(open_entry(vault, slot, &changed).err(), Some(FormatError::DoesNotOpen));
}

/// Rotation keeps content, author and chain of an entry.
fn check_resealed(from: &Vault, slot: &Slot<'_>, opened: &OpenedEntry, data: &str) {
    let to = vault(from.hides_names(), true);
    let resealed = reseal_entry(from, &to, slot, data).expect("what opens is carried over");
    assert!(resealed.len() == data.len() && resealed != data);
    let slot = Slot { key_version: to.key_version(), ..*slot };
    let after = open_entry(&to, &slot, &resealed).expect("what was carried over opens");
    assert!(after.link == opened.link && after.head == opened.head && after.kind == opened.kind);
    assert!((after.stream, after.counter, after.prev) == (opened.stream, opened.counter, opened.prev));
    assert!(after.payload == opened.payload && after.names == opened.names);
    assert!(open_entry(from, &slot, &resealed).is_err(), "the old key does not open it");
}

/// Seals any plaintext under the key of the slot, like a real entry.
fn seal(vault: &Vault, slot: &Slot<'_>, plaintext: &[u8]) -> Option<String> {
    let ad = associated_data(vault, slot, &Names::new(slot.table, slot.row_id)).ok()?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*vault.master(slot.key_version)?.keys.entry.expose()));
    let sealed = cipher.encrypt(&XNonce::from(NONCE), Payload { msg: plaintext, aad: &ad }).ok()?;
    Some(BASE64.encode(&[&NONCE[..], &sealed].concat()))
}
