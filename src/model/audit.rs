//! What the audit log records: sign-ins, failed sign-ins, and what was done to accounts and apps.

use std::net::IpAddr;

use uuid::Uuid;

/// What was done. Names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
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
    /// Its name in the database and in output.
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

/// A row of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Microseconds since 1970.
    pub occurred_at: i64,
    /// The name of an [`Action`].
    pub action: String,
    /// The user it concerns.
    pub user: Option<Uuid>,
    /// The user's email, if there is one.
    pub email: Option<String>,
    /// The app it concerns.
    pub app_name: Option<String>,
    /// The client that caused it. `None`: an operator or the server did.
    pub client_ip: Option<String>,
    /// Further details.
    pub detail: Option<String>,
}

/// What a sign-in is attempted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A password.
    Password,
    /// A code of an authenticator app, or a recovery code.
    SecondFactor,
}

impl Credential {
    /// In words, as the audit log says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "second factor",
        }
    }
}

/// A failed attempt to sign in, at an account that may not exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FailedSignIn {
    /// The account, as it was typed or otherwise named.
    pub account: String,
    /// The client's IP.
    pub ip: IpAddr,
    /// What was wrong.
    pub credential: Credential,
}
