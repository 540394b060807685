//! A session as programs save and restore it.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use tidelog_protocol::{TokenPair, TokenResponse};
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A token is replaced this long before it expires, so that it does not expire on its way.
const EARLY_SECONDS: i64 = 30;

/// A session, to be saved and restored. It grants access to the account's (sealed) data: store it like a password.
///
/// Refresh tokens rotate, so save the session whenever it changes: see
/// [`ClientBuilder::on_session_change`](crate::ClientBuilder::on_session_change). Its `Debug` output shows no token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct SessionInfo {
    /// The access token.
    pub token: String,
    /// Good for one refresh; `None` from servers that issue none.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// When `token` expires, if known.
    #[zeroize(skip)]
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
    /// The user who is signed in.
    #[zeroize(skip)]
    pub user_id: Uuid,
    /// The app that the user is signed in to.
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
        let expires_at = pair.expires_at.map(DateTime::from).or_else(|| claimed_expiry(&pair.token));
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
    pub(crate) fn owner(&self) -> Owner {
        Owner { app_id: self.app_id, user_id: self.user_id }
    }

    /// Whether the token has expired, or is about to.
    pub(crate) fn is_expiring(&self) -> bool {
        self.expires_at.is_some_and(|end| end - TimeDelta::seconds(EARLY_SECONDS) <= Utc::now())
    }
}

/// One user in one app: whose keys and streams are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) app_id: Uuid,
    pub(crate) user_id: Uuid,
}

/// Reads the expiry that a token claims, for servers that do not tell it. Nothing is trusted here: a wrong claim
/// costs a refresh.
fn claimed_expiry(token: &str) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    DateTime::from_timestamp(serde_json::from_slice::<Claims>(&claims).ok()?.exp, 0)
}

#[cfg(test)]
pub(crate) fn session_expiring_in(seconds: i64) -> SessionInfo {
    SessionInfo {
        token: "secret-access".into(),
        refresh_token: Some("secret-refresh".into()),
        expires_at: Some(Utc::now() + TimeDelta::seconds(seconds)),
        user_id: Uuid::nil(),
        app_id: Uuid::nil(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_in_its_last_half_minute_counts_as_expired() {
        assert!(session_expiring_in(-1).is_expiring());
        assert!(session_expiring_in(29).is_expiring());
        assert!(!session_expiring_in(3600).is_expiring());
    }

    #[test]
    fn a_session_of_unknown_expiry_is_used_until_it_is_refused() {
        let mut session = session_expiring_in(-1);
        session.expires_at = None;
        assert!(!session.is_expiring());
    }

    #[test]
    fn debug_output_shows_no_token() {
        assert!(!format!("{:?}", session_expiring_in(0)).contains("secret"));
    }

    #[test]
    fn a_saved_session_comes_back_as_it_was() {
        let session = session_expiring_in(60);
        let saved = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<SessionInfo>(&saved).unwrap(), session);
    }

    #[test]
    fn the_expiry_of_a_token_is_read_from_its_claims() {
        let claims = BASE64URL_NOPAD.encode(br#"{"exp":1767225600}"#);
        assert_eq!(claimed_expiry(&format!("h.{claims}.s")), DateTime::from_timestamp(1_767_225_600, 0));
        for garbage in ["", "a.b.c", "opaque", "..", "h.e30.s"] {
            assert_eq!(claimed_expiry(garbage), None);
        }
    }
}
