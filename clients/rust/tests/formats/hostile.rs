//! Untrusted bytes: they are refused without a panic, and what was changed after sealing does not open.

use std::sync::LazyLock;

use data_encoding::BASE64;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tidelog_client::formats::envelope::Envelope;
use tidelog_client::formats::frame::Frame;
use tidelog_client::formats::keys::Secret;
use tidelog_client::formats::{
    EntryBody, FormatError, Head, KdfCost, Padding, RecoveryKey, SealOptions, Slot, SlotPlan, Stream, Unlock,
    Vault, open_entry, open_envelope_with_recovery, seal_envelope_with,
};
use tidelog_protocol::Op;

static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::generate().unwrap());
static HIDING: LazyLock<Vault> = LazyLock::new(|| Vault::generate_with_hidden_names().unwrap());
static CODE: LazyLock<RecoveryKey> = LazyLock::new(|| RecoveryKey::generate().unwrap());
static ENVELOPE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let plan = [
        SlotPlan::Wrap(Unlock::Passphrase("p"), KdfCost::MIN),
        SlotPlan::Wrap(Unlock::Recovery(&CODE), KdfCost::MIN),
    ];
    seal_envelope_with(&VAULT, &plan, 0).unwrap()
});

fn slot<'a>(op: Op, table: &'a str, row_id: &'a str, timestamp_us: i64) -> Slot<'a> {
    Slot { table, row_id, op, timestamp_us, key_version: 1 }
}

/// The `data` of the first entry of a stream.
fn sealed(slot: &Slot<'_>, payload: &[u8]) -> String {
    let mut stream = Stream::from_parts([9; 8], 0, [0; 16]);
    stream.seal(&VAULT, slot, EntryBody::Value(payload), &SealOptions::default()).unwrap().data
}

prop_compose! {
    fn a_head()(seq: u64, key_version: u32, digest: [u8; 32]) -> Head {
        Head { seq, key_version, digest }
    }
}

/// Bytes that mostly begin like something real, so that parsers get past the first field.
fn almost(real: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    (0..=real.len(), proptest::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(kept, tail)| [&real[..kept], &tail].concat())
}

proptest! {
    #[test]
    fn what_is_sealed_opens_again(
        table in ".{0,60}", row_id in ".{0,60}", timestamp_us: i64, hidden: bool, padded: bool, update: bool,
        payload in proptest::collection::vec(any::<u8>(), 0..2000),
        head in proptest::option::of(a_head()),
        counter in 1..u64::MAX, prev: [u8; 16],
    ) {
        let vault: &Vault = if hidden { &HIDING } else { &VAULT };
        let slot = slot(if update { Op::Update } else { Op::Insert }, &table, &row_id, timestamp_us);
        let options = SealOptions { padding: if padded { Padding::Padme } else { Padding::Off }, head };
        let mut stream = Stream::from_parts([9; 8], counter, prev);
        let sealed = stream.seal(vault, &slot, EntryBody::Value(&payload), &options).unwrap();
        let wire = Slot { table: &sealed.wire.table, row_id: &sealed.wire.row_id, ..slot };
        let opened = open_entry(vault, &wire, &sealed.data).unwrap();
        prop_assert_eq!(&*opened.payload, &payload);
        prop_assert_eq!((opened.stream, opened.counter, opened.prev), ([9; 8], counter, prev));
        prop_assert_eq!((opened.link, opened.head), (sealed.link, head));
        prop_assert_eq!(opened.names.is_some(), hidden);
    }

    #[test]
    fn an_entry_with_a_bit_flipped_does_not_open(
        bit: prop::sample::Index, payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let slot = slot(Op::Insert, "notes", "1", 0);
        let mut bytes = BASE64.decode(sealed(&slot, &payload).as_bytes()).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(open_entry(&VAULT, &slot, &BASE64.encode(&bytes)).unwrap_err(), FormatError::DoesNotOpen);
    }

    #[test]
    fn an_entry_only_opens_in_its_own_slot(
        table in "[a-c]{1,3}", row_id in "[a-c]{1,3}", timestamp_us in 0..3_i64,
        other_table in "[a-c]{1,3}", other_row in "[a-c]{1,3}", other_us in 0..3_i64, update: bool,
    ) {
        let own = slot(Op::Insert, &table, &row_id, timestamp_us);
        let other = slot(if update { Op::Update } else { Op::Insert }, &other_table, &other_row, other_us);
        prop_assert_eq!(open_entry(&VAULT, &other, &sealed(&own, b"{}")).is_ok(), own == other);
    }

    #[test]
    fn any_text_is_refused_as_an_entry(
        data in "\\PC{0,200}", table in ".{0,300}", row_id in ".{0,60}", op in 0..3_usize,
    ) {
        prop_assert!(open_entry(&VAULT, &slot(Op::ALL[op], &table, &row_id, 0), &data).is_err());
    }

    #[test]
    fn any_bytes_are_refused_as_an_entry(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open_entry(&VAULT, &slot(Op::Insert, "notes", "1", 0), &BASE64.encode(&bytes)).is_err());
    }

    #[test]
    fn a_parsed_frame_encodes_to_the_same_bytes(
        kind in 0..5_u8, flags in 0..5_u8,
        rest in proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..300),
    ) {
        let bytes = [&[kind, flags][..], &rest].concat();
        if let Ok((frame, unpadded)) = Frame::parse(&bytes) {
            prop_assert_eq!(&**frame.encode().unwrap(), unpadded);
            prop_assert!(bytes.starts_with(unpadded));
        }
    }

    #[test]
    fn bytes_that_begin_like_an_envelope_are_refused(bytes in almost(&ENVELOPE)) {
        prop_assume!(bytes != *ENVELOPE);
        prop_assert!(open_envelope_with_recovery(&bytes, &CODE).is_err());
    }

    #[test]
    fn an_envelope_with_a_bit_flipped_does_not_open(bit in 0..ENVELOPE.len() * 8) {
        let mut bytes = ENVELOPE.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open_envelope_with_recovery(&bytes, &CODE).is_err());
    }

    #[test]
    fn any_bytes_are_refused_as_an_envelope(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        prop_assert!(Envelope::parse(&bytes).is_err());
    }

    #[test]
    fn any_bytes_with_a_valid_checksum_are_parsed_or_refused_as_a_vault(
        flags in 0..3_u8, fixed in proptest::collection::vec(any::<u8>(), 116), count in 0..70_u8,
        earlier in proptest::collection::vec(any::<u8>(), 70 * 36), cut in 0..3_usize,
    ) {
        let earlier = &earlier[..(usize::from(count) * 36 + 1).saturating_sub(cut)];
        let mut bytes = [b"TLV1", &[flags][..], &fixed, &[count], earlier].concat();
        let check = Sha256::new().chain_update(b"tidelog/vault/1").chain_update(&bytes).finalize();
        bytes.extend_from_slice(&check[..8]);
        let read = Vault::from_secret_bytes(&bytes);
        prop_assert_eq!(read.is_ok(), read.is_ok_and(|vault| **vault.to_secret_bytes() == bytes));
        if count == 0 && cut == 1 && flags < 2 {
            prop_assert!(Vault::from_secret_bytes(&bytes).is_ok());
        }
    }

    #[test]
    fn a_stored_vault_with_a_bit_flipped_is_refused(bit: prop::sample::Index) {
        let mut bytes = VAULT.to_secret_bytes();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Vault::from_secret_bytes(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_parsed_or_refused_as_a_stream(tail in proptest::collection::vec(any::<u8>(), 0..40)) {
        let bytes = [b"TLS1", &tail[..]].concat();
        if let Ok(stream) = Stream::from_bytes(&bytes) {
            prop_assert_eq!(&stream.to_bytes()[..], &bytes);
        }
    }

    #[test]
    fn any_text_is_refused_as_a_recovery_key(text in "\\PC{0,80}") {
        prop_assert!(RecoveryKey::parse(&text).is_err());
    }

    #[test]
    fn a_recovery_key_parses_and_one_with_a_changed_letter_does_not(
        secret: [u8; 32], at in 0..56_usize, letter in "[A-Z2-7]",
    ) {
        let code = RecoveryKey::from_secret(Secret::new(secret));
        let mut letters = code.to_text().replace('-', "");
        prop_assert_eq!(RecoveryKey::parse(&letters), Ok(code.clone()));
        let changed = letters[at..=at] != letter;
        letters.replace_range(at..=at, &letter);
        // A checksum of 16 bits lets one in 65,536 typing errors through; then the envelope does not open.
        prop_assert!(!changed || RecoveryKey::parse(&letters) != Ok(code));
    }
}
