//! Where a replica stands.

use rusqlite::{Connection, params};
use tidelog_protocol::{Cursor, EpochTag};
use uuid::Uuid;

use crate::formats::Stream;
use crate::replica::error::{ReplicaError, Result};
use crate::session::Owner;

/// Epochs that are remembered: a server begins one whenever it starts.
const MAX_WAYPOINTS: usize = 64;

/// The one row of `tidelog_state`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) owner: Option<Owner>,
    pub(crate) device_id: Option<Uuid>,
    pub(crate) cursor: Cursor,
    /// The last positions in earlier epochs of the server's, oldest first.
    waypoints: Vec<Cursor>,
    pub(crate) rebuilding: bool,
    pub(crate) pass: i64,
    pub(crate) unchecked: bool,
    pub(crate) stream: Option<Stream>,
    pub(crate) watch: Option<String>,
}

impl State {
    pub(crate) fn load(connection: &Connection) -> Result<Self> {
        let sql = "SELECT app_id, user_id, device_id, cursor, rebuilding, pass, unchecked, stream, watch, waypoints FROM tidelog_state";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let row = rows.next()?.ok_or_else(damaged)?;
        let id = |place| -> Result<Option<Uuid>> {
            let text: Option<String> = row.get(place)?;
            text.map(|text| text.parse().map_err(|_| damaged())).transpose()
        };
        let owner = id(0)?.zip(id(1)?).map(|(app_id, user_id)| Owner { app_id, user_id });
        let cursor: String = row.get(3)?;
        let stream: Option<Vec<u8>> = row.get(7)?;
        let waypoints: String = row.get(9)?;
        Ok(Self {
            owner,
            device_id: id(2)?,
            cursor: cursor.parse().map_err(|_| damaged())?,
            waypoints: serde_json::from_str(&waypoints).map_err(|_| damaged())?,
            rebuilding: row.get(4)?,
            pass: row.get(5)?,
            unchecked: row.get(6)?,
            stream: stream.map(|bytes| Stream::from_bytes(&bytes).map_err(|_| damaged())).transpose()?,
            watch: row.get(8)?,
        })
    }

    pub(crate) fn save(&self, connection: &Connection) -> Result<()> {
        let sql = "UPDATE tidelog_state SET app_id = ?1, user_id = ?2, device_id = ?3, cursor = ?4, rebuilding = ?5,
                       pass = ?6, unchecked = ?7, stream = ?8, watch = ?9, waypoints = ?10";
        connection.prepare_cached(sql)?.execute(params![
            self.owner.map(|owner| owner.app_id.to_string()),
            self.owner.map(|owner| owner.user_id.to_string()),
            self.device_id.map(|id| id.to_string()),
            self.cursor.to_string(),
            self.rebuilding,
            self.pass,
            self.unchecked,
            self.stream.as_ref().map(Stream::to_bytes),
            self.watch,
            serde_json::to_string(&self.waypoints).map_err(|_| damaged())?
        ])?;
        Ok(())
    }

    /// Everything up to here has been applied.
    pub(crate) fn advance(&mut self, to: Cursor) {
        if epoch(to) != epoch(self.cursor) && self.cursor != Cursor::Start {
            if self.waypoints.len() == MAX_WAYPOINTS {
                self.waypoints.remove(0);
            }
            self.waypoints.push(self.cursor);
        }
        self.cursor = to;
    }

    /// Back to the start.
    pub(crate) fn start_over(&mut self) {
        (self.cursor, self.waypoints) = (Cursor::Start, Vec::new());
    }

    /// The cursor comes from a history that the server has lost: back to one that may be older than the loss.
    ///
    /// What the server gave to this device is on both sides, unless this database was put back from a copy, too. So its word is
    /// not taken for where to go on, only for how far to go back within the epoch; the server refuses it if it does not know that
    /// position. Then it is the turn of the epochs before.
    pub(crate) fn step_back(&mut self, resume_from: Cursor) {
        let seq = resume_from.seq();
        self.cursor = match self.cursor {
            Cursor::Mark { seq: lost, epoch } if seq < lost => Cursor::Mark { seq, epoch },
            Cursor::Number(lost) if seq < lost => Cursor::Number(seq),
            _ => self.waypoints.pop().unwrap_or_default(),
        };
    }
}

fn epoch(cursor: Cursor) -> Option<EpochTag> {
    match cursor {
        Cursor::Mark { epoch, .. } => Some(epoch),
        Cursor::Start | Cursor::Number(_) => None,
    }
}

fn damaged() -> ReplicaError {
    ReplicaError::Damaged("tidelog_state")
}
