//! Exports of everything that a user has in an app.

use std::sync::Arc;

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::changes::{LogScan, Selection, log_state};
use super::timestamps::timestamp;
use super::{AccountSession, Store, audit, keys, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::apps::cursor_format_from_name;
use crate::model::audit::Action;
use crate::model::changes::EntrySink;
use crate::model::cursors::BASE_SEQ;
use crate::model::export::{ExportGrant, ExportRequester, ExportSummary, ExportedDevice};
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

const OWNER_MAY_SIGN_IN: &str = "
    SELECT 1 FROM logs JOIN users ON users.id = logs.user WHERE logs.id = ?1 AND users.disabled_at IS NULL";

fn require_allowed(connection: &Connection, requester: &ExportRequester) -> Result<(), Fault> {
    let log = requester.caller.log;
    match requester.grant {
        ExportGrant::Session => sessions::require_live(connection, requester.caller.session),
        ExportGrant::Account => match connection.prepare_cached(OWNER_MAY_SIGN_IN)?.exists([log])? {
            true => Ok(()),
            false => Err(Fault::SessionEnded),
        },
    }
}

fn device_from_row(row: &Row<'_>) -> rusqlite::Result<ExportedDevice> {
    Ok(ExportedDevice {
        id: Uuid::from_bytes(row.get(0)?),
        device_name: row.get(1)?,
        platform: row.get(2)?,
        install_id: row.get::<_, Option<[u8; 16]>>(3)?.map(Uuid::from_bytes),
        created_at: timestamp(row.get(4)?),
        last_seen_at: timestamp(row.get(5)?),
        removed_at: row.get::<_, Option<i64>>(6)?.map(timestamp),
    })
}

impl Store {
    /// Fails if an export is no longer allowed: it can take long and must not outlive the session or the account.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn require_export_allowed(&self, requester: &ExportRequester) -> Result<(), Fault> {
        let requester = requester.clone();
        self.read(move |connection| require_allowed(connection, &requester)).await
    }

    /// The requesters by which a signed-in user exports everything, one for each app.
    pub async fn export_requesters(&self, session: &AccountSession) -> Result<Vec<ExportRequester>, Fault> {
        let (row, user) = (session.user_row, session.user);
        self.read(move |connection| {
            let from_row = |row: &Row<'_>| {
                let format: String = row.get(2)?;
                let caller = Arc::new(Caller {
                    session: Uuid::nil(),
                    user,
                    app: Uuid::from_bytes(row.get(0)?),
                    log: row.get(1)?,
                    cursor_format: cursor_format_from_name(&format),
                });
                Ok(ExportRequester { caller, grant: ExportGrant::Account })
            };
            let mut statement = connection.prepare_cached(LOGS)?;
            Ok(statement.query_map([row], from_row)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Begins an export, which the audit log records. Returns what there is to export, but for changes and blobs, in
    /// one snapshot.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn begin_export(
        &self,
        actor: Actor,
        requester: &ExportRequester,
    ) -> Result<ExportSummary, Fault> {
        let recorded = requester.clone();
        self.write(1, move |tx| {
            require_allowed(tx, &recorded)?;
            audit::record_caller(tx, actor, Action::DataExported, &recorded.caller)
        })
        .await?;
        self.read_log(requester.caller.log, |snapshot| {
            let (connection, log) = (snapshot.connection, snapshot.log);
            let (app_name, email) =
                connection.prepare_cached(NAMES)?.query_row([log], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut statement = connection.prepare_cached(DEVICES)?;
            let devices = statement.query_map([log], device_from_row)?.collect::<rusqlite::Result<_>>()?;
            let state = log_state(connection, log, snapshot.buffered_head())?;
            let (head_seq, total_changes) = (state.head.seq, state.total_changes);
            let envelope = keys::find(connection, log)?;
            let rotation = keys::find_keys(connection, log)?.running().cloned();
            Ok(ExportSummary { app_name, email, devices, head_seq, total_changes, envelope, rotation })
        })
        .await
    }
    /// Gives the sink at most `limit` entries after a seq and up to another one, the end of a batch. Returns the last
    /// seq that was scanned, and whether there are more.
    ///
    /// # Errors
    /// [`Fault::SessionEnded`].
    pub async fn export_changes<S: EntrySink>(
        &self,
        requester: &ExportRequester,
        (after, until): (i64, i64),
        limit: usize,
        mut sink: S,
    ) -> Result<(i64, bool, S), Fault> {
        let requester = requester.clone();
        self.read_log(requester.caller.log, move |log| {
            require_allowed(log.connection, &requester)?;
            let selection = Selection::Export { until };
            let end = LogScan::page(log, selection, after.max(BASE_SEQ), limit, &mut sink)?;
            Ok((end.reached, end.has_more, sink))
        })
        .await
    }
}
