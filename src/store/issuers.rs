//! Issuers that apps trust, and their keys.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::{Store, apps, audit, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::issuers::{Issuer, NewIssuer};

const COLUMNS: &str = "
    SELECT issuers.id, apps.uuid, issuer, audience, jwks_url, jwks, jwks_fetched_at, issuers.created_at
    FROM issuers JOIN apps ON apps.id = issuers.app";
const SET: &str = "
    INSERT INTO issuers (app, issuer, audience, jwks_url, jwks, created_at)
    SELECT id, ?2, ?3, ?4, ?5, ?6 FROM apps WHERE uuid = ?1
    ON CONFLICT (app, issuer) DO UPDATE
    SET audience = excluded.audience, jwks_url = excluded.jwks_url, jwks = excluded.jwks, jwks_fetched_at = NULL";
const SET_KEYS: &str = "UPDATE issuers SET jwks = ?3, jwks_fetched_at = ?4 WHERE id = ?1 AND jwks_url = ?2";
const DELETE: &str = "DELETE FROM issuers WHERE app = (SELECT id FROM apps WHERE uuid = ?1) AND issuer = ?2";
const SESSIONS_OF_ISSUER: &str = "log IN (
    SELECT logs.id FROM apps JOIN federated_identities AS identities ON identities.app = apps.id
        JOIN logs ON logs.user = identities.user AND logs.app = apps.id
    WHERE apps.uuid = ?1 AND identities.issuer = ?2)";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Issuer> {
    Ok(Issuer {
        row: row.get(0)?,
        app: Uuid::from_bytes(row.get(1)?),
        issuer: row.get(2)?,
        audience: row.get(3)?,
        jwks_url: row.get(4)?,
        jwks: row.get(5)?,
        fetched_at: row.get(6)?,
        created_at: row.get(7)?,
    })
}

fn list(connection: &Connection, app: Uuid) -> Result<Vec<Issuer>, Fault> {
    let of_app = format!("{COLUMNS} WHERE apps.uuid = ?1 ORDER BY issuer");
    let mut statement = connection.prepare_cached(&of_app)?;
    Ok(statement.query_map([app.as_bytes()], from_row)?.collect::<rusqlite::Result<_>>()?)
}

impl Store {
    /// Adds an issuer that an app trusts, or replaces audience and keys of one it trusts already. `None`: there is no
    /// such app.
    pub async fn add_issuer(
        &self,
        actor: Actor,
        app: String,
        new: NewIssuer,
    ) -> Result<Option<Issuer>, Fault> {
        self.write(1, move |tx| {
            let Some(app) = apps::find(tx, &app)? else { return Ok(None) };
            let row = (app.id.as_bytes(), &new.issuer, &new.audience, &new.jwks_url, &new.jwks, tx.now_us);
            tx.prepare_cached(SET)?.execute(row)?;
            let detail = format!("trusts {}", new.issuer);
            audit::record(tx, actor, Action::AppSet, (None, Some(app.id)), Some(&detail))?;
            Ok(list(tx, app.id)?.into_iter().find(|issuer| issuer.issuer == new.issuer))
        })
        .await
    }

    /// The issuers that an app trusts. `None`: there is no such app.
    pub async fn list_issuers(&self, app: String) -> Result<Option<Vec<Issuer>>, Fault> {
        self.read(move |connection| {
            let Some(app) = apps::find(connection, &app)? else { return Ok(None) };
            list(connection, app.id).map(Some)
        })
        .await
    }

    /// Removes an issuer that an app trusts, and ends the sessions that were begun by its assertions. Its users and
    /// their data stay. `false`: the app does not trust it, or there is no such app.
    pub async fn remove_issuer(&self, actor: Actor, app: String, issuer: String) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let Some(app) = apps::find(tx, &app)? else { return Ok(false) };
            let params = (app.id.as_bytes(), &issuer);
            if tx.prepare_cached(DELETE)?.execute(params)? == 0 {
                return Ok(false);
            }
            sessions::delete(tx, SESSIONS_OF_ISSUER, params)?;
            let detail = format!("no longer trusts {issuer}");
            audit::record(tx, actor, Action::AppSet, (None, Some(app.id)), Some(&detail))?;
            Ok(true)
        })
        .await
    }

    /// The issuer of this name, if the app with this API key trusts it.
    pub async fn find_issuer(&self, api_key_hash: [u8; 32], issuer: String) -> Result<Option<Issuer>, Fault> {
        self.read(move |connection| {
            let of_key = format!("{COLUMNS} WHERE apps.api_key_hash = ?1 AND issuer = ?2");
            let mut statement = connection.prepare_cached(&of_key)?;
            Ok(statement.query_row((api_key_hash, &issuer), from_row).optional()?)
        })
        .await
    }

    /// The issuer of this row, as it is now.
    pub async fn reload_issuer(&self, row: i64) -> Result<Option<Issuer>, Fault> {
        self.read(move |connection| {
            let of_row = format!("{COLUMNS} WHERE issuers.id = ?1");
            Ok(connection.prepare_cached(&of_row)?.query_row([row], from_row).optional()?)
        })
        .await
    }

    /// Stores keys just fetched from this URL, unless the issuer has another one by now.
    pub async fn set_issuer_keys(&self, row: i64, jwks_url: String, jwks: String) -> Result<(), Fault> {
        self.write(1, move |tx| {
            tx.prepare_cached(SET_KEYS)?.execute((row, &jwks_url, &jwks, tx.now_us))?;
            Ok(())
        })
        .await
    }
}
