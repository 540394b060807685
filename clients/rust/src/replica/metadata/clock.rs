//! The hybrid logical clock (HLC): its timestamps follow the wall clock, but are always later than every timestamp
//! seen before.
//!
//! A timestamp is sealed with its change. Of two writes on devices that had not seen each other's, the one with the
//! later timestamp wins.
//!
//! A clock that runs ahead would win every conflict for as long as it does, and would drag the timestamps of all
//! devices along. So every timestamp, a local one or another device's, is capped at the server's time plus a minute.

use chrono::Utc;
use rusqlite::Connection;

use crate::replica::error::Result;

/// How many microseconds a clock may be ahead of the server's.
const TOLERANCE_US: i64 = 60_000_000;

/// The latest timestamp that is accepted at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimestampBound(i64);

impl TimestampBound {
    /// `server_ahead` is how many microseconds the server's clock is ahead of this machine's.
    pub(crate) fn new(server_ahead: i64) -> Self {
        Self(Utc::now().timestamp_micros().saturating_add(server_ahead).saturating_add(TOLERANCE_US))
    }

    /// Caps a timestamp.
    pub(crate) fn clamp(self, timestamp: i64) -> i64 {
        timestamp.min(self.0)
    }

    /// Caps the timestamp of a local write, but keeps it later than `after`, the timestamp of the row's newest log
    /// entry, and later than 0, which means that the row was there before the table was attached.
    pub(crate) fn clamp_local(self, timestamp: i64, after: i64) -> i64 {
        self.clamp(timestamp).max(self.clamp(after) + 1)
    }
}

/// Makes all later local timestamps greater than `seen`.
pub(crate) fn advance(connection: &Connection, seen: i64) -> Result<()> {
    let sql = "UPDATE tidelog_clock SET timestamp = ?1 WHERE timestamp < ?1";
    connection.prepare_cached(sql)?.execute([seen])?;
    Ok(())
}

/// Issues a timestamp for a write by the replica itself, later than all before.
pub(crate) fn tick(connection: &Connection, bound: TimestampBound) -> Result<i64> {
    let now = bound.clamp(Utc::now().timestamp_micros());
    let sql = "UPDATE tidelog_clock SET timestamp = max(timestamp + 1, ?1) RETURNING timestamp";
    Ok(connection.prepare_cached(sql)?.query_row([now], |row| row.get(0))?)
}

/// Switches the recording of local changes off or on, within the current transaction.
///
/// The pragma is how triggers of the app can tell: it is part of SQLite, so a trigger that asks for it also works where
/// there is no replica. On this connection, foreign keys are off, and it has no effect of its own.
pub(crate) fn set_applying(connection: &Connection, applying: bool) -> Result<()> {
    connection.pragma_update(None, "defer_foreign_keys", applying)?;
    connection.prepare_cached("UPDATE tidelog_clock SET applying = ?1")?.execute([applying])?;
    Ok(())
}
