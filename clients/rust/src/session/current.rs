//! The session that a client is using, and its refresh.
//!
//! Only one refresh runs at a time: refresh tokens rotate, and two tasks that spend the same one would end the session.

use std::sync::{Mutex, PoisonError};

use tidelog_protocol::{RefreshRequest, TokenPair};

use super::info::SessionInfo;
use crate::transport::{Request, Transport};
use crate::{Result, SyncKitError};

/// Is called when a session starts, goes on with other tokens, or ends.
pub(crate) type SessionObserver = dyn Fn(Option<&SessionInfo>) + Send + Sync;

/// The session of a client, if there is one.
#[derive(Default)]
pub(crate) struct CurrentSession {
    info: Mutex<Option<SessionInfo>>,
    refreshing: tokio::sync::Mutex<()>,
    observer: Option<Box<SessionObserver>>,
}

impl CurrentSession {
    pub(crate) fn new(observer: Option<Box<SessionObserver>>) -> Self {
        Self { observer, ..Self::default() }
    }

    pub(crate) fn notify(&self, info: Option<&SessionInfo>) {
        if let Some(observer) = &self.observer {
            observer(info);
        }
    }

    pub(crate) fn get(&self) -> Option<SessionInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the session, and returns the one before.
    pub(crate) fn set(&self, info: Option<SessionInfo>) -> Option<SessionInfo> {
        std::mem::replace(&mut *self.info.lock().unwrap_or_else(PoisonError::into_inner), info)
    }

    /// Replaces `stale` with `fresh`, unless somebody signed in or out meanwhile.
    fn replace(&self, stale: &SessionInfo, fresh: SessionInfo) {
        let mut info = self.info.lock().unwrap_or_else(PoisonError::into_inner);
        if info.as_ref() == Some(stale) {
            *info = Some(fresh.clone());
            drop(info);
            self.notify(Some(&fresh));
        }
    }

    /// Returns another session than `stale`: refreshed now, or by another task meanwhile.
    ///
    /// Sessions are compared as a whole, because two access tokens issued within one second may be the same.
    ///
    /// # Errors
    /// `otherwise` if there is no refresh token.
    pub(crate) async fn refreshed(
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
        self.replace(stale, fresh.clone());
        tracing::debug!("session refreshed");
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::super::info::session_expiring_in;
    use super::*;

    #[test]
    fn a_refresh_that_ends_after_a_sign_out_revives_nothing() {
        let current = CurrentSession::default();
        current.set(None);
        current.replace(&session_expiring_in(0), session_expiring_in(60));
        assert_eq!(current.get(), None);
    }
}
