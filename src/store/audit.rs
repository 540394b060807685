//! The audit log: written in the transactions that do what it records, read by operators, pruned by maintenance.

mod failures;
mod records;

use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

pub(super) use self::records::{record, record_caller, record_log, record_user};
use super::Store;
use super::group::WriteTx;
use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::model::audit::AuditRecord;

const LIST: &str = "
    SELECT audit_log.occurred_at, audit_log.action, audit_log.user, users.email, apps.name, audit_log.client_ip,
        audit_log.detail
    FROM audit_log LEFT JOIN users ON users.uuid = audit_log.user LEFT JOIN apps ON apps.uuid = audit_log.app
    WHERE ?1 IS NULL OR audit_log.user = ?1 ORDER BY audit_log.id DESC LIMIT ?2";
const FIND_USER: &str = "SELECT uuid FROM users WHERE email = ?1 OR uuid = ?2";
const SIGNED_IN_FROM: &str = "
    SELECT DISTINCT client_ip FROM (
        SELECT client_ip FROM audit_log
        WHERE user = ?1 AND action = 'signed_in' AND occurred_at > ?2 AND client_ip IS NOT NULL
        ORDER BY id DESC LIMIT 1000)";
/// The order of ids is that of times, unless the clock was set back, so the oldest rows have the lowest ids.
const PRUNE: &str = "
    DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log ORDER BY id LIMIT 1000)
        AND (occurred_at < ?1 OR id <= (SELECT max(id) FROM audit_log) - ?2)";

/// Rows kept, whatever their age: some 60 MB.
const MAX_ROWS: i64 = 500_000;
const DAY_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;

/// Deletes some of the rows that are too old or too many.
pub(super) fn prune(tx: &WriteTx<'_>, days: u32) -> Result<(), Fault> {
    let oldest = tx.now_us - i64::from(days) * DAY_US;
    tx.prepare_cached(PRUNE)?.execute((oldest, MAX_ROWS))?;
    Ok(())
}

fn find_user(connection: &Connection, selector: &str) -> Result<Option<[u8; 16]>, Fault> {
    let id = Uuid::parse_str(selector).ok().map(Uuid::into_bytes);
    Ok(connection.prepare_cached(FIND_USER)?.query_row((selector, id), |row| row.get(0)).optional()?)
}

fn list(connection: &Connection, user: Option<[u8; 16]>, limit: u32) -> Result<Vec<AuditRecord>, Fault> {
    let from_row = |row: &Row<'_>| {
        Ok(AuditRecord {
            occurred_at: row.get(0)?,
            action: row.get(1)?,
            user: row.get::<_, Option<[u8; 16]>>(2)?.map(Uuid::from_bytes),
            email: row.get(3)?,
            app_name: row.get(4)?,
            client_ip: row.get(5)?,
            detail: row.get(6)?,
        })
    };
    let mut statement = connection.prepare_cached(LIST)?;
    let rows = statement.query_map((user, limit), from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Store {
    /// The newest records, only those of a user if one is named by email or id. `None`: there is no such user.
    pub async fn list_audit(
        &self,
        user: Option<String>,
        limit: u32,
    ) -> Result<Option<Vec<AuditRecord>>, Fault> {
        self.flush_failures().await?;
        self.read(move |connection| match &user {
            None => list(connection, None, limit).map(Some),
            Some(selector) => match find_user(connection, selector)? {
                Some(id) => list(connection, Some(id), limit).map(Some),
                None => Ok(None),
            },
        })
        .await
    }

    /// The client IPs from which an account, named by email or id, signed in since a time, in microseconds since
    /// 1970. Empty also if there is no such account.
    pub async fn signed_in_from(&self, account: String, since: i64) -> Result<Vec<IpAddr>, Fault> {
        self.read(move |connection| {
            // The same look-up is made for an unknown account.
            let user = find_user(connection, &account)?.unwrap_or_default();
            let mut statement = connection.prepare_cached(SIGNED_IN_FROM)?;
            let rows = statement.query_map((user, since), |row| row.get::<_, String>(0))?;
            let ips = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(ips.iter().filter_map(|ip| ip.parse().ok()).collect())
        })
        .await
    }
}
