//! Evidence that a server is dishonest.

use std::fmt;

use uuid::Uuid;

use crate::formats::StreamId;
use crate::quarantine::QuarantineReason;

/// One thing that an honest server does not do.
///
/// Numbers are those of the log (`seq`) and of a stream (`counter`): the chain of entries that one installation has
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// Entries of a stream are missing before this one.
    Missing {
        /// The stream.
        stream: StreamName,
        /// The counter that should have come next.
        expected: u64,
        /// The counter that came.
        found: u64,
        /// The entry that came.
        seq: i64,
    },
    /// Two different entries claim the same counter of a stream, or one does not link to the other.
    Forked {
        /// The stream.
        stream: StreamName,
        /// The entry's number in its stream.
        counter: u64,
        /// The entry's number in the log.
        seq: i64,
    },
    /// A pull from the start ends before entries that this client has pulled or written.
    Withheld {
        /// The stream.
        stream: StreamName,
        /// Entries of the stream that this client knew.
        known: u64,
        /// Entries of the stream that the server gives now.
        given: u64,
    },
    /// The writer of an entry had seen a different log from the one that this client was given.
    OtherPast {
        /// The entry.
        seq: i64,
        /// The device that pushed it, according to the server.
        device_id: Uuid,
        /// Up to here both should have seen the same.
        up_to: i64,
    },
    /// The entry under this number is not the one that the server gave before.
    Replaced {
        /// The entry.
        seq: i64,
    },
    /// The numbers of a page do not ascend, or an entry comes before something that its writer had seen.
    Disordered {
        /// The entry.
        seq: i64,
    },
    /// An entry does not open in its slot. It was altered, moved, relabelled or made up by the server, or written by a
    /// program that does not seal; the two cannot be told apart.
    Altered {
        /// The entry.
        seq: i64,
        /// What is wrong with it.
        reason: QuarantineReason,
    },
}

impl fmt::Display for Evidence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { stream, expected, found, seq } => {
                let last = found.saturating_sub(1);
                write!(out, "entries {expected} to {last} of stream {stream} are missing before seq {seq}")
            }
            Self::Forked { stream, counter, seq } => {
                write!(out, "entry {counter} of stream {stream} at seq {seq} contradicts an earlier one")
            }
            Self::Withheld { stream, known, given } => {
                write!(out, "stream {stream} had {known} entries and now has {given}")
            }
            Self::OtherPast { seq, device_id, up_to } => write!(
                out,
                "device {device_id}, which wrote seq {seq}, was given a different log up to seq {up_to}"
            ),
            Self::Replaced { seq } => write!(out, "seq {seq} is not the entry that it was before"),
            Self::Disordered { seq } => write!(out, "seq {seq} is out of order"),
            Self::Altered { seq, reason } => {
                write!(out, "seq {seq} was not sealed for its slot by a holder of the key: {reason}")
            }
        }
    }
}

/// A stream's random id, shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(pub StreamId);

impl fmt::Display for StreamName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
