//! Records written by the operations that they are about.

use rusqlite::params;
use uuid::Uuid;

use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::sessions::Caller;
use crate::store::group::WriteTx;

const INSERT: &str = "
    INSERT INTO audit_log (occurred_at, action, user, app, client_ip, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const INSERT_OF_USER: &str = "
    INSERT INTO audit_log (occurred_at, action, user, client_ip, detail)
    SELECT ?1, ?2, uuid, ?4, ?5 FROM users WHERE id = ?3";
const INSERT_OF_LOG: &str = "
    INSERT INTO audit_log (occurred_at, action, user, app, client_ip, detail)
    SELECT ?1, ?2, users.uuid, apps.uuid, ?4, ?5
    FROM logs JOIN users ON users.id = logs.user JOIN apps ON apps.id = logs.app WHERE logs.id = ?3";

/// Characters of a detail, as in the schema.
const MAX_DETAIL_CHARS: usize = 500;

/// Records what was done, with the user and the app that it concerns.
pub(in crate::store) fn record(
    tx: &WriteTx<'_>,
    actor: Actor,
    action: Action,
    (user, app): (Option<Uuid>, Option<Uuid>),
    detail: Option<&str>,
) -> Result<(), Fault> {
    let (user, app) = (user.map(Uuid::into_bytes), app.map(Uuid::into_bytes));
    let row = params![tx.now_us, action.name(), user, app, ip(actor), truncated(detail)];
    tx.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

/// As [`record`], for the row of a user.
pub(in crate::store) fn record_user(
    tx: &WriteTx<'_>,
    actor: Actor,
    action: Action,
    user: i64,
    detail: Option<&str>,
) -> Result<(), Fault> {
    let row = params![tx.now_us, action.name(), user, ip(actor), truncated(detail)];
    tx.prepare_cached(INSERT_OF_USER)?.execute(row)?;
    Ok(())
}

/// As [`record`], for the user and the app of a log.
pub(in crate::store) fn record_log(
    tx: &WriteTx<'_>,
    actor: Actor,
    action: Action,
    log: i64,
    detail: Option<&str>,
) -> Result<(), Fault> {
    let row = params![tx.now_us, action.name(), log, ip(actor), truncated(detail)];
    tx.prepare_cached(INSERT_OF_LOG)?.execute(row)?;
    Ok(())
}

/// As [`record`], for a caller.
pub(in crate::store) fn record_caller(
    tx: &WriteTx<'_>,
    actor: Actor,
    action: Action,
    caller: &Caller,
) -> Result<(), Fault> {
    record(tx, actor, action, (Some(caller.user), Some(caller.app)), None)
}

fn ip(actor: Actor) -> Option<String> {
    actor.client_ip().map(|ip| ip.to_string())
}

fn truncated(detail: Option<&str>) -> Option<String> {
    detail.map(|detail| detail.chars().take(MAX_DETAIL_CHARS).collect())
}
