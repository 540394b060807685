//! The values of a change in the form in which they are stored: as small as they can be, and read back exactly as they were
//! sent.
//!
//! Most of what clients send is text that stands for fewer bytes: base64 for ciphertext, hexadecimal for a UUID. Written out
//! in their one canonical way, the bytes are the text, so the bytes are what is kept. Any other text is kept as it is.

use base64_simd::STANDARD;
use tidelog_protocol::Op;
use uuid::Uuid;

/// An operation as a client spelt it: which of the three, and which of its letters are capital.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpeltOp(u8);

impl SpeltOp {
    /// Bits of a code that tell the operation; those above tell of each letter whether it is capital.
    const OP_BITS: u32 = 2;

    /// From the wire. `None`: it names no operation.
    pub fn parse(text: &str) -> Option<Self> {
        let op = text.parse::<Op>().ok()?;
        let capitals =
            text.bytes().rev().fold(0, |bits, letter| bits << 1 | u8::from(letter.is_ascii_uppercase()));
        Some(Self(capitals << Self::OP_BITS | op as u8))
    }

    /// A small number that stands for it, 0 to 255.
    pub fn code(self) -> u8 {
        self.0
    }

    /// From its number. `None`: no operation has it.
    pub fn from_code(code: u8) -> Option<Self> {
        let op = Op::ALL.get(usize::from(code & ((1 << Self::OP_BITS) - 1)))?;
        (code >> Self::OP_BITS >> op.as_str().len() == 0).then_some(Self(code))
    }

    /// Appends its spelling.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let op = Op::ALL.get(usize::from(self.0 & ((1 << Self::OP_BITS) - 1))).copied().unwrap_or(Op::Insert);
        let start = out.len();
        out.extend_from_slice(op.as_str().as_bytes());
        let mut capitals = self.0 >> Self::OP_BITS;
        for letter in &mut out[start..] {
            if capitals & 1 == 1 {
                letter.make_ascii_uppercase();
            }
            capitals >>= 1;
        }
    }
}

/// What a row is called.
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

/// What a change carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// `null`, or nothing.
    Nothing,
    /// The bytes that canonical base64 stood for: standard alphabet, padded, no stray bits.
    Base64(&'a [u8]),
    /// Any other text.
    Text(&'a str),
}

/// Appends the bytes that a text stands for, if it is canonical base64.
pub(in crate::model) fn decode_base64(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    // The decoder refuses what is not canonical; what it leaves behind then is nobody's.
    let decoded = STANDARD.decode_append(text, out).is_ok();
    if !decoded {
        out.truncate(start);
    }
    decoded
}

/// Appends the canonical base64 of some bytes.
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

    fn read_back(spelling: &str) -> String {
        let op = SpeltOp::parse(spelling).expect("an operation");
        let mut out = Vec::new();
        SpeltOp::from_code(op.code()).expect("its own code").write_to(&mut out);
        String::from_utf8(out).expect("letters")
    }

    #[test]
    fn an_operation_comes_back_as_it_was_spelt() {
        for spelling in ["insert", "update", "delete", "INSERT", "Update", "dELetE", "DELETe"] {
            assert_eq!(read_back(spelling), spelling);
        }
        assert_eq!(SpeltOp::parse("upsert"), None);
        assert_eq!(SpeltOp::from_code(3), None);
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
