//! All that a user has in an app, as they take it with them.

use std::sync::Arc;

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::changes::{LogScan, Selection, log_state};
use super::{AccountSession, Store, apps, audit, keys, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::changes::EntrySink;
use crate::model::cursors::BASE_SEQ;
use crate::model::export::{ExportedDevice, Outline, TakenBy, Taker};
use crate::model::sessions::Caller;

const NAMES: &str = "
    SELECT apps.name, users.email
    FROM logs JOIN apps ON apps.id = logs.app JOIN users ON users.id = logs.user WHERE logs.id = ?1";
const DEVICES: &str = "
    SELECT uuid, name, platform, install_id, created_at, last_seen_at, removed_at
    FROM devices WHERE log = ?1 ORDER BY id";

const LOGS: &str = "
    SELECT apps.uuid, logs.id, apps.cursor_format FROM logs JOIN apps ON apps.id = logs.app
    WHERE logs.user = ?1 ORDER BY logs.id";
const MAY_SIGN_IN: &str = "
    SELECT 1 FROM logs JOIN users ON users.id = logs.user WHERE logs.id = ?1 AND users.disabled_at IS NULL";

/// Fails if what lets a user take their data is over.
fn require(connection: &Connection, taker: &Taker) -> Result<(), Fault> {
    match taker.by {
        TakenBy::Session => sessions::require(connection, taker.caller.session),
        TakenBy::Account => match connection.prepare_cached(MAY_SIGN_IN)?.exists([taker.caller.log])? {
            true => Ok(()),
            false => Err(Fault::SessionEnded),
        },
    }
}

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
    /// Fails if what lets a user take their data is over: what takes its time must not outlive it.
    ///
    /// # Errors
    /// A fault of the database, or [`Fault::SessionEnded`].
    pub async fn require_taker(&self, taker: &Taker) -> Result<(), Fault> {
        let taker = taker.clone();
        self.read(move |connection| require(connection, &taker)).await
    }

    /// The data of whoever is logged in to their account, app by app.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn takers_of_account(&self, visitor: &AccountSession) -> Result<Vec<Taker>, Fault> {
        let (row, user) = (visitor.user_row, visitor.user);
        self.read(move |connection| {
            let from_row = |found: &Row<'_>| {
                let format: String = found.get(2)?;
                let caller = Arc::new(Caller {
                    session: Uuid::nil(),
                    user,
                    app: Uuid::from_bytes(found.get(0)?),
                    log: found.get(1)?,
                    cursor_format: apps::cursor_format(&format),
                });
                Ok(Taker { caller, by: TakenBy::Account })
            };
            let mut statement = connection.prepare_cached(LOGS)?;
            Ok(statement.query_map([row], from_row)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// What there is to take along as of now, in one snapshot; the audit log tells of it.
    ///
    /// # Errors
    /// A fault of the database, or [`Fault::SessionEnded`].
    pub async fn outline(&self, actor: Actor, taker: &Taker) -> Result<Outline, Fault> {
        let noted = taker.clone();
        self.write(1, move |tx| {
            require(tx, &noted)?;
            audit::record_caller(tx, actor, Action::DataExported, &noted.caller)
        })
        .await?;
        self.read_log(taker.caller.log, |snapshot| {
            let (connection, log) = (snapshot.connection, snapshot.log);
            let (app_name, email) =
                connection.prepare_cached(NAMES)?.query_row([log], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut statement = connection.prepare_cached(DEVICES)?;
            let devices = statement.query_map([log], device_of)?.collect::<rusqlite::Result<_>>()?;
            let state = log_state(connection, log, snapshot.buffered_head())?;
            let (head_seq, total_changes) = (state.head.seq, state.total_changes);
            let envelope = keys::find(connection, log)?;
            let pending = keys::find_keys(connection, log)?.running().cloned();
            Ok(Outline { app_name, email, devices, head_seq, total_changes, envelope, pending })
        })
        .await
    }

    /// Gives the sink at most `limit` entries after a seq and up to another one, the end of a batch. Returns the last seq that
    /// was looked at, and whether there are more.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`] if what lets the user take their data is over.
    pub async fn export_changes<S: EntrySink>(
        &self,
        taker: &Taker,
        (after, until): (i64, i64),
        limit: usize,
        mut sink: S,
    ) -> Result<(i64, bool, S), Fault> {
        let taker = taker.clone();
        self.read_log(taker.caller.log, move |log| {
            require(log.connection, &taker)?;
            let selection = Selection::Export { until };
            let end = LogScan::page(log, selection, after.max(BASE_SEQ), limit, &mut sink)?;
            Ok((end.reached, end.has_more, sink))
        })
        .await
    }
}
