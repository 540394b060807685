//! Who is signed in, and how the token stays fresh.
//!
//! A token that is about to end is replaced before it is used, and one that the server refuses is replaced once. Only one
//! refresh runs at a time: refresh tokens rotate, and two tasks spending the same one would end the session.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use tidelog_protocol::{RefreshRequest, SignInRequest, TokenPair, TokenResponse};
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::blocking::outcome_of;
use crate::transport::{Request, Streaming, Transport, from_json};
use crate::{Result, SyncKitClient, SyncKitError};

/// A token is replaced this long before it ends, so that it does not end on its way.
const EARLY_SECONDS: i64 = 30;

/// A signed-in session, to save and to restore. It grants access to the account's (sealed) data: keep it like a password.
///
/// Refresh tokens rotate, so save the session whenever there is another one:
/// [`ClientBuilder::on_session_change`](crate::ClientBuilder::on_session_change) tells. Its `Debug` output shows no token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct SessionInfo {
    /// Access token.
    pub token: String,
    /// Good for one refresh; `None` from servers that give none.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// When `token` ends, where the server told it.
    #[zeroize(skip)]
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
    /// Who is signed in.
    #[zeroize(skip)]
    pub user_id: Uuid,
    /// The app signed in to.
    #[zeroize(skip)]
    pub app_id: Uuid,
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SessionInfo")
            .field("user_id", &self.user_id)
            .field("app_id", &self.app_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl From<TokenPair> for SessionInfo {
    fn from(pair: TokenPair) -> Self {
        let expires_at = pair.expires_at.map(DateTime::from).or_else(|| expiry_inside(&pair.token));
        Self {
            token: pair.token,
            refresh_token: pair.refresh_token,
            expires_at,
            user_id: pair.user_id,
            app_id: pair.app_id,
        }
    }
}

impl From<TokenResponse> for SessionInfo {
    fn from(answer: TokenResponse) -> Self {
        let lifetime = i64::try_from(answer.expires_in).ok().and_then(TimeDelta::try_seconds);
        Self {
            token: answer.access_token,
            refresh_token: answer.refresh_token,
            expires_at: lifetime.and_then(|lifetime| Utc::now().checked_add_signed(lifetime)),
            user_id: answer.user_id,
            app_id: answer.app_id,
        }
    }
}

impl SessionInfo {
    /// Whose session it is.
    pub(crate) fn owner(&self) -> Owner {
        Owner { app_id: self.app_id, user_id: self.user_id }
    }

    fn is_ending(&self) -> bool {
        self.expires_at.is_some_and(|end| end - TimeDelta::seconds(EARLY_SECONDS) <= Utc::now())
    }
}

/// One user in one app: what keys and streams belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) app_id: Uuid,
    pub(crate) user_id: Uuid,
}

/// Who is told of sessions that begin, go on under other tokens, and end.
pub(crate) type SessionWatcher = dyn Fn(Option<&SessionInfo>) + Send + Sync;

/// The session of a client, if there is one.
#[derive(Default)]
pub(crate) struct CurrentSession {
    info: Mutex<Option<SessionInfo>>,
    refreshing: tokio::sync::Mutex<()>,
    watcher: Option<Box<SessionWatcher>>,
}

impl CurrentSession {
    pub(crate) fn watched_by(watcher: Option<Box<SessionWatcher>>) -> Self {
        Self { watcher, ..Self::default() }
    }

    fn tell(&self, info: Option<&SessionInfo>) {
        if let Some(watcher) = &self.watcher {
            watcher(info);
        }
    }

    fn get(&self) -> Option<SessionInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, info: Option<SessionInfo>) -> Option<SessionInfo> {
        std::mem::replace(&mut *self.info.lock().unwrap_or_else(PoisonError::into_inner), info)
    }

    /// Puts `fresh` in the place of `stale`, unless somebody signed in or out meanwhile.
    fn renew(&self, stale: &SessionInfo, fresh: SessionInfo) {
        let mut info = self.info.lock().unwrap_or_else(PoisonError::into_inner);
        if info.as_ref() == Some(stale) {
            *info = Some(fresh.clone());
            drop(info);
            self.tell(Some(&fresh));
        }
    }

    /// Another session than `stale`: by a refresh, or the one that another task has got meanwhile. Without a refresh token
    /// it is the error `otherwise`.
    ///
    /// Sessions are told apart as a whole: two access tokens made within one second may be the same.
    async fn renewed(
        &self,
        transport: &Transport,
        stale: &SessionInfo,
        otherwise: SyncKitError,
    ) -> Result<SessionInfo> {
        let _one_at_a_time = self.refreshing.lock().await;
        let session = self.get().ok_or(SyncKitError::NotAuthenticated)?;
        if session != *stale {
            return Ok(session);
        }
        let Some(refresh_token) = session.refresh_token.clone() else { return Err(otherwise) };
        let request = Request::post("/auth/refresh", &RefreshRequest { refresh_token })?;
        let answer = transport.fetch::<TokenPair>(&request, None).await;
        let fresh = SessionInfo::from(answer.map_err(|error| match error {
            SyncKitError::InvalidCredentials => SyncKitError::Unauthenticated,
            other => other,
        })?);
        self.renew(stale, fresh.clone());
        tracing::debug!("session refreshed");
        Ok(fresh)
    }
}

impl SyncKitClient {
    /// Signs in with e-mail and password; gives back (user id, app id).
    ///
    /// The password goes to the server, which checks it against a hash. What encrypts the data is the passphrase of
    /// [`setup_encryption_new`](Self::setup_encryption_new), which never leaves this machine and had better be another one.
    ///
    /// # Errors
    /// [`SyncKitError::InvalidCredentials`], [`SyncKitError::TwoFactorRequired`] for accounts that have to take
    /// [`login_with_browser`](Self::login_with_browser), [`SyncKitError::RateLimited`], or no way to the server.
    pub async fn authenticate(&self, email: &str, password: &str) -> Result<(Uuid, Uuid)> {
        let body = SignInRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            api_key: self.api_key.clone(),
        };
        let request = Request::post("/auth", &body)?;
        let answer = self.transport.fetch::<TokenPair>(&request, None).await;
        let session = SessionInfo::from(answer.map_err(|error| match error {
            SyncKitError::Unauthenticated => SyncKitError::InvalidCredentials,
            other => other,
        })?);
        let owner = session.owner();
        self.begin_session(session);
        self.encryption.signed_in_with(password)?;
        Ok((owner.user_id, owner.app_id))
    }

    /// The current session, to save it; `None` if nobody is signed in.
    pub fn session_info(&self) -> Option<SessionInfo> {
        self.session.get()
    }

    /// Continues a saved session without asking the server: the first request shows whether it is still good.
    pub fn restore_session(&self, session: SessionInfo) {
        let owner = session.owner();
        let before = self.session.set(Some(session));
        if before.is_none_or(|before| before.owner() != owner) {
            self.encryption.wipe_all();
        }
    }

    /// Goes on with a session that the server has just given.
    pub(crate) fn begin_session(&self, session: SessionInfo) {
        self.restore_session(session.clone());
        self.session.tell(Some(&session));
    }

    /// Ends the session on the server and forgets it here, together with the master key in memory and in the key store.
    ///
    /// # Errors
    /// What is kept here is gone whatever happens; an error says that the key store or the server could not be told, so
    /// that the token stays good until it ends.
    pub async fn logout(&self) -> Result<()> {
        let Some(session) = self.session.get() else { return Ok(()) };
        let forgotten = self.forget_key().await;
        self.session.set(None);
        self.session.tell(None);
        self.encryption.wipe_all();
        let answer = self.transport.send(&Request::post_nothing("/auth/logout"), Some(&session.token)).await;
        match answer {
            // A session that the server no longer accepts has ended already.
            Ok(_) | Err(SyncKitError::Unauthenticated) => forgotten,
            Err(error) => Err(error),
        }
    }

    /// Whose data this client works on.
    pub(crate) fn owner(&self) -> Result<Owner> {
        self.session.get().map(|session| session.owner()).ok_or(SyncKitError::NotAuthenticated)
    }

    /// Sends with a fresh token and reads the answer.
    pub(crate) async fn fetch<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T> {
        from_json(&self.send(request).await?)
    }

    /// Sends with a fresh token; once more with a new one if the server refuses it.
    pub(crate) async fn send(&self, request: &Request) -> Result<Vec<u8>> {
        let session = self.fresh_session().await?;
        match self.transport.send(request, Some(&session.token)).await {
            Err(SyncKitError::Unauthenticated) => {
                let session = self.renewed(&session, SyncKitError::Unauthenticated).await?;
                self.transport.send(request, Some(&session.token)).await
            }
            answer => answer,
        }
    }

    /// Asks for an answer that is read as it comes, with a fresh token; once more with a new one if the server refuses it.
    pub(crate) async fn stream(&self, path: &str) -> Result<Streaming> {
        let session = self.fresh_session().await?;
        match self.transport.stream(path, &session.token).await {
            Err(SyncKitError::Unauthenticated) => {
                let session = self.renewed(&session, SyncKitError::Unauthenticated).await?;
                self.transport.stream(path, &session.token).await
            }
            answer => answer,
        }
    }

    async fn fresh_session(&self) -> Result<SessionInfo> {
        let session = self.session.get().ok_or(SyncKitError::NotAuthenticated)?;
        if session.is_ending() {
            self.renewed(&session, SyncKitError::TokenExpired).await
        } else {
            Ok(session)
        }
    }

    /// Another session than `stale`; see [`CurrentSession::renewed`].
    ///
    /// By a task of its own: a caller that is not polled for a while, as a stream of notifications is while its program pulls, would
    /// keep its turn for itself, and that program waiting.
    async fn renewed(&self, stale: &SessionInfo, otherwise: SyncKitError) -> Result<SessionInfo> {
        let (current, transport, stale) = (self.session.clone(), self.transport.clone(), stale.clone());
        let renewing = async move { current.renewed(&transport, &stale, otherwise).await };
        outcome_of(tokio::spawn(renewing)).await
    }
}

/// The end of a token by its own claim, for servers that do not tell it. Nothing is trusted here: a wrong claim costs a
/// refresh.
fn expiry_inside(token: &str) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    DateTime::from_timestamp(serde_json::from_slice::<Claims>(&claims).ok()?.exp, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session_ending_in(seconds: i64) -> SessionInfo {
        SessionInfo {
            token: "secret-access".into(),
            refresh_token: Some("secret-refresh".into()),
            expires_at: Some(Utc::now() + TimeDelta::seconds(seconds)),
            user_id: Uuid::nil(),
            app_id: Uuid::nil(),
        }
    }

    #[test]
    fn a_session_in_its_last_half_minute_counts_as_ended() {
        assert!(session_ending_in(-1).is_ending());
        assert!(session_ending_in(29).is_ending());
        assert!(!session_ending_in(3600).is_ending());
    }

    #[test]
    fn a_session_without_a_known_end_is_used_until_it_is_refused() {
        let mut session = session_ending_in(-1);
        session.expires_at = None;
        assert!(!session.is_ending());
    }

    #[test]
    fn debug_output_shows_no_token() {
        assert!(!format!("{:?}", session_ending_in(0)).contains("secret"));
    }

    #[test]
    fn a_saved_session_comes_back_as_it_was() {
        let session = session_ending_in(60);
        let saved = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<SessionInfo>(&saved).unwrap(), session);
    }

    #[test]
    fn the_end_of_a_token_is_read_from_its_claims() {
        let claims = BASE64URL_NOPAD.encode(br#"{"exp":1767225600}"#);
        assert_eq!(expiry_inside(&format!("h.{claims}.s")), DateTime::from_timestamp(1_767_225_600, 0));
        for garbage in ["", "a.b.c", "opaque", "..", "h.e30.s"] {
            assert_eq!(expiry_inside(garbage), None);
        }
    }

    #[test]
    fn a_refresh_that_comes_back_after_a_logout_revives_nothing() {
        let current = CurrentSession::default();
        current.set(None);
        current.renew(&session_ending_in(0), session_ending_in(60));
        assert_eq!(current.get(), None);
    }
}
