//! Signing in, staying signed in, and knowing at every request who is calling.
//!
//! Whom a live session stands for is kept in memory, so that the common request asks the database nothing. The writer tells
//! of every session that ends before it answers whoever ended it, also when that was a command beside the server; so a
//! revoked caller is refused on the next request.

mod password;
mod remembered;
mod vouched;

use std::sync::Arc;

use tidelog_protocol::limits::BLOB_URL_SECONDS;
use tidelog_protocol::{SignInRequest, Timestamp, TokenPair};
use uuid::Uuid;

pub use self::password::PasswordChange;
use self::remembered::Remembered;
pub use self::vouched::Exchanged;
use super::derived::LONGEST_SECONDS;
use super::issuers::Issuers;
use super::keyring::Keyring;
use super::passwords::Passwords;
use super::secrets::{first_refresh_token, hash_secret, next_refresh_token, random_256};
use super::tokens::{self, MAX_AHEAD_SECONDS};
use super::urls::{Purpose, UrlGrant, UrlTarget};
use crate::clock::{Clock, MICROS_PER_SECOND};
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::sessions::Caller;
use crate::model::users::normalize_email;
use crate::notify::Hub;
use crate::store::{NewSession, Presented, Refreshed, SigningKey, Store};

/// How long tokens live, and who issues them.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// `iss` of access tokens.
    pub issuer: String,
    /// Lifetime of an access token, in seconds.
    pub token_seconds: i64,
    /// Lifetime of a session that is not refreshed, in seconds.
    pub session_seconds: i64,
}

impl AuthSettings {
    /// What programs that make codes show beside the account: the host of the issuer, where it has one.
    pub(super) fn issuer_name(&self) -> String {
        let host = url::Url::parse(&self.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_else(|| "Tidelog".into())
    }
}

/// What came of a sign-in or a refresh.
pub enum SignIn {
    /// The caller is in.
    Done(TokenPair),
    /// The password is right, and the account wants a second factor: it signs in through a browser.
    TwoFactorRequired,
    /// Something about the credentials is wrong; nobody is told what.
    Refused,
}

/// What came of rotating signing keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedKeys {
    /// Names the key that signs from now on.
    pub kid: String,
    /// How many older ones still verify.
    pub older: usize,
}

impl RotatedKeys {
    /// Of all keys, the newest first.
    pub fn of(keys: &[SigningKey]) -> Self {
        let kid = keys.first().map(|key| key.kid.clone()).unwrap_or_default();
        Self { kid, older: keys.len().saturating_sub(1) }
    }
}

/// Knows who is calling. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) passwords: Passwords,
    pub(super) keys: Arc<Keyring>,
    issuers: Issuers,
    pub(super) settings: AuthSettings,
    remembered: Arc<Remembered>,
}

impl Auth {
    /// Prepares sign-in on a store, making the first signing key if there is none.
    ///
    /// # Errors
    /// A fault of the database, or no randomness.
    pub async fn new(
        store: Store,
        clock: Clock,
        hub: &Hub,
        passwords: Passwords,
        settings: AuthSettings,
    ) -> Result<Self, Fault> {
        let keys = store.signing_keys(tokens::new_signing_key()?).await?;
        let keys = Arc::new(Keyring::new(&keys, &settings, &clock)?);
        let remembered = Arc::<Remembered>::default();
        let issuers = Issuers::new(store.clone(), clock.clone());
        let listener = remembered.clone();
        hub.listen(move |event| listener.forget(event));
        Ok(Self { store, clock, passwords, keys, issuers, settings, remembered })
    }

    /// Has a new key sign from now on. What older ones signed stays good until it ends.
    ///
    /// # Errors
    /// A fault of the database, or no randomness.
    pub async fn rotate_keys(&self, actor: Actor) -> Result<RotatedKeys, Fault> {
        let _turn = self.keys.turn.lock().await;
        let rotated = self.store.rotate_signing_keys(actor, tokens::new_signing_key()?).await?;
        self.keys.exchange(&rotated, &self.settings, &self.clock)?;
        Ok(RotatedKeys::of(&rotated))
    }

    /// Deletes keys of which nothing that they signed is good any more.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn retire_keys(&self) -> Result<(), Fault> {
        let _turn = self.keys.turn.lock().await;
        let seconds = self.settings.token_seconds.max(LONGEST_SECONDS) + MAX_AHEAD_SECONDS;
        let replaced_before = self.clock.now_us() - seconds * MICROS_PER_SECOND;
        match self.store.retire_signing_keys(replaced_before).await? {
            Some(left) => self.keys.exchange(&left, &self.settings, &self.clock),
            None => Ok(()),
        }
    }

    /// The hasher, for commands that set passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Checks credentials and begins a session. Whatever is wrong, the same work is done first.
    ///
    /// # Errors
    /// A fault of the database, or too many sign-ins at once.
    pub async fn sign_in(&self, actor: Actor, request: SignInRequest) -> Result<SignIn, Fault> {
        // An address that is none cannot be that of an account, but must cost as much as one.
        let email = normalize_email(&request.email).unwrap_or_default();
        let api_key_hash = hash_secret(&request.api_key);
        let rows = self.store.sign_in_rows(email, api_key_hash).await?;
        let stored = rows.user.as_ref().map(|user| user.password_hash.clone());
        let right = self.passwords.verify(request.password, stored).await?;
        let (Some(user), Some((app, _)), true) = (rows.user, rows.app, right) else {
            return Ok(SignIn::Refused);
        };
        if user.disabled {
            return Ok(SignIn::Refused);
        }
        if user.has_second_factor {
            return Ok(SignIn::TwoFactorRequired);
        }
        let refresh_token = first_refresh_token(&random_256()?);
        let new = NewSession {
            id: Uuid::now_v7(),
            app,
            api_key_hash,
            user: user.row,
            password_hash: Some(user.password_hash),
            refresh_hash: hash_secret(&refresh_token),
            expires_at: self.session_end(),
        };
        match self.store.begin_session(actor, new).await? {
            Some(caller) => self.pair(&caller, refresh_token).map(SignIn::Done),
            None => Ok(SignIn::Refused),
        }
    }

    /// Exchanges a refresh token for a new pair.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn refresh(&self, actor: Actor, token: &str) -> Result<SignIn, Fault> {
        let rotation = random_256()?;
        let presented = Presented {
            hash: hash_secret(token),
            rotation,
            successor_hash: hash_secret(&next_refresh_token(token, &rotation)?),
            expires_at: self.session_end(),
        };
        match self.store.refresh_session(actor, presented).await? {
            Refreshed::Successor { caller, rotation } => {
                self.pair(&caller, next_refresh_token(token, &rotation)?).map(SignIn::Done)
            }
            Refreshed::Refused => Ok(SignIn::Refused),
        }
    }

    /// Ends the caller's session.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn sign_out(&self, actor: Actor, caller: &Caller) -> Result<(), Fault> {
        self.store.sign_out(actor, caller).await
    }

    /// Ends the session that a token belongs to, whichever of its two tokens it is. Of an unknown one nothing is said.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn revoke(&self, actor: Actor, token: &str) -> Result<(), Fault> {
        let session = match self.keys.now().tokens.verify(token) {
            Some(grant) => Some(grant.session),
            None => self.store.session_of_refresh_token(hash_secret(token)).await?,
        };
        match session {
            Some(session) => self.store.end_session(actor, session).await.map(drop),
            None => Ok(()),
        }
    }

    /// Who sent this `Authorization` header, if it is that of a live session, and until when its token is good, in seconds
    /// since 1970.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn caller(&self, authorization: &str) -> Result<Option<(Arc<Caller>, i64)>, Fault> {
        let Some(grant) =
            tokens::bearer(authorization).and_then(|token| self.keys.now().tokens.verify(token))
        else {
            return Ok(None);
        };
        let caller = self.of_session(grant.session).await?;
        Ok(caller.filter(|caller| grant.is_of(caller)).map(|caller| (caller, grant.expires_at)))
    }

    /// Whom this address of a blob was given to, and what it allows, if it is one of ours, is still good, and so is the session that
    /// asked for it.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn caller_of_url(
        &self,
        purpose: Purpose,
        token: &str,
    ) -> Result<Option<(Arc<Caller>, UrlGrant)>, Fault> {
        let grant = self.keys.now().urls.verify(purpose, token, self.clock.now_seconds());
        let Some(grant) = grant else { return Ok(None) };
        let caller = self.of_session(grant.session).await?;
        let caller = caller.filter(|caller| (caller.user, caller.app) == (grant.user, grant.app));
        Ok(caller.map(|caller| (caller, grant)))
    }

    /// The last part of an address under which the caller can send or fetch this blob for a while.
    ///
    /// # Errors
    /// A fault of the program.
    pub fn url_token(&self, caller: &Caller, purpose: Purpose, target: UrlTarget) -> Result<String, Fault> {
        self.keys.now().urls.sign(&UrlGrant {
            purpose,
            target,
            session: caller.session,
            user: caller.user,
            app: caller.app,
            expires_at: self.clock.now_seconds() + i64::from(BLOB_URL_SECONDS),
        })
    }

    /// Whom a live session stands for.
    async fn of_session(&self, session: Uuid) -> Result<Option<Arc<Caller>>, Fault> {
        if let Some(caller) = self.remembered.find(session) {
            return Ok(Some(caller));
        }
        let seen = self.remembered.generation();
        let Some(caller) = self.store.find_caller(session).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.remembered.keep(caller.clone(), seen);
        Ok(Some(caller))
    }

    pub(super) fn session_end(&self) -> i64 {
        self.clock.now_us() + self.settings.session_seconds * MICROS_PER_SECOND
    }

    pub(super) fn pair(&self, caller: &Caller, refresh_token: String) -> Result<TokenPair, Fault> {
        let (token, expires) = self.keys.now().tokens.sign(caller)?;
        Ok(TokenPair {
            token,
            user_id: caller.user,
            app_id: caller.app,
            expires_at: Timestamp::from_micros(expires * MICROS_PER_SECOND).ok(),
            refresh_token: Some(refresh_token),
        })
    }
}

#[cfg(test)]
mod tests;
