//! Users whom another system signs in: made when they are first seen, each the app's own.

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
const MAKE_USER: &str = "INSERT INTO users (uuid, created_at) VALUES (?1, ?2)";
const MAKE: &str =
    "INSERT INTO federated_identities (app, issuer, subject, user, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Whose word it is that somebody is who they are.
#[derive(Clone, Copy, Debug)]
pub enum Voucher {
    /// A trusted issuer's.
    Issuer {
        /// Its row.
        row: i64,
        /// SHA-256 of the API key that was presented.
        api_key_hash: [u8; 32],
    },
    /// The app's own backend's, which has a token.
    Backend {
        /// The app.
        app: Uuid,
        /// The token.
        token: Uuid,
    },
}

/// A session to begin. No `Debug`: it is about secrets.
#[derive(Clone)]
pub struct VouchedSession {
    /// Who says so.
    pub voucher: Voucher,
    /// What the other system calls the user.
    pub subject: String,
    /// Names the user from now on, if this is the first time.
    pub new_user: Uuid,
    /// Names the session in tokens.
    pub id: Uuid,
    /// Hash of its first refresh token.
    pub refresh_hash: [u8; 32],
    /// Microseconds since 1970.
    pub expires_at: i64,
}

impl Store {
    /// Begins a session of a user whom another system has signed in, and makes the user if there is none yet. `None`: the user
    /// is disabled, or whoever vouches may no longer do so.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn begin_vouched_session(
        &self,
        actor: Actor,
        new: VouchedSession,
    ) -> Result<Option<Caller>, Fault> {
        self.write(1, move |tx| {
            let Some((app, issuer)) = app_of(tx, &new.voucher)? else { return Ok(None) };
            let Some(user) = user_of(tx, actor, (app, &issuer, &new.subject), new.new_user)? else {
                return Ok(None);
            };
            sessions::begin(tx, actor, (app, user), new.id, &new.refresh_hash, new.expires_at)
        })
        .await
    }
}

fn app_of(tx: &WriteTx<'_>, voucher: &Voucher) -> Result<Option<(i64, String)>, Fault> {
    let app = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found = match voucher {
        Voucher::Issuer { row, api_key_hash } => {
            tx.prepare_cached(APP_OF_ISSUER)?.query_row((row, api_key_hash), app)
        }
        Voucher::Backend { app: id, token } => {
            let which = (id.as_bytes(), token.as_bytes(), tx.now_us);
            tx.prepare_cached(APP_OF_TOKEN)?.query_row(which, app)
        }
    };
    Ok(found.optional()?)
}

/// The user's row; `None` for one who is disabled.
fn user_of(
    tx: &WriteTx<'_>,
    actor: Actor,
    identity: (i64, &str, &str),
    new: Uuid,
) -> Result<Option<i64>, Fault> {
    let found = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found: Option<(i64, bool)> = tx.prepare_cached(FIND)?.query_row(identity, found).optional()?;
    match found {
        Some((_, true)) => Ok(None),
        Some((user, false)) => Ok(Some(user)),
        None => {
            tx.prepare_cached(MAKE_USER)?.execute((new.as_bytes(), tx.now_us))?;
            let user = tx.last_insert_rowid();
            let (app, issuer, subject) = identity;
            tx.prepare_cached(MAKE)?.execute((app, issuer, subject, user, tx.now_us))?;
            audit::record(tx, actor, Action::UserCreated, (Some(new), None), Some("another system's"))?;
            Ok(Some(user))
        }
    }
}
