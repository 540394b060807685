//! A stream: the entries of one installation, numbered and linked, so that a server that drops, repeats or reorders them is
//! noticed.
//!
//! A stream has a random id of 8 bytes, made anew whenever its state is lost; going on from an old state would fork it. Its
//! entries count from 0 and each holds the link of the one before. The state moves with each entry sealed, so the way to use
//! it is: clone it, seal a batch, store state and sealed batch in one step, and then send; a batch that was sent once is
//! only ever sent again as the same bytes, and at most one is unacknowledged.
//!
//! Stored form, 36 bytes: `"TLS1" ‖ id[8] ‖ counter u64 ‖ prev[16]`, counter being that of the next entry.

use super::aead;
use super::bytes::Reader;
use super::entry::{self, LINK_BYTES, Link, Sealed, Slot};
use super::error::{Fault, FormatError};
use super::frame::{Frame, Kind};
use super::head::Head;
use super::padding::Padding;
use super::vault::Vault;

const MAGIC: [u8; 4] = *b"TLS1";

/// Bytes of a stream's id.
pub const STREAM_ID_BYTES: usize = 8;

/// Bytes of a stored stream.
pub const STREAM_BYTES: usize = 4 + STREAM_ID_BYTES + 8 + LINK_BYTES;

/// A stream's random id.
pub type StreamId = [u8; STREAM_ID_BYTES];

/// What an entry is to say.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// A row's content: the JSON of `data`, or the replica's encoding of the row. For inserts and updates.
    Value(&'a [u8]),
    /// The row is gone. For deletes.
    Tombstone,
    /// The SDK's word to itself. For inserts and updates.
    Control(&'a [u8]),
}

/// A value, or a tombstone where there is none.
impl<'a> From<Option<&'a [u8]>> for Body<'a> {
    fn from(payload: Option<&'a [u8]>) -> Self {
        payload.map_or(Self::Tombstone, Self::Value)
    }
}

/// How an entry is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealOptions {
    /// On unless switched off.
    pub padding: Padding,
    /// What this installation has seen: in a batch's first entry, after a complete pull.
    pub head: Option<Head>,
}

/// Where a stream stands: everything needed to seal its next entry. No secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    id: StreamId,
    counter: u64,
    prev: Link,
}

impl Stream {
    /// A new stream, at its beginning.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`].
    pub fn generate() -> Result<Self, FormatError> {
        let mut id = [0; STREAM_ID_BYTES];
        getrandom::fill(&mut id)?;
        Ok(Self { id, counter: 0, prev: Link::default() })
    }

    /// A stream with this id whose next entry has this number and follows this link.
    pub fn from_parts(id: StreamId, counter: u64, prev: Link) -> Self {
        Self { id, counter, prev }
    }

    /// The stream's id.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The number of the next entry.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// The link of the last entry, zeros before the first.
    pub fn prev(&self) -> Link {
        self.prev
    }

    /// The stored form.
    pub fn to_bytes(&self) -> [u8; STREAM_BYTES] {
        let mut bytes = [0; STREAM_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.id);
        bytes[12..20].copy_from_slice(&self.counter.to_le_bytes());
        bytes[20..].copy_from_slice(&self.prev);
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != MAGIC {
            return Err(Fault::UnknownForm.into());
        }
        let stream = Self { id: reader.array()?, counter: reader.u64()?, prev: reader.array()? };
        reader.finish()?;
        if stream.counter == 0 && stream.prev != Link::default() {
            return Err(Fault::PrevAtStart.into());
        }
        Ok(stream)
    }

    /// Seals the stream's next entry under the vault's current key, with a fresh nonce, and moves on. On an error the
    /// stream stays where it was.
    ///
    /// `slot` names the row as the app knows it; what is to be sent is in the answer.
    ///
    /// # Errors
    /// [`FormatError::WrongKey`] when the slot does not name the vault's current key, [`FormatError::Malformed`] when the
    /// body does not fit the operation, and what [`entry::seal_frame`] gives.
    pub fn seal<'a>(
        &mut self,
        vault: &Vault,
        slot: &Slot<'a>,
        body: Body<'_>,
        options: &SealOptions,
    ) -> Result<Sealed<'a>, FormatError> {
        let next = self.counter.checked_add(1).ok_or(FormatError::CounterExhausted)?;
        let frame = self.next_frame(body, options);
        let sealed = entry::seal_frame(vault, slot, frame, options.padding, aead::random_nonce()?)?;
        (self.counter, self.prev) = (next, sealed.link);
        Ok(sealed)
    }

    fn next_frame<'b>(&self, body: Body<'b>, options: &SealOptions) -> Frame<'b> {
        let (kind, payload) = match body {
            Body::Value(payload) => (Kind::Value, payload),
            Body::Tombstone => (Kind::Tombstone, &[][..]),
            Body::Control(payload) => (Kind::Control, payload),
        };
        Frame {
            kind,
            stream: self.id,
            counter: self.counter,
            prev: self.prev,
            head: options.head,
            names: None,
            payload: payload.into(),
        }
    }
}
