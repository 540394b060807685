//! The log: what is pushed into it and pulled out of it.

mod batches;
mod export;
mod filing;
mod notifications;
mod pull;
mod push;
mod rows;
mod tails;

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::blob_totals::BlobTotals;
use super::{Shared, Store, devices};
use crate::error::Fault;
use crate::model::changes::LogStatus;
use crate::model::cursors::{BASE_SEQ, Epochs};
use crate::model::log_heads::LogHead;
use crate::model::rotations::OpenKeys;
use crate::model::sessions::Caller;

/// The newest batch is the unfiled one that has this last seq, or else the newest that is filed.
const LOG: &str = "
    SELECT coalesce(newest.last_seq, 1), newest.device, coalesce(newest.newest_other_seq, 1),
        coalesce(newest.total_changes, 0), coalesce(newest.change_bytes, 0), coalesce(key_envelopes.key_version, 0),
        (SELECT key_version FROM rotations WHERE log = ?1 AND ended_at IS NULL AND state = 'running')
    FROM logs
        LEFT JOIN key_envelopes ON key_envelopes.log = logs.id
        LEFT JOIN (
            SELECT last_seq, device, newest_other_seq, total_changes, change_bytes FROM buffered_batches
            WHERE last_seq = ?2 AND log = ?1
            UNION ALL
            SELECT * FROM (
                SELECT last_seq, device, newest_other_seq, total_changes, change_bytes FROM batches
                WHERE log = ?1 ORDER BY last_seq DESC LIMIT 1)
            ORDER BY last_seq DESC LIMIT 1
        ) AS newest
    WHERE logs.id = ?1";

pub(super) use batches::adjust_bytes;
pub(super) use export::head;
pub(super) use filing::{Round, file_everything};
pub(super) use pull::resolve;
pub(super) use rows::{Authors, data_value, entry};
pub(super) use tails::{TailEdits, Tails};

/// The state of a log.
#[derive(Clone, Copy)]
pub(super) struct Log {
    head: LogHead,
    total_changes: u64,
    /// Bytes of their data as it was sent.
    change_bytes: u64,
    /// The master keys under which it takes entries.
    keys: OpenKeys,
}

impl Log {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let head = LogHead { seq: row.get(0)?, device: row.get(1)?, other_seq: row.get(2)? };
        let keys = OpenKeys { current: row.get(5)?, pending: row.get(6)? };
        Ok(Self { head, total_changes: row.get(3)?, change_bytes: row.get(4)?, keys })
    }
}

/// The state of a log, whose tail ends at this seq; 0: it has none.
fn find_log(connection: &Connection, log: i64, tail_end: i64) -> Result<Log, Fault> {
    let log = connection.prepare_cached(LOG)?.query_row((log, tail_end), Log::from_row).optional()?;
    // Only a caller whose account was deleted this very moment gets here.
    log.ok_or(Fault::Unavailable("the log was deleted"))
}

/// A device of the caller's log, as push and pull need it.
#[derive(Clone, Copy)]
pub(super) struct Device {
    id: i64,
    removed: bool,
    pulled_seq: i64,
    own_until: i64,
}

impl Device {
    /// Where it goes on if its cursor comes from a history that was lost. That is the last position which it was given, unless it
    /// is not that far itself: a page may be lost on its way, and a device may have been put back, too.
    fn resume_seq(&self, lost: Cursor) -> i64 {
        if lost.seq() < self.pulled_seq { BASE_SEQ } else { self.pulled_seq }
    }

    /// With what is known of it beyond its row.
    fn as_seen(self, shared: &Shared) -> Self {
        let seen = shared.presence.seen(self.id);
        Self {
            pulled_seq: seen.pulled_seq.unwrap_or(self.pulled_seq),
            own_until: seen.own_until.unwrap_or(self.own_until),
            ..self
        }
    }
}

const DEVICE: &str =
    "SELECT id, removed_at IS NOT NULL, pulled_seq, own_until FROM devices WHERE uuid = ?1 AND log = ?2";

/// A device as its row has it.
fn find_device(connection: &Connection, uuid: Uuid, log: i64) -> Result<Option<Device>, Fault> {
    let from_row = |row: &Row<'_>| {
        Ok(Device { id: row.get(0)?, removed: row.get(1)?, pulled_seq: row.get(2)?, own_until: row.get(3)? })
    };
    Ok(connection.prepare_cached(DEVICE)?.query_row((uuid.as_bytes(), log), from_row).optional()?)
}

/// The cursor of a position in the epoch that is open, in the form that the caller's app receives.
pub(super) fn cursor_at(epochs: &Epochs, caller: &Caller, seq: i64) -> Cursor {
    Cursor::formatted(seq, epochs.current().tag, caller.cursor_format)
}

impl Store {
    /// How much the caller's log holds.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn log_status(&self, caller: &Caller) -> Result<LogStatus, Fault> {
        let (caller, shared) = (caller.clone(), self.shared.clone());
        self.read(move |connection| {
            let log = find_log(connection, caller.log, shared.tails.newest_seq(caller.log))?;
            Ok(LogStatus {
                total_changes: log.total_changes,
                change_bytes: log.change_bytes,
                blob_bytes: u64::try_from(BlobTotals::find(connection, caller.log)?.confirmed_bytes)
                    .unwrap_or(0),
                latest_cursor: cursor_at(&shared.epochs()?, &caller, log.head.seq),
                devices: devices::count_live(connection, caller.log)?,
                key_version: log.keys.current,
            })
        })
        .await
    }
}
