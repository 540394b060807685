//! A stream: the chain of entries of one installation, so that a server that drops, repeats or reorders them is
//! noticed.
//!
//! A stream has a random id of 8 bytes. A new one is generated whenever the state is lost, because going on from an
//! old state would fork the stream. Entries are numbered from 0, and each contains the link of the one before it.
//! Every sealed entry advances the state, so use it like this: clone it, seal a batch, store the state together with
//! the sealed batch, and then send. A batch that was sent once is only ever sent again as the same bytes, and at most
//! one is unacknowledged.
//!
//! Stored form, 36 bytes: `"TLS1" ‖ id[8] ‖ counter u64 ‖ prev[16]`, where counter is that of the next entry.

use super::aead;
use super::bytes::Reader;
use super::entry::{self, SealedEntry, Slot};
use super::error::FormatError;
use super::frame::{EntryKind, Frame};
use super::head::Head;
use super::link::{LINK_BYTES, Link, STREAM_ID_BYTES, StreamId};
use super::malformed::Malformed;
use super::padding::Padding;
use super::vault::Vault;

const MAGIC: [u8; 4] = *b"TLS1";

/// Bytes of a stored stream.
pub const STREAM_BYTES: usize = 4 + STREAM_ID_BYTES + 8 + LINK_BYTES;

/// The content of an entry.
#[derive(Clone, Copy)]
pub enum EntryBody<'a> {
    /// A row's content: the JSON of `data`, or the replica's encoding of the row. For inserts and updates.
    Value(&'a [u8]),
    /// The row is gone. For deletes.
    Tombstone,
    /// Something that the SDK writes for itself. For inserts and updates.
    Control(&'a [u8]),
}

/// A value, or a tombstone where there is none.
impl<'a> From<Option<&'a [u8]>> for EntryBody<'a> {
    fn from(payload: Option<&'a [u8]>) -> Self {
        payload.map_or(Self::Tombstone, Self::Value)
    }
}

/// How an entry is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealOptions {
    /// On by default.
    pub padding: Padding,
    /// What this installation has seen: for a batch's first entry, after a complete pull.
    pub head: Option<Head>,
}

/// The state of a stream: everything needed to seal its next entry. It is no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    id: StreamId,
    counter: u64,
    prev: Link,
}

impl Stream {
    /// Generates a new stream without entries.
    ///
    /// # Errors
    /// [`FormatError::NoRandomness`].
    pub fn generate() -> Result<Self, FormatError> {
        let mut id = [0; STREAM_ID_BYTES];
        getrandom::fill(&mut id)?;
        Ok(Self { id, counter: 0, prev: Link::default() })
    }

    /// Returns a stream with this id, whose next entry has this counter and follows this link.
    pub fn from_parts(id: StreamId, counter: u64, prev: Link) -> Self {
        Self { id, counter, prev }
    }

    /// Returns the stream's id.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Returns the counter of the next entry.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Returns the link of the last entry, zeros before the first.
    pub fn prev(&self) -> Link {
        self.prev
    }

    /// Returns the stored form.
    pub fn to_bytes(&self) -> [u8; STREAM_BYTES] {
        let mut bytes = [0; STREAM_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.id);
        bytes[12..20].copy_from_slice(&self.counter.to_le_bytes());
        bytes[20..].copy_from_slice(&self.prev);
        bytes
    }

    /// Parses the stored form.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != MAGIC {
            return Err(Malformed::UnknownForm.into());
        }
        let stream = Self { id: reader.array()?, counter: reader.u64()?, prev: reader.array()? };
        reader.finish()?;
        if stream.counter == 0 && stream.prev != Link::default() {
            return Err(Malformed::PrevAtStart.into());
        }
        Ok(stream)
    }

    /// Seals the stream's next entry under the vault's current key, with a fresh nonce, and advances the stream.
    /// After an error the stream is unchanged.
    ///
    /// `slot` has the row's names as the app uses them; the names to send are in the result.
    ///
    /// # Errors
    /// [`FormatError::WrongKey`] if the slot does not name the vault's current key, [`FormatError::Malformed`] if the
    /// body does not match the operation, and those of [`entry::seal_frame`].
    pub fn seal<'a>(
        &mut self,
        vault: &Vault,
        slot: &Slot<'a>,
        body: EntryBody<'_>,
        options: &SealOptions,
    ) -> Result<SealedEntry<'a>, FormatError> {
        let next = self.counter.checked_add(1).ok_or(FormatError::CounterExhausted)?;
        let frame = self.next_frame(body, options);
        let sealed = entry::seal_frame(vault, slot, frame, options.padding, aead::random_nonce()?)?;
        (self.counter, self.prev) = (next, sealed.link);
        Ok(sealed)
    }

    fn next_frame<'b>(&self, body: EntryBody<'b>, options: &SealOptions) -> Frame<'b> {
        let (kind, payload) = match body {
            EntryBody::Value(payload) => (EntryKind::Value, payload),
            EntryBody::Tombstone => (EntryKind::Tombstone, &[][..]),
            EntryBody::Control(payload) => (EntryKind::Control, payload),
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
