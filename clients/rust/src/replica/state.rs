//! Where a replica stands.

use rusqlite::{Connection, params};
use tidelog_protocol::Cursor;
use uuid::Uuid;

use super::error::{ReplicaError, Result};
use crate::formats::Stream;
use crate::session::Owner;

/// The one row of `tidelog_state`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) owner: Option<Owner>,
    pub(super) device_id: Option<Uuid>,
    pub(super) cursor: Cursor,
    pub(super) rebuilding: bool,
    pub(super) pass: i64,
    pub(super) unchecked: bool,
    pub(super) stream: Option<Stream>,
    pub(super) watch: Option<String>,
}

impl State {
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let sql = "SELECT app_id, user_id, device_id, cursor, rebuilding, pass, unchecked, stream, watch FROM tidelog_state";
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
        Ok(Self {
            owner,
            device_id: id(2)?,
            cursor: cursor.parse().map_err(|_| damaged())?,
            rebuilding: row.get(4)?,
            pass: row.get(5)?,
            unchecked: row.get(6)?,
            stream: stream.map(|bytes| Stream::from_bytes(&bytes).map_err(|_| damaged())).transpose()?,
            watch: row.get(8)?,
        })
    }

    pub(super) fn save(&self, connection: &Connection) -> Result<()> {
        let sql = "UPDATE tidelog_state SET app_id = ?1, user_id = ?2, device_id = ?3, cursor = ?4, rebuilding = ?5,
                       pass = ?6, unchecked = ?7, stream = ?8, watch = ?9";
        connection.prepare_cached(sql)?.execute(params![
            self.owner.map(|owner| owner.app_id.to_string()),
            self.owner.map(|owner| owner.user_id.to_string()),
            self.device_id.map(|id| id.to_string()),
            self.cursor.to_string(),
            self.rebuilding,
            self.pass,
            self.unchecked,
            self.stream.as_ref().map(Stream::to_bytes),
            self.watch
        ])?;
        Ok(())
    }
}

fn damaged() -> ReplicaError {
    ReplicaError::Damaged("tidelog_state")
}
