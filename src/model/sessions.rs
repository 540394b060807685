//! Sessions: one sign-in to one app, and the chain of refresh tokens that keeps it alive.

use tidelog_protocol::CursorFormat;
use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// How long a refresh token stays good after its successor was first used, in microseconds: a client that lost the answer,
/// or two that share the token, get the same successor again.
pub const REFRESH_GRACE_US: i64 = 60 * MICROS_PER_SECOND;

/// Who is calling: what a live session stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The session itself.
    pub session: Uuid,
    /// Its user.
    pub user: Uuid,
    /// The one app that it is good for.
    pub app: Uuid,
    /// The log of this user in this app, as the store knows it.
    pub log: i64,
    /// How this app receives cursors.
    pub cursor_format: CursorFormat,
}

/// A session, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Names the session in tokens.
    pub id: Uuid,
    /// Its user.
    pub user: Uuid,
    /// The user's address, if there is one.
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

/// What a refresh token that was presented leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// It is the newest: it gets a successor.
    Rotate,
    /// It has a successor that is unused or was first used a moment ago: the same successor again.
    Repeat,
    /// It is older than any honest client would hold: somebody has a copy, and the session ends.
    Reused,
}

impl Refresh {
    /// Judges a token by its successor: `None` if it has none, else when that was first used, if it was.
    pub fn judge(successor_first_used_at: Option<Option<i64>>, now_us: i64) -> Self {
        match successor_first_used_at {
            None => Self::Rotate,
            Some(None) => Self::Repeat,
            Some(Some(used_at)) if now_us <= used_at + REFRESH_GRACE_US => Self::Repeat,
            Some(Some(_)) => Self::Reused,
        }
    }
}
