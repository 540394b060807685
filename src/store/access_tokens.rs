//! Access tokens: made, listed, recognised, revoked.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{Store, apps, audit};
use crate::error::Fault;
use crate::model::access_tokens::{AccessToken, Scope, USE_NOTED_US};
use crate::model::actors::Actor;
use crate::model::audit::Action;

const COLUMNS: &str = "
    SELECT tokens.uuid, scope, apps.uuid, apps.name, tokens.created_at, expires_at, last_used_at
    FROM personal_access_tokens AS tokens LEFT JOIN apps ON apps.id = tokens.app";
const INSERT: &str = "
    INSERT INTO personal_access_tokens (uuid, hash, scope, app, created_at, expires_at)
    VALUES (?1, ?2, ?3, (SELECT id FROM apps WHERE uuid = ?4), ?5, ?6)";
const NOTE_USE: &str = "UPDATE personal_access_tokens SET last_used_at = ?2 WHERE uuid = ?1";

/// A token to be made. No `Debug`: it is about a secret.
#[derive(Clone)]
pub struct NewAccessToken {
    /// Names it.
    pub id: Uuid,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// What it is for.
    pub scope: Scope,
    /// Id or name of the one app that it is good for. `None`: every app.
    pub app: Option<String>,
    /// Microseconds since 1970.
    pub expires_at: i64,
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<AccessToken> {
    let (scope, app, name): (String, Option<[u8; 16]>, Option<String>) =
        (row.get(1)?, row.get(2)?, row.get(3)?);
    Ok(AccessToken {
        id: Uuid::from_bytes(row.get(0)?),
        // The schema knows no other names. The lesser scope, should it ever.
        scope: Scope::from_name(&scope).unwrap_or(Scope::Ota),
        app: app.map(Uuid::from_bytes).zip(name),
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        last_used_at: row.get(6)?,
    })
}

impl Store {
    /// Makes a token. `false`: there is no such app.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn create_access_token(&self, actor: Actor, new: NewAccessToken) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let app = match &new.app {
                None => None,
                Some(selector) => match apps::find(tx, selector)? {
                    Some(app) => Some(app.id),
                    None => return Ok(false),
                },
            };
            let app_id = app.as_ref().map(Uuid::as_bytes);
            let row = (new.id.as_bytes(), new.hash, new.scope.name(), app_id, tx.now_us, new.expires_at);
            tx.prepare_cached(INSERT)?.execute(row)?;
            let which = format!("{} {}", new.scope.name(), new.id);
            audit::record(tx, actor, Action::TokenCreated, (None, app), Some(&which))?;
            Ok(true)
        })
        .await
    }

    /// The tokens that are in force, the oldest first.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn list_access_tokens(&self) -> Result<Vec<AccessToken>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let live = format!("{COLUMNS} WHERE expires_at > ?1 ORDER BY tokens.id");
            let mut statement = connection.prepare_cached(&live)?;
            Ok(statement.query_map([now_us], row_of)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Ends a token. `false`: there is none of this id.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn revoke_access_token(&self, actor: Actor, id: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let revoke = "DELETE FROM personal_access_tokens WHERE uuid = ?1";
            let revoked = tx.prepare_cached(revoke)?.execute([id.as_bytes()])? > 0;
            if revoked {
                audit::record(tx, actor, Action::TokenRevoked, (None, None), Some(&id.to_string()))?;
            }
            Ok(revoked)
        })
        .await
    }

    /// The token of this hash, if it is in force; that it is in use is written down now and then.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn use_access_token(&self, hash: [u8; 32]) -> Result<Option<AccessToken>, Fault> {
        let now_us = self.shared.clock.now_us();
        let find = move |connection: &rusqlite::Connection| {
            let live = format!("{COLUMNS} WHERE hash = ?1 AND expires_at > ?2");
            Ok(connection.prepare_cached(&live)?.query_row((hash, now_us), row_of).optional()?)
        };
        let Some(token) = self.read(find).await? else { return Ok(None) };
        if token.last_used_at.is_none_or(|at| now_us - at >= USE_NOTED_US) {
            let id = token.id;
            self.write(1, move |tx| {
                tx.prepare_cached(NOTE_USE)?.execute((id.as_bytes(), tx.now_us))?;
                Ok(())
            })
            .await?;
        }
        Ok(Some(token))
    }
}
