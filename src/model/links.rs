//! Links that let somebody in who has no password, or not the right one.

use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;

/// How long a link to set up the first administrator is good, in microseconds: an hour.
pub const SETUP_LIVES_US: i64 = 60 * 60 * MICROS_PER_SECOND;
/// How long a link to set a new password is good, in microseconds: a day.
pub const RESET_LIVES_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;
/// Most accounts that may be made by one invite.
pub const MAX_USES: u32 = 10_000;
/// How long an invite may be good, in days: a year.
pub const MAX_INVITE_DAYS: u32 = 366;

/// What a link lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Make the first administrator.
    Setup,
    /// Make an account.
    Invite,
    /// Set a new password for one account.
    Reset,
}

impl LinkKind {
    /// Its name in the database and in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Invite => "invite",
            Self::Reset => "reset",
        }
    }
}

/// A link that is still good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Names it for ever; its secret part is another thing.
    pub id: Uuid,
    /// Whose password it resets.
    pub email: Option<String>,
    /// Name of the app that an invite is to.
    pub app_name: Option<String>,
    /// How often it can still be used.
    pub uses_left: u32,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub expires_at: i64,
}
