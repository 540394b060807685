//! The keys that sign access tokens. They live in the database: a backup of the one file is a backup of everything.

use super::Store;
use crate::error::Fault;

const LIST: &str = "SELECT kid, secret FROM signing_keys ORDER BY id DESC";
const INSERT: &str = "INSERT INTO signing_keys (kid, secret, created_at) VALUES (?1, ?2, ?3)";

/// A key that signs access tokens. No `Debug`: it is a secret.
#[derive(Clone)]
pub struct SigningKey {
    /// Names the key in tokens.
    pub kid: String,
    /// 256 random bits.
    pub secret: [u8; 32],
}

impl Store {
    /// Every signing key, the newest first; `fresh` becomes the first one if there is none.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn signing_keys(&self, fresh: SigningKey) -> Result<Vec<SigningKey>, Fault> {
        self.write(1, move |tx| {
            let mut keys = tx
                .prepare(LIST)?
                .query_map([], |row| Ok(SigningKey { kid: row.get(0)?, secret: row.get(1)? }))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            if keys.is_empty() {
                tx.execute(INSERT, (&fresh.kid, &fresh.secret, tx.now_us))?;
                keys.push(fresh.clone());
            }
            Ok(keys)
        })
        .await
    }
}
