//! Sessions: one sign-in of a user to one app, and the chain of refresh tokens that keeps it alive.

use tidelog_protocol::CursorFormat;
use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// How long a refresh token stays valid after its successor was first used, in microseconds. A client that lost the
/// answer, or two that share the token, get the same successor again.
pub const REFRESH_GRACE_US: i64 = 60 * MICROS_PER_SECOND;

/// On whose behalf a request runs: a live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The session.
    pub session: Uuid,
    /// Its user.
    pub user: Uuid,
    /// The one app that the session gives access to.
    pub app: Uuid,
    /// Row of the log of this user in this app.
    pub log: i64,
    /// How this app receives cursors.
    pub cursor_format: CursorFormat,
}

/// A session, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The session's id, as in tokens.
    pub id: Uuid,
    /// Its user.
    pub user: Uuid,
    /// The user's email, if there is one.
    pub email: Option<String>,
    /// Its app.
    pub app: Uuid,
    /// The app's name.
    pub app_name: String,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub expires_at: i64,
}

/// What to do with a refresh token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// It is the newest: create a successor.
    Rotate,
    /// Its successor is unused or was first used a moment ago: return the same successor again.
    Repeat,
    /// It is older than any honest client would keep, so somebody has a copy: end the session.
    EndSession,
}

impl RefreshDecision {
    /// Decides by the token's successor: `None` if there is none, otherwise when it was first used, if it was.
    pub fn by_successor(successor_first_used_at: Option<Option<i64>>, now_us: i64) -> Self {
        match successor_first_used_at {
            None => Self::Rotate,
            Some(None) => Self::Repeat,
            Some(Some(used_at)) if now_us <= used_at + REFRESH_GRACE_US => Self::Repeat,
            Some(Some(_)) => Self::EndSession,
        }
    }
}
