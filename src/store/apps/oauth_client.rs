//! An app as an OAuth client: its branding on the sign-in pages, and where browsers may be redirected to.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::error::Fault;
use crate::model::apps::{Branding, Icon};
use crate::model::authorization::OAuthClient;
use crate::store::Store;
use crate::store::group::WriteTx;

const BY_KEY: &str = "
    SELECT apps.id, apps.uuid, apps.name, app_branding.color, app_branding.icon IS NOT NULL
    FROM apps LEFT JOIN app_branding ON app_branding.app = apps.id WHERE apps.api_key_hash = ?1";
const REDIRECTS: &str = "SELECT uri FROM redirects WHERE app = ?1 ORDER BY uri";
const BRANDING: &str = "SELECT color, icon, icon_type FROM app_branding WHERE app = ?1";
const ICON: &str = "
    SELECT icon, icon_type FROM app_branding JOIN apps ON apps.id = app_branding.app
    WHERE apps.uuid = ?1 AND icon IS NOT NULL";
const DELETE_REDIRECTS: &str = "DELETE FROM redirects WHERE app = ?1";
const ADD_REDIRECT: &str = "INSERT OR IGNORE INTO redirects (app, uri) VALUES (?1, ?2)";
const SET_BRANDING: &str =
    "INSERT OR REPLACE INTO app_branding (app, color, icon, icon_type) VALUES (?1, ?2, ?3, ?4)";

/// The registered redirect URIs of an app.
pub(super) fn redirects(connection: &Connection, app: i64) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare_cached(REDIRECTS)?;
    Ok(statement.query_map([app], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// The branding of an app.
pub(super) fn branding(connection: &Connection, app: i64) -> Result<Branding, Fault> {
    let from_row = |row: &Row<'_>| {
        let (bytes, media_type): (Option<Vec<u8>>, Option<String>) = (row.get(1)?, row.get(2)?);
        let icon = bytes.zip(media_type).map(|(bytes, media_type)| Icon { media_type, bytes });
        Ok(Branding { color: row.get(0)?, icon })
    };
    let found = connection.prepare_cached(BRANDING)?.query_row([app], from_row).optional()?;
    Ok(found.unwrap_or_default())
}

/// Replaces redirect URIs and branding of an app.
pub(super) fn set(
    tx: &WriteTx<'_>,
    app: i64,
    redirects: &[String],
    branding: &Branding,
) -> Result<(), Fault> {
    tx.prepare_cached(DELETE_REDIRECTS)?.execute([app])?;
    for uri in redirects {
        tx.prepare_cached(ADD_REDIRECT)?.execute((app, uri))?;
    }
    let icon = branding.icon.as_ref();
    let (bytes, media_type) = (icon.map(|icon| &icon.bytes), icon.map(|icon| &icon.media_type));
    tx.prepare_cached(SET_BRANDING)?.execute((app, &branding.color, bytes, media_type))?;
    Ok(())
}

impl Store {
    /// The app whose API key has this hash.
    pub async fn find_oauth_client(&self, api_key_hash: [u8; 32]) -> Result<Option<OAuthClient>, Fault> {
        self.read(move |connection| {
            let from_row = |row: &Row<'_>| {
                let client = OAuthClient {
                    app: Uuid::from_bytes(row.get(1)?),
                    name: row.get(2)?,
                    redirects: Vec::new(),
                    color: row.get(3)?,
                    has_icon: row.get(4)?,
                };
                Ok((row.get(0)?, client))
            };
            let found: Option<(i64, OAuthClient)> =
                connection.prepare_cached(BY_KEY)?.query_row([api_key_hash], from_row).optional()?;
            let Some((row, client)) = found else { return Ok(None) };
            Ok(Some(OAuthClient { redirects: redirects(connection, row)?, ..client }))
        })
        .await
    }

    /// The icon of an app.
    pub async fn find_icon(&self, app: Uuid) -> Result<Option<Icon>, Fault> {
        self.read(move |connection| {
            let from_row = |row: &Row<'_>| Ok(Icon { bytes: row.get(0)?, media_type: row.get(1)? });
            Ok(connection.prepare_cached(ICON)?.query_row([app.as_bytes()], from_row).optional()?)
        })
        .await
    }
}
