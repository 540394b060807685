//! All that a user has in an app, as they take it with them.

use std::sync::Arc;

use rusqlite::Row;
use uuid::Uuid;

use super::{Store, audit, changes, keys, rotations, sessions};
use crate::error::Fault;
use crate::model::audit::Action;
use crate::model::export::{ExportedDevice, Outline};
use crate::model::sessions::Caller;

const NAMES: &str = "
    SELECT apps.name, users.email
    FROM logs JOIN apps ON apps.id = logs.app JOIN users ON users.id = logs.user WHERE logs.id = ?1";
const DEVICES: &str = "
    SELECT uuid, name, platform, install_id, created_at, last_seen_at, removed_at
    FROM devices WHERE log = ?1 ORDER BY id";

fn device_of(row: &Row<'_>) -> rusqlite::Result<ExportedDevice> {
    Ok(ExportedDevice {
        id: Uuid::from_bytes(row.get(0)?),
        device_name: row.get(1)?,
        platform: row.get(2)?,
        install_id: row.get::<_, Option<[u8; 16]>>(3)?.map(Uuid::from_bytes),
        created_at: super::timestamp(row.get(4)?),
        last_seen_at: super::timestamp(row.get(5)?),
        removed_at: row.get::<_, Option<i64>>(6)?.map(super::timestamp),
    })
}

impl Store {
    /// Fails if the caller's session is over: what takes its time must not outlive it.
    ///
    /// # Errors
    /// A fault of the database, or [`Fault::SessionEnded`].
    pub async fn require_session(&self, caller: &Caller) -> Result<(), Fault> {
        let session = caller.session;
        self.read(move |connection| sessions::require(connection, session)).await
    }

    /// What there is to take along as of now, in one snapshot; the audit log tells of it.
    ///
    /// # Errors
    /// A fault of the database, or [`Fault::SessionEnded`].
    pub async fn outline(&self, caller: &Arc<Caller>) -> Result<Outline, Fault> {
        let noted = caller.clone();
        self.write_for(caller, 1, move |tx| audit::note_caller(tx, Action::DataExported, &noted)).await?;
        let (shared, log) = (self.shared.clone(), caller.log);
        self.read(move |connection| {
            let (app_name, email) =
                connection.prepare_cached(NAMES)?.query_row([log], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut statement = connection.prepare_cached(DEVICES)?;
            let devices = statement.query_map([log], device_of)?.collect::<rusqlite::Result<_>>()?;
            let (head_seq, total_changes) = changes::head(connection, &shared, log)?;
            let envelope = keys::find(connection, log)?;
            let pending = rotations::find_keys(connection, log)?.running().cloned();
            Ok(Outline { app_name, email, devices, head_seq, total_changes, envelope, pending })
        })
        .await
    }
}
