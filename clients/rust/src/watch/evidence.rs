//! What gives a dishonest server away.

use std::fmt;

use uuid::Uuid;

use crate::QuarantineReason;
use crate::formats::stream::StreamId;

/// What a client does when the server is caught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TamperPolicy {
    /// Goes on without what cannot be trusted, and reports: in [`PulledPage`](crate::PulledPage), in
    /// [`evidence`](crate::SyncKitClient::evidence), and as a warning in the log.
    #[default]
    Warn,
    /// Every pull fails with [`Tampered`](crate::SyncKitError::Tampered) and gives nothing, until the program calls
    /// [`reset_watch`](crate::SyncKitClient::reset_watch). An entry that somebody wrote without sealing it counts, too.
    Refuse,
}

/// One thing that an honest server does not do.
///
/// The numbers are those of the log (`seq`) and of a stream: the entries of one installation, which its writer numbers and
/// links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// Entries of a stream are missing before this one.
    Missing {
        /// The stream.
        stream: StreamName,
        /// The number that should have come next.
        expected: u64,
        /// The number that came.
        found: u64,
        /// The place of the entry that came.
        seq: i64,
    },
    /// Two different entries claim one place in a stream, or one does not follow the other.
    Forked {
        /// The stream.
        stream: StreamName,
        /// The number of the entry.
        counter: u64,
        /// Its place in the log.
        seq: i64,
    },
    /// A pull from the beginning ends before entries that this client was given or has written.
    Withheld {
        /// The stream.
        stream: StreamName,
        /// Entries of the stream that were known.
        known: u64,
        /// Entries of the stream that are given now.
        given: u64,
    },
    /// The writer of an entry had seen other content of the log than this client was given.
    OtherPast {
        /// The place of the entry.
        seq: i64,
        /// The device that pushed it, as the server says.
        device_id: Uuid,
        /// Up to where the two pasts should be the same.
        up_to: i64,
    },
    /// The entry under this number is not the one that was given before.
    Replaced {
        /// Its place in the log.
        seq: i64,
    },
    /// The numbers of a page do not ascend, or an entry stands before what its writer had seen.
    Disordered {
        /// The place of the entry.
        seq: i64,
    },
    /// An entry does not open in its place: it was altered, moved, relabelled or made up, by the server or by some program
    /// that wrote into the log without sealing. The two cannot be told apart.
    Altered {
        /// Its place in the log.
        seq: i64,
        /// What is wrong with it.
        reason: QuarantineReason,
    },
}

impl fmt::Display for Evidence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { stream, expected, found, seq } => write!(
                out,
                "before seq {seq}, entries {expected} to {} of stream {stream} are missing",
                found.saturating_sub(1)
            ),
            Self::Forked { stream, counter, seq } => {
                write!(out, "entry {counter} of stream {stream} at seq {seq} contradicts what came before")
            }
            Self::Withheld { stream, known, given } => {
                write!(out, "stream {stream} had {known} entries and is now given with {given}")
            }
            Self::OtherPast { seq, device_id, up_to } => write!(
                out,
                "device {device_id}, which wrote seq {seq}, had been given another past up to seq {up_to}"
            ),
            Self::Replaced { seq } => write!(out, "seq {seq} is not the entry that it was"),
            Self::Disordered { seq } => write!(out, "seq {seq} stands in a place where it cannot stand"),
            Self::Altered { seq, reason } => {
                write!(out, "seq {seq} is not what a holder of the key sealed for its place: {reason}")
            }
        }
    }
}

/// A stream's random id.
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
