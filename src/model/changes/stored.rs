//! The values of a change in the form in which they are stored: as small as possible, and read back as they were sent.
//!
//! Most of what clients send is text that stands for fewer bytes: base64 of a ciphertext, hexadecimal digits of a
//! UUID. If the text is the canonical one for its bytes, only the bytes are stored. Any other text is stored as it
//! is.

use base64_simd::STANDARD;
use tidelog_protocol::Op;
use uuid::Uuid;

/// An operation in one of the three spellings that are kept: `insert`, `INSERT` and `Insert`. Any other mix of upper
/// and lower case becomes lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpelledOp {
    op: Op,
    spelling: Spelling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    Lower,
    Upper,
    Capitalized,
}

impl SpelledOp {
    /// Bits of a code that hold the operation; those above hold the spelling.
    const OP_BITS: u32 = 2;
    const SPELLINGS: [Spelling; 3] = [Spelling::Lower, Spelling::Upper, Spelling::Capitalized];

    /// From the wire. `None`: it names no operation.
    pub fn parse(text: &str) -> Option<Self> {
        let op = text.parse().ok()?;
        let all = Self::SPELLINGS.map(|spelling| Self { op, spelling });
        Some(all.into_iter().find(|op| op.as_str() == text).unwrap_or(Self { op, spelling: Spelling::Lower }))
    }

    /// The number that stands for it in the database.
    pub fn code(self) -> u8 {
        (self.spelling as u8) << Self::OP_BITS | self.op as u8
    }

    /// From its number. `None`: no operation has it.
    pub fn from_code(code: u8) -> Option<Self> {
        let op = *Op::ALL.get(usize::from(code & ((1 << Self::OP_BITS) - 1)))?;
        let spelling = *Self::SPELLINGS.get(usize::from(code >> Self::OP_BITS))?;
        Some(Self { op, spelling })
    }

    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match (self.op, self.spelling) {
            (op, Spelling::Lower) => op.as_str(),
            (Op::Insert, Spelling::Upper) => "INSERT",
            (Op::Update, Spelling::Upper) => "UPDATE",
            (Op::Delete, Spelling::Upper) => "DELETE",
            (Op::Insert, Spelling::Capitalized) => "Insert",
            (Op::Update, Spelling::Capitalized) => "Update",
            (Op::Delete, Spelling::Capitalized) => "Delete",
        }
    }
}

/// The id of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowId<'a> {
    /// A UUID in its canonical form: lower-case, with hyphens.
    Uuid(Uuid),
    /// Anything else.
    Text(&'a str),
}

impl<'a> RowId<'a> {
    /// From the wire.
    pub fn parse(text: &'a str) -> Self {
        let canonical = |id: &Uuid| id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text;
        match Uuid::try_parse(text).ok().filter(canonical) {
            Some(id) => Self::Uuid(id),
            None => Self::Text(text),
        }
    }
}

/// The data of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// `null`, or nothing.
    Nothing,
    /// The bytes of canonical base64: standard alphabet, padded, no stray bits.
    Base64(&'a [u8]),
    /// Any other text.
    Text(&'a str),
}

/// Appends the bytes of a text, if it is canonical base64.
pub(in crate::model) fn decode_base64(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    // The decoder refuses what is not canonical, and may leave bytes behind.
    let decoded = STANDARD.decode_append(text, out).is_ok();
    if !decoded {
        out.truncate(start);
    }
    decoded
}

/// Appends the canonical base64 of bytes.
pub fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    STANDARD.encode_append(bytes, out);
}

/// Length of the canonical base64 of so many bytes.
pub fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(text: &str) -> &'static str {
        let op = SpelledOp::parse(text).expect("an operation");
        SpelledOp::from_code(op.code()).expect("its own code").as_str()
    }

    #[test]
    fn three_spellings_of_an_operation_are_kept_and_others_become_lower_case() {
        for op in ["insert", "update", "delete", "INSERT", "UPDATE", "DELETE", "Insert", "Update", "Delete"] {
            assert_eq!(read_back(op), op);
        }
        assert_eq!(
            [read_back("dELetE"), read_back("INSERt"), read_back("upDate")],
            ["delete", "insert", "update"]
        );
        assert_eq!(SpelledOp::parse("upsert"), None);
    }

    #[test]
    fn only_codes_of_operations_are_read() {
        let codes: Vec<_> = (0..=u8::MAX).filter(|code| SpelledOp::from_code(*code).is_some()).collect();
        assert_eq!(codes, [0, 1, 2, 4, 5, 6, 8, 9, 10]);
    }

    #[test]
    fn only_the_canonical_spelling_of_a_uuid_becomes_one() {
        let canonical = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert!(matches!(RowId::parse(canonical), RowId::Uuid(id) if id.to_string() == canonical));
        let others = [
            "01890A5D-ac96-774b-bcce-b302099a8057",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "42",
        ];
        for other in others {
            assert_eq!(RowId::parse(other), RowId::Text(other));
        }
    }

    #[test]
    fn base64_in_any_but_its_canonical_form_stays_text() {
        for other in ["QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "QUI", "QUJ=", "-_-_", "QQ==QQ==", "=", "é==="]
        {
            let mut out = vec![7];
            assert!(!decode_base64(other, &mut out), "{other}");
            assert_eq!(out, [7]);
        }
    }

    proptest! {
        #[test]
        fn what_is_decoded_encodes_to_the_same_text(text in "[A-Za-z0-9+/]{0,90}={0,3}") {
            let (mut bytes, mut again) = (Vec::new(), Vec::new());
            if decode_base64(&text, &mut bytes) {
                write_base64(&bytes, &mut again);
                prop_assert_eq!(again, text.as_bytes());
                prop_assert_eq!(base64_len(bytes.len()), text.len());
            }
        }

        #[test]
        fn all_canonical_base64_is_decoded(bytes: Vec<u8>) {
            let mut decoded = Vec::new();
            prop_assert!(decode_base64(&data_encoding::BASE64.encode(&bytes), &mut decoded));
            prop_assert_eq!(decoded, bytes);
        }
    }
}
