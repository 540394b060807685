//! Apps: created, found, configured, given a new API key.

mod oauth_client;

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::{Store, audit, origins, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::apps::{App, AppSettings, cursor_format_from_name, cursor_format_name};
use crate::model::audit::Action;
use crate::model::blobs::HashRule;
use crate::notify::Event;

const COLUMNS: &str = "SELECT uuid, name, cursor_format, blob_hash, created_at, id FROM apps";
const NAME_EXISTS: &str = "SELECT 1 FROM apps WHERE name = ?1";
const INSERT: &str = "INSERT INTO apps (uuid, name, api_key_hash, created_at) VALUES (?1, ?2, ?3, ?4)";
const SET: &str = "UPDATE apps SET cursor_format = ?2, blob_hash = ?3 WHERE uuid = ?1";
const SET_KEY: &str = "UPDATE apps SET api_key_hash = ?2 WHERE uuid = ?1";
const SESSIONS_OF_APP: &str =
    "log IN (SELECT logs.id FROM logs JOIN apps ON apps.id = logs.app WHERE apps.uuid = ?1)";
const REVOKE_CODES: &str =
    "DELETE FROM authorization_codes WHERE app = (SELECT id FROM apps WHERE uuid = ?1)";

/// The rule for the names of an app's blobs, from its column.
pub(super) fn hash_rule(name: String) -> HashRule {
    HashRule::from_name(&name).unwrap_or_default()
}

/// The row's id, and what the row itself holds of the app.
fn from_row(row: &Row<'_>) -> rusqlite::Result<(i64, App)> {
    let format: String = row.get(2)?;
    let settings = AppSettings {
        cursor_format: cursor_format_from_name(&format),
        blob_hash: hash_rule(row.get(3)?),
        ..AppSettings::default()
    };
    let app = App { id: Uuid::from_bytes(row.get(0)?), name: row.get(1)?, settings, created_at: row.get(4)? };
    Ok((row.get(5)?, app))
}

/// Adds what other tables hold of an app.
fn complete(connection: &Connection, (row, mut app): (i64, App)) -> Result<App, Fault> {
    app.settings.redirects = oauth_client::redirects(connection, row)?;
    app.settings.origins = origins::find(connection, row)?;
    app.settings.branding = oauth_client::branding(connection, row)?;
    Ok(app)
}

/// The app of this id or name.
pub(super) fn find(connection: &Connection, selector: &str) -> Result<Option<App>, Fault> {
    find_incomplete(connection, selector)?.map(|found| complete(connection, found)).transpose()
}

fn find_incomplete(connection: &Connection, selector: &str) -> Result<Option<(i64, App)>, Fault> {
    let id = Uuid::parse_str(selector).ok();
    let mut statement = connection
        .prepare_cached(&format!("{COLUMNS} WHERE uuid = ?1 OR name = ?2 ORDER BY uuid = ?1 DESC"))?;
    let params = (id.as_ref().map(Uuid::as_bytes), selector);
    Ok(statement.query_row(params, from_row).optional()?)
}

/// The row's id and the name of the app of this id or name.
pub(super) fn find_row(connection: &Connection, selector: &str) -> Result<Option<(i64, String)>, Fault> {
    Ok(find_incomplete(connection, selector)?.map(|(row, app)| (row, app.name)))
}

impl Store {
    /// Creates an app with this id, name and hash of its API key. `None`: the name is taken.
    pub async fn create_app(
        &self,
        actor: Actor,
        id: Uuid,
        name: String,
        api_key_hash: [u8; 32],
    ) -> Result<Option<App>, Fault> {
        self.write(1, move |tx| {
            if tx.prepare_cached(NAME_EXISTS)?.exists([&name])? {
                return Ok(None);
            }
            tx.prepare_cached(INSERT)?.execute((id.as_bytes(), &name, &api_key_hash, tx.now_us))?;
            audit::record(tx, actor, Action::AppCreated, (None, Some(id)), None)?;
            let (name, settings) = (name.clone(), AppSettings::default());
            Ok(Some(App { id, name, settings, created_at: tx.now_us }))
        })
        .await
    }

    /// Every app, the oldest first.
    pub async fn list_apps(&self) -> Result<Vec<App>, Fault> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY id"))?;
            let all = statement.query_map([], from_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            all.into_iter().map(|found| complete(connection, found)).collect()
        })
        .await
    }

    /// The app of this id or name.
    pub async fn find_app(&self, selector: String) -> Result<Option<App>, Fault> {
        self.read(move |connection| find(connection, &selector)).await
    }

    /// Replaces an app's API key by one of this hash, and ends every session of the app. `None`: there is no such app.
    pub async fn rotate_app_key(
        &self,
        actor: Actor,
        selector: String,
        api_key_hash: [u8; 32],
    ) -> Result<Option<App>, Fault> {
        self.write(1, move |tx| {
            let Some(app) = find(tx, &selector)? else { return Ok(None) };
            tx.execute(SET_KEY, (app.id.as_bytes(), api_key_hash))?;
            sessions::end_where(tx, SESSIONS_OF_APP, app.id.as_bytes())?;
            tx.execute(REVOKE_CODES, [app.id.as_bytes()])?;
            audit::record(tx, actor, Action::AppKeyRotated, (None, Some(app.id)), None)?;
            Ok(Some(app))
        })
        .await
    }

    /// Replaces an app's settings, from the next request on. `None`: there is no such app.
    pub async fn set_app(
        &self,
        actor: Actor,
        selector: String,
        settings: AppSettings,
    ) -> Result<Option<App>, Fault> {
        self.write(1, move |tx| {
            let Some((row, app)) = find_incomplete(tx, &selector)? else { return Ok(None) };
            let format = cursor_format_name(settings.cursor_format);
            tx.prepare_cached(SET)?.execute((app.id.as_bytes(), format, settings.blob_hash.name()))?;
            oauth_client::set(tx, row, &settings.redirects, &settings.branding)?;
            origins::set(tx, row, &settings.origins)?;
            tx.publish(Event::SessionsChanged);
            tx.publish(Event::AppsChanged);
            audit::record(tx, actor, Action::AppSet, (None, Some(app.id)), None)?;
            Ok(Some(App { settings: settings.clone(), ..app }))
        })
        .await
    }
}
