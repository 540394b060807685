//! Times as the database holds them.

use tidelog_protocol::Timestamp;

/// A time from the database, which was checked when it was written.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap_or(Timestamp::EPOCH)
}
