//! Sessions of apps: signing in, refreshing, signing out, and finding out who is calling.
//!
//! Callers of live sessions are cached in memory, so that most requests need no query. When a session ends, the
//! writer publishes that before it answers the operation that ended it, also if that was a command beside the server;
//! so a revoked caller is refused at the next request.

use std::sync::Arc;

use tidelog_protocol::limits::BLOB_URL_SECONDS;
use tidelog_protocol::{SignInRequest, Timestamp, TokenPair};
use uuid::Uuid;

use super::Auth;
use super::presigned_urls::{UrlGrant, UrlPurpose, UrlTarget};
use super::secrets::{bearer_token, first_refresh_token, hash_secret, next_refresh_token, random_256};
use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::sessions::Caller;
use crate::model::users::normalize_email;
use crate::store::{NewSession, TokenRefresh};

/// The outcome of a sign-in.
pub enum SignInOutcome {
    /// A session has begun.
    SignedIn(TokenPair),
    /// The password is right, but the account has a second factor: it can sign in through a browser only.
    TwoFactorRequired,
    /// The credentials are wrong; nobody is told which of them.
    Refused,
}

impl Auth {
    /// Checks credentials and begins a session. The same work is done whatever is wrong.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn sign_in(&self, actor: Actor, request: SignInRequest) -> Result<SignInOutcome, Fault> {
        // An invalid email belongs to no account, but must cost as much as a valid one.
        let email = normalize_email(&request.email).unwrap_or_default();
        let api_key_hash = hash_secret(&request.api_key);
        let stored = self.store.find_credentials(email, api_key_hash).await?;
        let password_hash = stored.user.as_ref().map(|user| user.password_hash.clone());
        let is_right = self.passwords.verify(request.password, password_hash).await?;
        let (Some(user), Some(app), true) = (stored.user, stored.app_row, is_right) else {
            return Ok(SignInOutcome::Refused);
        };
        if user.disabled {
            return Ok(SignInOutcome::Refused);
        }
        if user.has_second_factor {
            return Ok(SignInOutcome::TwoFactorRequired);
        }
        let refresh_token = first_refresh_token()?;
        let new = NewSession {
            id: Uuid::now_v7(),
            app,
            api_key_hash,
            user: user.row,
            password_hash: Some(user.password_hash),
            refresh_hash: hash_secret(&refresh_token),
            expires_at: self.session_expiry(),
        };
        match self.store.begin_session(actor, new).await? {
            Some(caller) => self.token_pair(&caller, refresh_token).map(SignInOutcome::SignedIn),
            None => Ok(SignInOutcome::Refused),
        }
    }

    /// Exchanges a refresh token for a new pair. `None`: it is unknown, expired or used up.
    pub async fn refresh(&self, actor: Actor, token: &str) -> Result<Option<TokenPair>, Fault> {
        let nonce = random_256()?;
        let refresh = TokenRefresh {
            hash: hash_secret(token),
            nonce,
            successor_hash: hash_secret(&next_refresh_token(token, &nonce)?),
            expires_at: self.session_expiry(),
        };
        match self.store.refresh_session(actor, refresh).await? {
            Some(successor) => {
                let refresh_token = next_refresh_token(token, &successor.nonce)?;
                self.token_pair(&successor.caller, refresh_token).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Ends the caller's session.
    pub async fn sign_out(&self, actor: Actor, caller: &Caller) -> Result<(), Fault> {
        self.store.sign_out(actor, caller).await
    }

    /// Ends the session of a token, be it the access token or the refresh token. Succeeds also if the token is unknown.
    pub async fn revoke(&self, actor: Actor, token: &str) -> Result<(), Fault> {
        let session = match self.keyring.current().access_tokens.verify(token) {
            Some(grant) => Some(grant.session),
            None => self.store.session_of_refresh_token(hash_secret(token)).await?,
        };
        match session {
            Some(session) => self.store.end_session(actor, session).await.map(drop),
            None => Ok(()),
        }
    }

    /// The caller who sent this `Authorization` header, if its token is valid and the session live, and when the
    /// token expires, in seconds since 1970.
    pub async fn caller(&self, authorization: &str) -> Result<Option<(Arc<Caller>, i64)>, Fault> {
        let grant =
            bearer_token(authorization).and_then(|token| self.keyring.current().access_tokens.verify(token));
        let Some(grant) = grant else { return Ok(None) };
        let caller = self.caller_of_session(grant.session).await?;
        Ok(caller.filter(|caller| grant.matches(caller)).map(|caller| (caller, grant.expires_at)))
    }

    /// The caller to whom a presigned URL was issued, and what it grants, if it is valid and the session that asked
    /// for it is live.
    pub async fn caller_of_url(
        &self,
        purpose: UrlPurpose,
        token: &str,
    ) -> Result<Option<(Arc<Caller>, UrlGrant)>, Fault> {
        let grant = self.keyring.current().urls.verify(purpose, token, self.clock.now_seconds());
        let Some(grant) = grant else { return Ok(None) };
        let caller = self.caller_of_session(grant.session).await?;
        let caller = caller.filter(|caller| (caller.user, caller.app) == (grant.user, grant.app));
        Ok(caller.map(|caller| (caller, grant)))
    }

    /// The last segment of a presigned URL by which the caller can upload or download a blob for a while.
    pub fn url_token(
        &self,
        caller: &Caller,
        purpose: UrlPurpose,
        target: UrlTarget,
    ) -> Result<String, Fault> {
        self.keyring.current().urls.sign(&UrlGrant {
            purpose,
            target,
            session: caller.session,
            user: caller.user,
            app: caller.app,
            expires_at: self.clock.now_seconds() + i64::from(BLOB_URL_SECONDS),
        })
    }

    async fn caller_of_session(&self, session: Uuid) -> Result<Option<Arc<Caller>>, Fault> {
        if let Some(caller) = self.callers.get(session) {
            return Ok(Some(caller));
        }
        let generation = self.callers.generation();
        let Some(caller) = self.store.find_caller(session).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.callers.insert(caller.clone(), generation);
        Ok(Some(caller))
    }

    /// When a session that begins or is refreshed now expires, in microseconds since 1970.
    pub(super) fn session_expiry(&self) -> i64 {
        self.clock.now_us() + self.settings.session_seconds * MICROS_PER_SECOND
    }

    /// A new access token of the caller's session, beside this refresh token.
    pub(super) fn token_pair(&self, caller: &Caller, refresh_token: String) -> Result<TokenPair, Fault> {
        let (token, expires_at) = self.keyring.current().access_tokens.sign(caller)?;
        Ok(TokenPair {
            token,
            user_id: caller.user,
            app_id: caller.app,
            expires_at: Timestamp::from_micros(expires_at * MICROS_PER_SECOND).ok(),
            refresh_token: Some(refresh_token),
        })
    }
}

#[cfg(test)]
mod tests;
