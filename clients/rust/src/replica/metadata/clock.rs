//! The hybrid logical clock: stamps that follow wall clocks where those agree, and cause and effect where they do not.
//!
//! A stamp is the timestamp of a change, so it is sealed with it. A local write is stamped later than everything this device
//! has seen; of two writes that did not know of each other, the later stamp wins.
//!
//! A clock that runs ahead would win for as long as it does, and drag everybody's stamps with it. So no stamp counts for more
//! than the server's time and a minute, neither one's own nor another's.

use chrono::Utc;
use rusqlite::Connection;

use crate::replica::error::Result;

/// Microseconds that a clock may be ahead of the server's.
const TOLERANCE: i64 = 60_000_000;

/// The latest stamp that counts, for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ceiling(i64);

impl Ceiling {
    /// By a server whose clock is ahead of this machine's by `server_ahead` microseconds.
    pub(crate) fn new(server_ahead: i64) -> Self {
        Self(Utc::now().timestamp_micros().saturating_add(server_ahead).saturating_add(TOLERANCE))
    }

    /// What a stamp counts for.
    pub(crate) fn clamp(self, stamp: i64) -> i64 {
        stamp.min(self.0)
    }

    /// What a local write counts for, where the row's newest entry in the log has the stamp `after`. Later than that, and than
    /// 0, which stands for what was there before the table was attached.
    pub(crate) fn of_local(self, stamp: i64, after: i64) -> i64 {
        self.clamp(stamp).max(self.clamp(after) + 1)
    }
}

/// From here on, local writes are stamped later than this.
pub(crate) fn advance(connection: &Connection, seen: i64) -> Result<()> {
    let sql = "UPDATE tidelog_clock SET stamp = ?1 WHERE stamp < ?1";
    connection.prepare_cached(sql)?.execute([seen])?;
    Ok(())
}

/// A stamp for a write of the replica's own, later than all before.
pub(crate) fn tick(connection: &Connection, ceiling: Ceiling) -> Result<i64> {
    let now = ceiling.clamp(Utc::now().timestamp_micros());
    let sql = "UPDATE tidelog_clock SET stamp = max(stamp + 1, ?1) RETURNING stamp";
    Ok(connection.prepare_cached(sql)?.query_row([now], |row| row.get(0))?)
}

/// Whether what is written from here on, in this transaction, is no local write.
pub(crate) fn set_applying(connection: &Connection, applying: bool) -> Result<()> {
    connection.prepare_cached("UPDATE tidelog_clock SET applying = ?1")?.execute([applying])?;
    Ok(())
}
