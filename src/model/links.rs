//! One-time links: to create the first administrator, to sign up by invite, to set a new password.

use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// Lifetime of a set-up link, in microseconds: an hour.
pub const SETUP_LIFETIME_US: i64 = 60 * 60 * MICROS_PER_SECOND;
/// Lifetime of a reset link, in microseconds: a day.
pub const RESET_LIFETIME_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;
/// Accounts that one invite can create, at most.
pub const MAX_USES: u32 = 10_000;
/// Longest lifetime of an invite, in days: a year.
pub const MAX_INVITE_DAYS: u32 = 366;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Creating the first administrator.
    Setup,
    /// Creating an account.
    Invite,
    /// Setting a new password for one account.
    Reset,
}

impl LinkKind {
    /// Its name, in the database and in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Invite => "invite",
            Self::Reset => "reset",
        }
    }
}

/// A valid link, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The link's id.
    pub id: Uuid,
    /// Email of the account whose password it resets.
    pub email: Option<String>,
    /// Name of the app that an invite is for.
    pub app_name: Option<String>,
    /// How many more times it can be used.
    pub uses_left: u32,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub expires_at: i64,
}
