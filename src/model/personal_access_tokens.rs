//! Personal access tokens: for programs that administer an app or publish its releases.

use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// How often the last use of a token is written, in microseconds: once an hour.
pub const LAST_USED_PRECISION_US: i64 = 60 * 60 * MICROS_PER_SECOND;
/// Lifetime of a token in days, unless another is asked for.
pub const DEFAULT_DAYS: u32 = 90;
/// Longest lifetime of a token in days: ten years.
pub const MAX_DAYS: u32 = 3_650;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Administering an app.
    Admin,
    /// Publishing releases.
    Ota,
}

impl Scope {
    /// Its name, on the command line and in the database.
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

/// A token that has not expired, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalAccessToken {
    /// The token's id.
    pub id: Uuid,
    /// What it is for.
    pub scope: Scope,
    /// Id and name of the one app that it is good for. `None`: every app.
    pub app: Option<(Uuid, String)>,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub expires_at: i64,
    /// Microseconds since 1970, to within an hour. `None`: never used.
    pub last_used_at: Option<i64>,
}

impl PersonalAccessToken {
    /// Whether it allows this in this app.
    pub fn allows(&self, scope: Scope, app: Uuid) -> bool {
        self.scope == scope && self.app.as_ref().is_none_or(|(only, _)| *only == app)
    }
}
