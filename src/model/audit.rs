//! What the audit log holds: who signed in, who was turned away, and what was done to accounts and apps.

use std::net::IpAddr;

use uuid::Uuid;

/// Something that was done. Its name is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they say what they are")]
pub enum Action {
    SignedIn,
    SignInFailed,
    SignedOut,
    SessionEnded,
    RefreshReused,
    DeviceRemoved,
    PasswordChanged,
    TwoFactorEnabled,
    TwoFactorDisabled,
    RecoveryCodeUsed,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserDeleted,
    DataDeleted,
    DataExported,
    AppCreated,
    AppKeyRotated,
    AppSet,
    TokenCreated,
    TokenRevoked,
    InviteCreated,
    InviteUsed,
    InviteRevoked,
    ResetLinkCreated,
    KeyRotated,
}

impl Action {
    /// As it is kept and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut => "signed_out",
            Self::SessionEnded => "session_ended",
            Self::RefreshReused => "refresh_reused",
            Self::DeviceRemoved => "device_removed",
            Self::PasswordChanged => "password_changed",
            Self::TwoFactorEnabled => "two_factor_enabled",
            Self::TwoFactorDisabled => "two_factor_disabled",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::UserCreated => "user_created",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
            Self::UserDeleted => "user_deleted",
            Self::DataDeleted => "data_deleted",
            Self::DataExported => "data_exported",
            Self::AppCreated => "app_created",
            Self::AppKeyRotated => "app_key_rotated",
            Self::AppSet => "app_set",
            Self::TokenCreated => "token_created",
            Self::TokenRevoked => "token_revoked",
            Self::InviteCreated => "invite_created",
            Self::InviteUsed => "invite_used",
            Self::InviteRevoked => "invite_revoked",
            Self::ResetLinkCreated => "reset_link_created",
            Self::KeyRotated => "key_rotated",
        }
    }
}

/// A row of the audit log, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Microseconds since 1970.
    pub at: i64,
    /// What was done: the name of an [`Action`].
    pub action: String,
    /// The user whom it concerns.
    pub user: Option<Uuid>,
    /// Their address, if they have one.
    pub email: Option<String>,
    /// The app that it concerns.
    pub app_name: Option<String>,
    /// Where it came from. `None`: an operator did it.
    pub address: Option<String>,
    /// What else there is to say.
    pub detail: Option<String>,
}

/// What was guessed wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guessed {
    /// A password.
    Password,
    /// A code, or a recovery code.
    SecondFactor,
}

impl Guessed {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "second factor",
        }
    }
}

/// A failed attempt to sign in, before anybody has looked whether there is such an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What was typed, or another name of the account.
    pub account: String,
    /// Where it came from.
    pub ip: IpAddr,
    /// What was wrong.
    pub guessed: Guessed,
}
