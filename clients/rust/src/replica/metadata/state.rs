//! The replica's position in the log and its settings.

use rusqlite::{Connection, params};
use tidelog_protocol::{Cursor, EpochTag};
use uuid::Uuid;

use crate::formats::Stream;
use crate::replica::error::{ReplicaError, Result};
use crate::session::Owner;

/// Earlier epochs that are remembered; a server begins a new one at each start.
const MAX_EPOCH_CURSORS: usize = 64;

/// The row of `tidelog_state`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplicaState {
    pub(crate) owner: Option<Owner>,
    pub(crate) device_id: Option<Uuid>,
    pub(crate) cursor: Cursor,
    /// The last position in each earlier epoch of the server, oldest first.
    epoch_cursors: Vec<Cursor>,
    /// Whether the log is being read again from its start, to find rows that it no longer has.
    pub(crate) rebuilding: bool,
    /// The number of rebuilds so far.
    pub(crate) generation: i64,
    /// Whether only a part of a longer pull has been applied, so that references may still dangle.
    pub(crate) references_unchecked: bool,
    /// The stream to seal on; `None` if the next batch begins a new one.
    pub(crate) stream: Option<Stream>,
    /// What the client has verified of the log, as JSON.
    pub(crate) watch: Option<String>,
}

impl ReplicaState {
    pub(crate) fn load(connection: &Connection) -> Result<Self> {
        let sql = "SELECT app_id, user_id, device_id, cursor, epoch_cursors, rebuilding, generation,
                       references_unchecked, stream, watch FROM tidelog_state";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let row = rows.next()?.ok_or_else(damaged)?;
        let id = |column| -> Result<Option<Uuid>> {
            let text: Option<String> = row.get(column)?;
            text.map(|text| text.parse().map_err(|_| damaged())).transpose()
        };
        let cursor: String = row.get(3)?;
        let epoch_cursors: String = row.get(4)?;
        let stream: Option<Vec<u8>> = row.get(8)?;
        Ok(Self {
            owner: id(0)?.zip(id(1)?).map(|(app_id, user_id)| Owner { app_id, user_id }),
            device_id: id(2)?,
            cursor: cursor.parse().map_err(|_| damaged())?,
            epoch_cursors: serde_json::from_str(&epoch_cursors).map_err(|_| damaged())?,
            rebuilding: row.get(5)?,
            generation: row.get(6)?,
            references_unchecked: row.get(7)?,
            stream: stream.map(|bytes| Stream::from_bytes(&bytes).map_err(|_| damaged())).transpose()?,
            watch: row.get(9)?,
        })
    }

    pub(crate) fn save(&self, connection: &Connection) -> Result<()> {
        let sql = "UPDATE tidelog_state SET app_id = ?1, user_id = ?2, device_id = ?3, cursor = ?4,
                       epoch_cursors = ?5, rebuilding = ?6, generation = ?7, references_unchecked = ?8,
                       stream = ?9, watch = ?10";
        connection.prepare_cached(sql)?.execute(params![
            self.owner.map(|owner| owner.app_id.to_string()),
            self.owner.map(|owner| owner.user_id.to_string()),
            self.device_id.map(|id| id.to_string()),
            self.cursor.to_string(),
            serde_json::to_string(&self.epoch_cursors).map_err(|_| damaged())?,
            self.rebuilding,
            self.generation,
            self.references_unchecked,
            self.stream.as_ref().map(Stream::to_bytes),
            self.watch,
        ])?;
        Ok(())
    }

    /// Moves the cursor forward, after everything up to `to` was applied.
    pub(crate) fn advance(&mut self, to: Cursor) {
        if epoch(to) != epoch(self.cursor) && self.cursor != Cursor::Start {
            if self.epoch_cursors.len() == MAX_EPOCH_CURSORS {
                self.epoch_cursors.remove(0);
            }
            self.epoch_cursors.push(self.cursor);
        }
        self.cursor = to;
    }

    /// Begins to read the log again from its start, to find rows that it no longer has.
    pub(crate) fn start_rebuild(&mut self) {
        (self.cursor, self.epoch_cursors) = (Cursor::Start, Vec::new());
        (self.rebuilding, self.references_unchecked) = (true, true);
        self.generation += 1;
    }

    /// Moves the cursor back, because it comes from a history that the server has lost: to a position that may be
    /// older than the loss.
    ///
    /// The server proposes `resume_from`, up to where this device and the server have the same entries. That may be
    /// wrong if this database was restored from a copy as well. So the proposal is used only to step back within the
    /// cursor's epoch; if the server does not know that position, it rejects it, and the earlier epochs follow one by
    /// one.
    pub(crate) fn step_back(&mut self, resume_from: Cursor) {
        let seq = resume_from.seq();
        self.cursor = match self.cursor {
            Cursor::InEpoch { seq: lost, epoch } if seq < lost => Cursor::InEpoch { seq, epoch },
            Cursor::Number(lost) if seq < lost => Cursor::Number(seq),
            _ => self.epoch_cursors.pop().unwrap_or_default(),
        };
    }
}

fn epoch(cursor: Cursor) -> Option<EpochTag> {
    match cursor {
        Cursor::InEpoch { epoch, .. } => Some(epoch),
        Cursor::Start | Cursor::Number(_) => None,
    }
}

fn damaged() -> ReplicaError {
    ReplicaError::Damaged("tidelog_state")
}
