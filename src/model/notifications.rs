//! Notifications: what a stream is asked for, and how it finds its log when it begins.

use tidelog_protocol::{Cursor, EpochTag};
use uuid::Uuid;

/// Where a stream is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The device that it is for, if it names one.
    pub device: Option<Uuid>,
    /// The position up to which its reader knows the log. `None`: it wants to hear only of what is yet to come.
    pub cursor: Option<Cursor>,
}

/// What became of the look at the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The log is there.
    Log {
        /// Its newest seq.
        newest_seq: i64,
        /// Whether a pull from the cursor would give anything. `None`: there is no cursor.
        has_missed: Option<bool>,
        /// The epoch of the cursors that the stream gives out.
        epoch: EpochTag,
    },
    /// No such device of the caller, or it was removed.
    UnknownDevice,
    /// The cursor comes from a history that was lost: the position to resume from.
    LogRewound(Cursor),
}
