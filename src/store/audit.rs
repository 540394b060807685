//! The audit log: written in the transactions that do what it tells of, read by operators, pruned by upkeep.

mod failures;

use std::net::IpAddr;

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

pub(super) use self::failures::Failures;
use super::group::WriteTx;
use super::{Store, users};
use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::{Action, Audited};
use crate::model::sessions::Caller;

const INSERT: &str = "
    INSERT INTO audit_log (occurred_at, action, user, app, client_ip, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const INSERT_OF_USER: &str = "
    INSERT INTO audit_log (occurred_at, action, user, client_ip, detail)
    SELECT ?1, ?2, uuid, ?4, ?5 FROM users WHERE id = ?3";
const INSERT_OF_LOG: &str = "
    INSERT INTO audit_log (occurred_at, action, user, app, client_ip, detail)
    SELECT ?1, ?2, users.uuid, apps.uuid, ?4, ?5
    FROM logs JOIN users ON users.id = logs.user JOIN apps ON apps.id = logs.app WHERE logs.id = ?3";
const LIST: &str = "
    SELECT audit_log.occurred_at, audit_log.action, audit_log.user, users.email, apps.name, audit_log.client_ip,
        audit_log.detail
    FROM audit_log LEFT JOIN users ON users.uuid = audit_log.user LEFT JOIN apps ON apps.uuid = audit_log.app
    WHERE ?1 IS NULL OR audit_log.user = ?1 ORDER BY audit_log.id DESC LIMIT ?2";
const SIGNED_IN_FROM: &str = "
    SELECT DISTINCT client_ip FROM (
        SELECT client_ip FROM audit_log
        WHERE user = ?1 AND action = 'signed_in' AND occurred_at > ?2 AND client_ip IS NOT NULL
        ORDER BY id DESC LIMIT 1000)";
/// Rows are in the order of their times but for a clock that was set back, so the oldest are the first.
const PRUNE: &str = "
    DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log ORDER BY id LIMIT 1000)
        AND (occurred_at < ?1 OR id <= (SELECT max(id) FROM audit_log) - ?2)";

/// Rows kept, whatever their age: some 60 MB.
const MAX_ROWS: i64 = 500_000;
const DAY_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;
/// Characters of a detail, as the schema has it.
const MAX_DETAIL_CHARS: usize = 500;

/// Notes what was done, to a user and in an app if it concerns any.
pub(super) fn note(
    tx: &WriteTx<'_>,
    actor: Actor,
    action: Action,
    (user, app): (Option<Uuid>, Option<Uuid>),
    detail: Option<&str>,
) -> Result<(), Fault> {
    let (user, app) = (user.map(Uuid::into_bytes), app.map(Uuid::into_bytes));
    let row = params![tx.now_us, action.name(), user, app, ip(actor), cut(detail)];
    tx.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

/// As [`note`], by the row of the user.
pub(super) fn note_user(
    tx: &WriteTx<'_>,
    actor: Actor,
    action: Action,
    user: i64,
    detail: Option<&str>,
) -> Result<(), Fault> {
    let row = params![tx.now_us, action.name(), user, ip(actor), cut(detail)];
    tx.prepare_cached(INSERT_OF_USER)?.execute(row)?;
    Ok(())
}

/// As [`note`], by the log of the user in the app.
pub(super) fn note_log(
    tx: &WriteTx<'_>,
    actor: Actor,
    action: Action,
    log: i64,
    detail: Option<&str>,
) -> Result<(), Fault> {
    let row = params![tx.now_us, action.name(), log, ip(actor), cut(detail)];
    tx.prepare_cached(INSERT_OF_LOG)?.execute(row)?;
    Ok(())
}

/// As [`note`], by who is calling.
pub(super) fn note_caller(
    tx: &WriteTx<'_>,
    actor: Actor,
    action: Action,
    caller: &Caller,
) -> Result<(), Fault> {
    note(tx, actor, action, (Some(caller.user), Some(caller.app)), None)
}

fn ip(actor: Actor) -> Option<String> {
    actor.client_ip().map(|ip| ip.to_string())
}

fn cut(detail: Option<&str>) -> Option<String> {
    detail.map(|detail| detail.chars().take(MAX_DETAIL_CHARS).collect())
}

/// Deletes some of what is too old, or too much.
pub(super) fn prune(tx: &WriteTx<'_>, days: u32) -> Result<(), Fault> {
    let oldest = tx.now_us - i64::from(days) * DAY_US;
    tx.prepare_cached(PRUNE)?.execute((oldest, MAX_ROWS))?;
    Ok(())
}

fn list(connection: &Connection, user: Option<Uuid>, limit: u32) -> Result<Vec<Audited>, Fault> {
    let from_row = |row: &Row<'_>| {
        Ok(Audited {
            at: row.get(0)?,
            action: row.get(1)?,
            user: row.get::<_, Option<[u8; 16]>>(2)?.map(Uuid::from_bytes),
            email: row.get(3)?,
            app_name: row.get(4)?,
            address: row.get(5)?,
            detail: row.get(6)?,
        })
    };
    let mut statement = connection.prepare_cached(LIST)?;
    let rows = statement.query_map((user.map(Uuid::into_bytes), limit), from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Store {
    /// The newest rows, of a user if one is named by address or id. `None`: there is no such user.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn list_audit(&self, user: Option<String>, limit: u32) -> Result<Option<Vec<Audited>>, Fault> {
        self.flush_failures().await?;
        self.read(move |connection| {
            let id = match &user {
                None => None,
                Some(selector) => match users::find(connection, selector)? {
                    Some((_, user)) => Some(user.id),
                    None => return Ok(None),
                },
            };
            list(connection, id, limit).map(Some)
        })
        .await
    }

    /// From where an account, named by address or id, has signed in since then, microseconds since 1970. Empty as well if there is
    /// no such account.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn signed_in_from(&self, account: String, since: i64) -> Result<Vec<IpAddr>, Fault> {
        self.read(move |connection| {
            // Who is nobody is looked for all the same.
            let user = users::find(connection, &account)?.map_or(Uuid::nil(), |(_, user)| user.id);
            let mut statement = connection.prepare_cached(SIGNED_IN_FROM)?;
            let rows = statement.query_map((user.as_bytes(), since), |row| row.get::<_, String>(0))?;
            let addresses = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(addresses.iter().filter_map(|address| address.parse().ok()).collect())
        })
        .await
    }
}
