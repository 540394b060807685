//! Users whom an issuer or an app's backend signs in: created at their first sign-in, each in one app only.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::group::WriteTx;
use super::{Store, audit, sessions};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Action;
use crate::model::sessions::Caller;

const APP_OF_ISSUER: &str = "
    SELECT apps.id, issuers.issuer FROM issuers JOIN apps ON apps.id = issuers.app
    WHERE issuers.id = ?1 AND apps.api_key_hash = ?2";
const APP_OF_TOKEN: &str = "
    SELECT apps.id, '' FROM apps JOIN personal_access_tokens AS tokens ON tokens.app = apps.id OR tokens.app IS NULL
    WHERE apps.uuid = ?1 AND tokens.uuid = ?2 AND tokens.expires_at > ?3";
const FIND: &str = "
    SELECT users.id, users.disabled_at IS NOT NULL
    FROM federated_identities AS identities JOIN users ON users.id = identities.user
    WHERE identities.app = ?1 AND identities.issuer = ?2 AND identities.subject = ?3";
const INSERT_USER: &str = "INSERT INTO users (uuid, created_at) VALUES (?1, ?2)";
const INSERT: &str =
    "INSERT INTO federated_identities (app, issuer, subject, user, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";

/// On whose authority a user is signed in.
#[derive(Clone, Copy, Debug)]
pub enum IdentityProof {
    /// An assertion of an issuer that the app trusts.
    Assertion {
        /// Row of the issuer.
        issuer: i64,
        /// SHA-256 of the API key that was presented.
        api_key_hash: [u8; 32],
    },
    /// A personal access token of the app's own backend.
    Backend {
        /// The app.
        app: Uuid,
        /// The token.
        token: Uuid,
    },
}

/// A session to begin. No `Debug`: it is about secrets.
#[derive(Clone)]
pub struct NewFederatedSession {
    /// On whose authority.
    pub proof: IdentityProof,
    /// The user's id at the issuer or the backend.
    pub subject: String,
    /// The user's id here, if this is their first sign-in.
    pub new_user: Uuid,
    /// The session's id, as in tokens.
    pub id: Uuid,
    /// Hash of its first refresh token.
    pub refresh_hash: [u8; 32],
    /// Microseconds since 1970.
    pub expires_at: i64,
}

impl Store {
    /// Begins a session of a user whom an issuer or a backend has signed in, and creates the user at the first
    /// sign-in. `None`: the user is disabled, or the authority has been withdrawn.
    pub async fn begin_federated_session(
        &self,
        actor: Actor,
        new: NewFederatedSession,
    ) -> Result<Option<Caller>, Fault> {
        self.write(1, move |tx| {
            let Some((app, issuer)) = app_and_issuer(tx, &new.proof)? else { return Ok(None) };
            let Some(user) = find_or_create(tx, actor, (app, &issuer, &new.subject), new.new_user)? else {
                return Ok(None);
            };
            sessions::begin(tx, actor, (app, user), new.id, &new.refresh_hash, new.expires_at)
        })
        .await
    }
}

fn app_and_issuer(tx: &WriteTx<'_>, proof: &IdentityProof) -> Result<Option<(i64, String)>, Fault> {
    let from_row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found = match proof {
        IdentityProof::Assertion { issuer, api_key_hash } => {
            tx.prepare_cached(APP_OF_ISSUER)?.query_row((issuer, api_key_hash), from_row)
        }
        IdentityProof::Backend { app, token } => {
            let params = (app.as_bytes(), token.as_bytes(), tx.now_us);
            tx.prepare_cached(APP_OF_TOKEN)?.query_row(params, from_row)
        }
    };
    Ok(found.optional()?)
}

/// The row of the user with this identity. `None`: the user is disabled.
fn find_or_create(
    tx: &WriteTx<'_>,
    actor: Actor,
    identity: (i64, &str, &str),
    new_user: Uuid,
) -> Result<Option<i64>, Fault> {
    let from_row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found: Option<(i64, bool)> = tx.prepare_cached(FIND)?.query_row(identity, from_row).optional()?;
    match found {
        Some((_, true)) => Ok(None),
        Some((user, false)) => Ok(Some(user)),
        None => {
            tx.prepare_cached(INSERT_USER)?.execute((new_user.as_bytes(), tx.now_us))?;
            let user = tx.last_insert_rowid();
            let (app, issuer, subject) = identity;
            tx.prepare_cached(INSERT)?.execute((app, issuer, subject, user, tx.now_us))?;
            audit::record(tx, actor, Action::UserCreated, (Some(new_user), None), Some("another system's"))?;
            Ok(Some(user))
        }
    }
}
