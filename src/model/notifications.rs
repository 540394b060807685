//! Notifications: where an event stream starts.

use tidelog_protocol::{Cursor, EpochTag};
use uuid::Uuid;

/// Where a subscriber wants its stream to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStart {
    /// The subscriber's device, if the request named one.
    pub device: Option<Uuid>,
    /// The position up to which the subscriber has the log. `None`: it only wants events of later changes.
    pub cursor: Option<Cursor>,
}

/// What became of looking up the start of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStartOutcome {
    /// The stream can start.
    Found {
        /// The log's newest seq.
        newest_seq: i64,
        /// Whether a pull from the cursor would return anything. `None`: there is no cursor.
        has_missed: Option<bool>,
        /// The epoch of the cursors in the stream's events.
        epoch: EpochTag,
    },
    /// The caller has no such device, or it was removed.
    UnknownDevice,
    /// The cursor comes from a history that was lost. Contains the position to resume from.
    LogRewound(Cursor),
}
