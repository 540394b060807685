//! Origins whose web pages may call the API for an app.

use std::collections::HashMap;

use rusqlite::Connection;
use uuid::Uuid;

use super::Store;
use super::group::WriteTx;
use crate::error::Fault;

const OF_APP: &str = "SELECT origin FROM origins WHERE app = ?1 ORDER BY origin";
const ALL: &str = "SELECT apps.uuid, origin FROM origins JOIN apps ON apps.id = origins.app";
const DELETE: &str = "DELETE FROM origins WHERE app = ?1";
const ADD: &str = "INSERT INTO origins (app, origin) VALUES (?1, ?2)";

/// The origins of an app.
pub(super) fn find(connection: &Connection, app: i64) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare_cached(OF_APP)?;
    Ok(statement.query_map([app], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Replaces the origins of an app.
pub(super) fn set(tx: &WriteTx<'_>, app: i64, origins: &[String]) -> Result<(), Fault> {
    tx.prepare_cached(DELETE)?.execute([app])?;
    for origin in origins {
        tx.prepare_cached(ADD)?.execute((app, origin))?;
    }
    Ok(())
}

impl Store {
    /// The origins of every app that has any.
    pub async fn list_origins(&self) -> Result<HashMap<Uuid, Vec<String>>, Fault> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(ALL)?;
            let mut rows = statement.query([])?;
            let mut origins: HashMap<_, Vec<_>> = HashMap::new();
            while let Some(row) = rows.next()? {
                origins.entry(Uuid::from_bytes(row.get(0)?)).or_default().push(row.get(1)?);
            }
            Ok(origins)
        })
        .await
    }
}
