//! Signing in and out, and keeping the token fresh: one that is about to expire is replaced before it is used, and
//! one that the server refuses is replaced once.

use tidelog_protocol::{SignInRequest, TokenPair};
use uuid::Uuid;

use super::SyncKitClient;
use crate::blocking::outcome_of;
use crate::session::{Owner, SessionInfo};
use crate::transport::{Request, StreamAnswer, from_json};
use crate::{Result, SyncKitError};

impl SyncKitClient {
    /// Signs in with email and password. Returns the user id and the app id.
    ///
    /// The password goes to the server, which checks it against a hash. The data is encrypted under the passphrase of
    /// [`setup_encryption_new`](Self::setup_encryption_new), which never leaves this machine and should not be the
    /// password.
    ///
    /// # Errors
    /// [`SyncKitError::InvalidCredentials`], [`SyncKitError::TwoFactorRequired`] for accounts that have to use
    /// [`login_with_browser`](Self::login_with_browser), [`SyncKitError::RateLimited`], [`SyncKitError::Network`].
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
        self.start_session(session);
        self.encryption.signed_in_with(password)?;
        Ok((owner.user_id, owner.app_id))
    }

    /// Returns the current session, to be saved; `None` if nobody is signed in.
    pub fn session_info(&self) -> Option<SessionInfo> {
        self.session.get()
    }

    /// Continues a saved session without asking the server: the first request shows whether it is still valid.
    pub fn restore_session(&self, session: SessionInfo) {
        let owner = session.owner();
        let before = self.session.set(Some(session));
        if before.is_none_or(|before| before.owner() != owner) {
            self.encryption.wipe_all();
        }
    }

    /// Continues a session that the server has just issued.
    pub(crate) fn start_session(&self, session: SessionInfo) {
        self.restore_session(session.clone());
        self.session.notify(Some(&session));
    }

    /// Signs out: ends the session on the server and forgets it here, together with the master key in memory and in
    /// the key store.
    ///
    /// # Errors
    /// What is in memory is forgotten in any case. An error means that the key store could not be changed, or that
    /// the server could not be reached, so that the token stays valid until it expires.
    pub async fn logout(&self) -> Result<()> {
        let Some(session) = self.session.get() else { return Ok(()) };
        let forgotten = self.forget_key().await;
        self.session.set(None);
        self.session.notify(None);
        self.encryption.wipe_all();
        let answer = self.transport.send(&Request::post_empty("/auth/logout"), Some(&session.token)).await;
        match answer {
            // A session that the server no longer accepts has ended already.
            Ok(_) | Err(SyncKitError::Unauthenticated) => forgotten,
            Err(error) => Err(error),
        }
    }

    /// Returns whose data this client works on.
    pub(crate) fn owner(&self) -> Result<Owner> {
        self.session.get().map(|session| session.owner()).ok_or(SyncKitError::NotAuthenticated)
    }

    /// Sends a request with a fresh token and parses the answer.
    pub(crate) async fn fetch<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T> {
        from_json(&self.send(request).await?)
    }

    /// Sends a request with a fresh token; once more with a new one if the server refuses it.
    pub(crate) async fn send(&self, request: &Request) -> Result<Vec<u8>> {
        let session = self.fresh_session().await?;
        match self.transport.send(request, Some(&session.token)).await {
            Err(SyncKitError::Unauthenticated) => {
                let session = self.refreshed(&session, SyncKitError::Unauthenticated).await?;
                self.transport.send(request, Some(&session.token)).await
            }
            answer => answer,
        }
    }

    /// Opens an event stream with a fresh token; once more with a new one if the server refuses it.
    pub(crate) async fn stream(&self, path: &str) -> Result<StreamAnswer> {
        let session = self.fresh_session().await?;
        match self.transport.stream(path, &session.token).await {
            Err(SyncKitError::Unauthenticated) => {
                let session = self.refreshed(&session, SyncKitError::Unauthenticated).await?;
                self.transport.stream(path, &session.token).await
            }
            answer => answer,
        }
    }

    async fn fresh_session(&self) -> Result<SessionInfo> {
        let session = self.session.get().ok_or(SyncKitError::NotAuthenticated)?;
        if session.is_expiring() {
            self.refreshed(&session, SyncKitError::TokenExpired).await
        } else {
            Ok(session)
        }
    }

    /// Returns another session than `stale`; see
    /// [`CurrentSession::refreshed`](crate::session::CurrentSession::refreshed).
    ///
    /// It runs in a task of its own: a caller that is not polled for a while, as an event stream is while its program
    /// pulls, would otherwise keep the lock, and that program would wait for itself.
    async fn refreshed(&self, stale: &SessionInfo, otherwise: SyncKitError) -> Result<SessionInfo> {
        let (current, transport, stale) = (self.session.clone(), self.transport.clone(), stale.clone());
        let refreshing = async move { current.refreshed(&transport, &stale, otherwise).await };
        outcome_of(tokio::spawn(refreshing)).await
    }
}
