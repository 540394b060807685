//! Apps: made, found, set, and given a new API key.

use rusqlite::{Connection, OptionalExtension, Row};
use tidelog_protocol::CursorFormat;
use uuid::Uuid;

use super::{Store, audit, clients, origins, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::apps::{App, AppSettings};
use crate::model::audit::Action;
use crate::model::blobs::HashRule;
use crate::notify::Event;

const COLUMNS: &str = "SELECT uuid, name, cursor_format, blob_hash, created_at, id FROM apps";
const INSERT: &str = "INSERT INTO apps (uuid, name, api_key_hash, created_at) VALUES (?1, ?2, ?3, ?4)";
const SET: &str = "UPDATE apps SET cursor_format = ?2, blob_hash = ?3 WHERE uuid = ?1";

const WITHDRAW_CODES: &str =
    "DELETE FROM authorization_codes WHERE app = (SELECT id FROM apps WHERE uuid = ?1)";

/// What came of making an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewApp {
    /// It is there.
    Created(App),
    /// Another app has that name.
    NameTaken,
}

fn format_name(format: CursorFormat) -> &'static str {
    match format {
        CursorFormat::String => "string",
        CursorFormat::Number => "number",
    }
}

/// How an app receives cursors, as its row says it.
pub(super) fn cursor_format(name: &str) -> CursorFormat {
    if name == format_name(CursorFormat::Number) { CursorFormat::Number } else { CursorFormat::String }
}

/// What an app asks of blobs' names, as its row says it.
pub(super) fn hash_rule(name: String) -> HashRule {
    HashRule::from_name(&name).unwrap_or_default()
}

/// An app's own columns, and its row.
fn row_of(row: &Row<'_>) -> rusqlite::Result<(i64, App)> {
    let format: String = row.get(2)?;
    let settings = AppSettings {
        cursor_format: cursor_format(&format),
        blob_hash: hash_rule(row.get(3)?),
        ..AppSettings::default()
    };
    let app = App { id: Uuid::from_bytes(row.get(0)?), name: row.get(1)?, settings, created_at: row.get(4)? };
    Ok((row.get(5)?, app))
}

/// Adds what is kept of an app in other tables.
fn complete(connection: &Connection, (row, mut app): (i64, App)) -> Result<App, Fault> {
    app.settings.redirects = clients::redirects(connection, row)?;
    app.settings.origins = origins::find(connection, row)?;
    app.settings.look = clients::look(connection, row)?;
    Ok(app)
}

/// An operator names an app by its id or its name.
pub(super) fn find(connection: &Connection, selector: &str) -> Result<Option<App>, Fault> {
    find_own(connection, selector)?.map(|found| complete(connection, found)).transpose()
}

fn find_own(connection: &Connection, selector: &str) -> Result<Option<(i64, App)>, Fault> {
    let id = Uuid::parse_str(selector).ok();
    let mut statement = connection
        .prepare_cached(&format!("{COLUMNS} WHERE uuid = ?1 OR name = ?2 ORDER BY uuid = ?1 DESC"))?;
    let params = (id.as_ref().map(Uuid::as_bytes), selector);
    Ok(statement.query_row(params, row_of).optional()?)
}

/// Row and name of the app of this id or name.
pub(super) fn find_row(connection: &Connection, selector: &str) -> Result<Option<(i64, String)>, Fault> {
    Ok(find_own(connection, selector)?.map(|(row, app)| (row, app.name)))
}

impl Store {
    /// Makes an app with this id, name and hash of its API key.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn create_app(
        &self,
        actor: Actor,
        id: Uuid,
        name: String,
        api_key_hash: [u8; 32],
    ) -> Result<NewApp, Fault> {
        self.write(1, move |tx| {
            if tx.prepare_cached("SELECT 1 FROM apps WHERE name = ?1")?.exists([&name])? {
                return Ok(NewApp::NameTaken);
            }
            tx.prepare_cached(INSERT)?.execute((id.as_bytes(), &name, &api_key_hash, tx.now_us))?;
            audit::record(tx, actor, Action::AppCreated, (None, Some(id)), None)?;
            Ok(NewApp::Created(App {
                id,
                name: name.clone(),
                settings: AppSettings::default(),
                created_at: tx.now_us,
            }))
        })
        .await
    }

    /// Every app, the oldest first.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn list_apps(&self) -> Result<Vec<App>, Fault> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY id"))?;
            let all = statement.query_map([], row_of)?.collect::<rusqlite::Result<Vec<_>>>()?;
            all.into_iter().map(|found| complete(connection, found)).collect()
        })
        .await
    }

    /// The app of this id or name.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn find_app(&self, selector: String) -> Result<Option<App>, Fault> {
        self.read(move |connection| find(connection, &selector)).await
    }

    /// Replaces an app's API key by one of this hash, and ends every session of the app. `None`: there is no such app.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn rotate_app_key(
        &self,
        actor: Actor,
        selector: String,
        api_key_hash: [u8; 32],
    ) -> Result<Option<App>, Fault> {
        self.write(1, move |tx| {
            let Some(app) = find(tx, &selector)? else { return Ok(None) };
            tx.execute(
                "UPDATE apps SET api_key_hash = ?2 WHERE uuid = ?1",
                (app.id.as_bytes(), api_key_hash),
            )?;
            let of_app =
                "log IN (SELECT logs.id FROM logs JOIN apps ON apps.id = logs.app WHERE apps.uuid = ?1)";
            sessions::end_where(tx, of_app, app.id.as_bytes())?;
            tx.execute(WITHDRAW_CODES, [app.id.as_bytes()])?;
            audit::record(tx, actor, Action::AppKeyRotated, (None, Some(app.id)), None)?;
            Ok(Some(app))
        })
        .await
    }

    /// Replaces an app's settings; they hold from the next request on. `None`: there is no such app.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn set_app(
        &self,
        actor: Actor,
        selector: String,
        settings: AppSettings,
    ) -> Result<Option<App>, Fault> {
        self.write(1, move |tx| {
            let Some((row, app)) = find_own(tx, &selector)? else { return Ok(None) };
            let format = format_name(settings.cursor_format);
            tx.prepare_cached(SET)?.execute((app.id.as_bytes(), format, settings.blob_hash.name()))?;
            clients::set(tx, row, &settings.redirects, &settings.look)?;
            origins::set(tx, row, &settings.origins)?;
            tx.leave(Event::SessionsChanged);
            tx.leave(Event::AppsChanged);
            audit::record(tx, actor, Action::AppSet, (None, Some(app.id)), None)?;
            Ok(Some(App { settings: settings.clone(), ..app }))
        })
        .await
    }
}
