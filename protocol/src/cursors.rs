//! Positions in a log, as clients hold them.
//!
//! A cursor is opaque to clients. It consists of a seq and the epoch in which the server issued it; the epoch makes a
//! cursor from a lost history recognisable after a database was restored from an older copy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The random tag of an epoch, one opening of a database for serving: eight characters of `[a-z2-7]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EpochTag([u8; 8]);

impl EpochTag {
    /// Length of a tag, in characters.
    pub const LEN: usize = 8;

    /// Creates a tag from 40 random bits.
    pub fn from_random(bits: [u8; 5]) -> Self {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let number = bits.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        Self(std::array::from_fn(|place| ALPHABET[(number >> (5 * place)) as usize & 31]))
    }

    /// Returns the tag as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for EpochTag {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| InvalidCursor)?;
        let known = |byte: &u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        if bytes.iter().all(known) { Ok(Self(bytes)) } else { Err(InvalidCursor) }
    }
}

impl fmt::Debug for EpochTag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The form in which an app receives cursors (its setting `cursor_format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorFormat {
    /// `"<seq>-<epoch>"`, which detects a lost history.
    #[default]
    String,
    /// A plain integer, for clients whose cursors are integers.
    Number,
}

/// A position in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cursor {
    /// The start of the log: absent, `null`, `""`, `0` and `"0"`.
    #[default]
    Start,
    /// A plain integer: the seq of the last entry that the client has.
    Number(i64),
    /// `"<seq>-<epoch>"`.
    InEpoch {
        /// The seq of the last entry that the client has.
        seq: i64,
        /// The epoch in which the server issued this cursor.
        epoch: EpochTag,
    },
}

impl Cursor {
    /// Returns the seq, 0 for the start.
    pub fn seq(&self) -> i64 {
        match self {
            Self::Start => 0,
            Self::Number(seq) | Self::InEpoch { seq, .. } => *seq,
        }
    }

    /// Creates the cursor of a seq and an epoch, in the form that an app receives.
    pub fn formatted(seq: i64, epoch: EpochTag, format: CursorFormat) -> Self {
        match format {
            CursorFormat::String => Self::InEpoch { seq, epoch },
            CursorFormat::Number => Self::Number(seq),
        }
    }

    fn from_number(number: i64) -> Result<Self, InvalidCursor> {
        match number {
            0 => Ok(Self::Start),
            1.. => Ok(Self::Number(number)),
            _ => Err(InvalidCursor),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => out.write_str("0"),
            Self::Number(seq) => write!(out, "{seq}"),
            Self::InEpoch { seq, epoch } => write!(out, "{seq}-{}", epoch.as_str()),
        }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if text.is_empty() {
            return Ok(Self::Start);
        }
        let (seq, epoch) = text.split_once('-').map_or((text, None), |(seq, epoch)| (seq, Some(epoch)));
        // `i64::from_str` would also take "+5", a second spelling of one position.
        if !seq.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidCursor);
        }
        let seq = seq.parse().map_err(|_| InvalidCursor)?;
        match epoch {
            Some(epoch) => Ok(Self::InEpoch { seq, epoch: epoch.parse()? }),
            None => Self::from_number(seq),
        }
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Start => output.serialize_i64(0),
            Self::Number(seq) => output.serialize_i64(*seq),
            Self::InEpoch { .. } => output.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(CursorVisitor)
    }
}

struct CursorVisitor;

impl de::Visitor<'_> for CursorVisitor {
    type Value = Cursor;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a cursor that this server issued, or 0")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Cursor, E> {
        Ok(Cursor::Start)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Cursor, E> {
        Cursor::from_number(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Cursor, E> {
        i64::try_from(number)
            .map_err(|_| InvalidCursor)
            .and_then(Cursor::from_number)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cursor, E> {
        text.parse().map_err(|_| E::custom(InvalidCursor))
    }
}

impl From<Option<Cursor>> for Cursor {
    fn from(cursor: Option<Cursor>) -> Self {
        cursor.unwrap_or_default()
    }
}

/// For `pull(device, 0)` and for cursors kept as integers. A negative number becomes the start.
impl From<i64> for Cursor {
    fn from(number: i64) -> Self {
        Self::from_number(number).unwrap_or_default()
    }
}

/// Like the conversion from `i64`.
impl From<i32> for Cursor {
    fn from(number: i32) -> Self {
        i64::from(number).into()
    }
}

/// The error for a cursor that no server issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCursor;

impl fmt::Display for InvalidCursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("not a cursor that this server issued")
    }
}

impl std::error::Error for InvalidCursor {}
