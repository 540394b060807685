//! The keys that sign access tokens. They are in the database, so that a backup of the one file is a backup of
//! everything.

use rusqlite::Connection;

use super::{Store, audit};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;

const LIST: &str = "
    SELECT kid, secret, lead(created_at) OVER (ORDER BY id) FROM signing_keys ORDER BY id DESC";
/// Keys that were replaced before a time. The newest never was.
const RETIRE: &str = "
    DELETE FROM signing_keys WHERE ?1 > (
        SELECT newer.created_at FROM signing_keys AS newer WHERE newer.id > signing_keys.id ORDER BY newer.id LIMIT 1)";
const INSERT: &str = "INSERT INTO signing_keys (kid, secret, created_at) VALUES (?1, ?2, ?3)";

/// A key that signs access tokens. No `Debug`: it is a secret.
#[derive(Clone)]
pub struct SigningKey {
    /// The id of the key in tokens.
    pub kid: String,
    /// 256 random bits.
    pub secret: [u8; 32],
    /// When a newer one replaced it, microseconds since 1970. `None`: it is the newest.
    pub replaced_at: Option<i64>,
}

fn list(connection: &Connection) -> Result<Vec<SigningKey>, Fault> {
    let mut statement = connection.prepare_cached(LIST)?;
    let keys = statement.query_map([], |row| {
        Ok(SigningKey { kid: row.get(0)?, secret: row.get(1)?, replaced_at: row.get(2)? })
    })?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

impl Store {
    /// Lists every signing key, the newest first; `fresh` becomes the first one if there is none.
    pub async fn signing_keys(&self, fresh: SigningKey) -> Result<Vec<SigningKey>, Fault> {
        self.write(1, move |tx| {
            let mut keys = list(tx)?;
            if keys.is_empty() {
                tx.execute(INSERT, (&fresh.kid, &fresh.secret, tx.now_us))?;
                keys.push(fresh.clone());
            }
            Ok(keys)
        })
        .await
    }

    /// Makes this the newest key, and returns all of them, the newest first.
    pub async fn rotate_signing_keys(
        &self,
        actor: Actor,
        fresh: SigningKey,
    ) -> Result<Vec<SigningKey>, Fault> {
        self.write(1, move |tx| {
            tx.execute(INSERT, (&fresh.kid, &fresh.secret, tx.now_us))?;
            audit::record(tx, actor, Action::KeyRotated, (None, None), Some(&fresh.kid))?;
            list(tx)
        })
        .await
    }

    /// Deletes the keys that newer ones replaced before a time, microseconds since 1970. Returns those that are left,
    /// if any was deleted.
    pub async fn retire_signing_keys(&self, replaced_before: i64) -> Result<Option<Vec<SigningKey>>, Fault> {
        if self.read(list).await?.len() < 2 {
            return Ok(None);
        }
        self.write(1, move |tx| {
            let retired = tx.execute(RETIRE, [replaced_before])?;
            if retired > 0 { list(tx).map(Some) } else { Ok(None) }
        })
        .await
    }
}
