//! The frame: the plaintext of an entry. Integers are little-endian.
//!
//! ```text
//! kind u8 (1 value, 2 tombstone, 3 control)   flags u8 (1 head, 2 names)
//! stream[8]   counter u64   prev[16]
//! [head: seq u64, key_version u32, digest[32]]      when flag 1
//! [names: table_len u8 table, row_len u16 row_id]   when flag 2
//! payload_len u32   payload   padding
//! ```
//!
//! Kinds match operations: a value is an insert or an update, a tombstone is a delete and has no payload, and a
//! delete is always a tombstone. A control entry is for the SDK itself; it is an insert or an update with any
//! payload, and a reader that does not understand it ignores it. `prev` is zeros if and only if `counter` is 0 (for a
//! later entry a link of zeros is as likely as any other value, so only the first entry is checked).

use std::borrow::Cow;
use std::fmt;

use tidelog_protocol::Op;
use zeroize::Zeroizing;

use super::bytes::Reader;
use super::error::FormatError;
use super::head::Head;
use super::link::{Link, StreamId};
use super::malformed::Malformed;
use super::names::Names;
use super::padding;

const FLAG_HEAD: u8 = 1;
const FLAG_NAMES: u8 = 2;

/// Bytes of a frame without head, names, payload and padding.
pub const MIN_FRAME_BYTES: usize = 1 + 1 + 8 + 8 + 16 + 4;

/// Bytes of a head in a frame.
const HEAD_BYTES: usize = 8 + 4 + 32;

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A row's content.
    Value,
    /// The row is gone.
    Tombstone,
    /// Something that the SDK has written for itself.
    Control,
}

impl EntryKind {
    fn to_byte(self) -> u8 {
        match self {
            Self::Value => 1,
            Self::Tombstone => 2,
            Self::Control => 3,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, Malformed> {
        match byte {
            1 => Ok(Self::Value),
            2 => Ok(Self::Tombstone),
            3 => Ok(Self::Control),
            _ => Err(Malformed::UnknownKind),
        }
    }
}

/// A frame, borrowing its payload.
#[derive(Clone)]
pub struct Frame<'a> {
    /// The kind of the entry.
    pub kind: EntryKind,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// Its number in the stream, from 0.
    pub counter: u64,
    /// The link of the entry before it in the stream, zeros at 0.
    pub prev: Link,
    /// What its writer had seen.
    pub head: Option<Head>,
    /// The names that the wire hides.
    pub names: Option<Names<'a>>,
    /// Empty for a tombstone.
    pub payload: Cow<'a, [u8]>,
}

impl<'a> Frame<'a> {
    /// Checks that the frame matches the operation that it is sent with.
    ///
    /// # Errors
    /// The first [`Malformed`] found.
    pub fn check(&self, op: Op) -> Result<(), Malformed> {
        if (self.kind == EntryKind::Tombstone) != (op == Op::Delete) {
            return Err(Malformed::KindOpMismatch);
        }
        if self.kind == EntryKind::Tombstone && !self.payload.is_empty() {
            return Err(Malformed::TombstonePayload);
        }
        if self.counter == 0 && self.prev != Link::default() {
            return Err(Malformed::PrevAtStart);
        }
        Ok(())
    }

    /// Encodes the frame without padding, as it is hashed for the link.
    ///
    /// # Errors
    /// [`FormatError::NameTooLong`] and [`FormatError::TooLarge`].
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        let payload_len = u32::try_from(self.payload.len()).map_err(|_| FormatError::TooLarge)?;
        let mut out = Zeroizing::new(Vec::with_capacity(self.encoded_len()));
        out.extend_from_slice(&[self.kind.to_byte(), self.flags()]);
        out.extend_from_slice(&self.stream);
        out.extend_from_slice(&self.counter.to_le_bytes());
        out.extend_from_slice(&self.prev);
        if let Some(head) = &self.head {
            out.extend_from_slice(&head.seq.to_le_bytes());
            out.extend_from_slice(&head.key_version.to_le_bytes());
            out.extend_from_slice(&head.digest);
        }
        if let Some(names) = &self.names {
            names.write(&mut out)?;
        }
        out.extend_from_slice(&payload_len.to_le_bytes());
        out.extend_from_slice(&self.payload);
        Ok(out)
    }

    /// Parses a frame and checks its padding. Also returns its bytes without padding.
    ///
    /// # Errors
    /// The first [`Malformed`] found.
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let mut reader = Reader::new(bytes);
        let kind = EntryKind::from_byte(reader.u8()?)?;
        let flags = reader.u8()?;
        if flags & !(FLAG_HEAD | FLAG_NAMES) != 0 {
            return Err(Malformed::UnknownFlags);
        }
        let (stream, counter, prev) = (reader.array()?, reader.u64()?, reader.array()?);
        let head = if flags & FLAG_HEAD != 0 { Some(read_head(&mut reader)?) } else { None };
        let names = if flags & FLAG_NAMES != 0 { Some(read_names(&mut reader)?) } else { None };
        let payload_len = usize::try_from(reader.u32()?).map_err(|_| Malformed::Truncated)?;
        let payload = Cow::Borrowed(reader.take(payload_len)?);
        let padding = reader.rest();
        let unpadded = &bytes[..bytes.len() - padding.len()];
        padding::check(unpadded.len(), padding)?;
        Ok((Self { kind, stream, counter, prev, head, names, payload }, unpadded))
    }

    fn flags(&self) -> u8 {
        let head = if self.head.is_some() { FLAG_HEAD } else { 0 };
        let names = if self.names.is_some() { FLAG_NAMES } else { 0 };
        head | names
    }

    fn encoded_len(&self) -> usize {
        let head = if self.head.is_some() { HEAD_BYTES } else { 0 };
        let names = self.names.as_ref().map_or(0, Names::encoded_len);
        MIN_FRAME_BYTES + head + names + self.payload.len()
    }
}

fn read_head(reader: &mut Reader<'_>) -> Result<Head, Malformed> {
    Ok(Head { seq: reader.u64()?, key_version: reader.u32()?, digest: reader.array()? })
}

fn read_names<'a>(reader: &mut Reader<'a>) -> Result<Names<'a>, Malformed> {
    let table_len = reader.u8()?;
    let table = reader.take(table_len.into())?;
    let row_len = reader.u16()?;
    let row_id = reader.take(row_len.into())?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Malformed::NameNotUtf8);
    Ok(Names::new(text(table)?, text(row_id)?))
}

/// Shows kind and counter, never the payload.
impl fmt::Debug for Frame<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Frame")
            .field("kind", &self.kind)
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}
