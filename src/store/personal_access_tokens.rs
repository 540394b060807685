//! Personal access tokens: created, listed, recognised, revoked.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{Store, apps, audit};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::personal_access_tokens::{LAST_USED_PRECISION_US, PersonalAccessToken, Scope};

const COLUMNS: &str = "
    SELECT tokens.uuid, scope, apps.uuid, apps.name, tokens.created_at, expires_at, last_used_at
    FROM personal_access_tokens AS tokens LEFT JOIN apps ON apps.id = tokens.app";
const INSERT: &str = "
    INSERT INTO personal_access_tokens (uuid, hash, scope, app, created_at, expires_at)
    VALUES (?1, ?2, ?3, (SELECT id FROM apps WHERE uuid = ?4), ?5, ?6)";
const DELETE: &str = "DELETE FROM personal_access_tokens WHERE uuid = ?1";
const SET_LAST_USED: &str = "UPDATE personal_access_tokens SET last_used_at = ?2 WHERE uuid = ?1";

/// A token to be created. No `Debug`: it is about a secret.
#[derive(Clone)]
pub struct NewPersonalAccessToken {
    /// The token's id.
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

fn from_row(row: &Row<'_>) -> rusqlite::Result<PersonalAccessToken> {
    let (scope, app, name): (String, Option<[u8; 16]>, Option<String>) =
        (row.get(1)?, row.get(2)?, row.get(3)?);
    Ok(PersonalAccessToken {
        id: Uuid::from_bytes(row.get(0)?),
        // The schema allows no other names; should there be one all the same, the lesser scope.
        scope: Scope::from_name(&scope).unwrap_or(Scope::Ota),
        app: app.map(Uuid::from_bytes).zip(name),
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        last_used_at: row.get(6)?,
    })
}

impl Store {
    /// Creates a token. `false`: there is no such app.
    pub async fn create_personal_access_token(
        &self,
        actor: Actor,
        new: NewPersonalAccessToken,
    ) -> Result<bool, Fault> {
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
            let detail = format!("{} {}", new.scope.name(), new.id);
            audit::record(tx, actor, Action::TokenCreated, (None, app), Some(&detail))?;
            Ok(true)
        })
        .await
    }

    /// The tokens that have not expired, the oldest first.
    pub async fn list_personal_access_tokens(&self) -> Result<Vec<PersonalAccessToken>, Fault> {
        let now_us = self.shared.clock.now_us();
        self.read(move |connection| {
            let live = format!("{COLUMNS} WHERE expires_at > ?1 ORDER BY tokens.id");
            let mut statement = connection.prepare_cached(&live)?;
            Ok(statement.query_map([now_us], from_row)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Revokes a token. `false`: there is none of this id.
    pub async fn revoke_personal_access_token(&self, actor: Actor, id: Uuid) -> Result<bool, Fault> {
        self.write(1, move |tx| {
            let revoked = tx.prepare_cached(DELETE)?.execute([id.as_bytes()])? > 0;
            if revoked {
                audit::record(tx, actor, Action::TokenRevoked, (None, None), Some(&id.to_string()))?;
            }
            Ok(revoked)
        })
        .await
    }

    /// The token of this hash, unless it has expired. Its last use is updated now and then.
    pub async fn use_personal_access_token(
        &self,
        hash: [u8; 32],
    ) -> Result<Option<PersonalAccessToken>, Fault> {
        let now_us = self.shared.clock.now_us();
        let find = move |connection: &rusqlite::Connection| {
            let live = format!("{COLUMNS} WHERE hash = ?1 AND expires_at > ?2");
            Ok(connection.prepare_cached(&live)?.query_row((hash, now_us), from_row).optional()?)
        };
        let Some(token) = self.read(find).await? else { return Ok(None) };
        if token.last_used_at.is_none_or(|at| now_us - at >= LAST_USED_PRECISION_US) {
            let id = token.id;
            self.write(1, move |tx| {
                tx.prepare_cached(SET_LAST_USED)?.execute((id.as_bytes(), tx.now_us))?;
                Ok(())
            })
            .await?;
        }
        Ok(Some(token))
    }
}
