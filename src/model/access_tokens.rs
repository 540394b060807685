//! Access tokens of administrators, and of whoever publishes releases: what one may do, and to which app.

use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// Time for which it is not written down again that a token is in use, in microseconds: an hour.
pub const USE_NOTED_US: i64 = 60 * 60 * MICROS_PER_SECOND;
/// Days for which a token is good unless its maker says otherwise.
pub const DEFAULT_DAYS: u32 = 90;
/// Days for which a token can be good at most: ten years.
pub const MAX_DAYS: u32 = 3_650;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Administration.
    Admin,
    /// Publishing of releases.
    Ota,
}

impl Scope {
    /// Its name, as people type it and rows keep it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Ota => "ota",
        }
    }

    /// The scope of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Admin, Self::Ota].into_iter().find(|scope| scope.name() == name)
    }
}

/// A token that is in force, as far as it is known without itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Names it, to list and to revoke.
    pub id: Uuid,
    /// What it is for.
    pub scope: Scope,
    /// Id and name of the one app that it is good for. `None`: every app.
    pub app: Option<(Uuid, String)>,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub expires_at: i64,
    /// Microseconds since 1970, to about an hour. `None`: never.
    pub last_used_at: Option<i64>,
}

impl AccessToken {
    /// Whether it is for this, in that app.
    pub fn allows(&self, scope: Scope, app: Uuid) -> bool {
        self.scope == scope && self.app.as_ref().is_none_or(|(only, _)| *only == app)
    }
}
