//! How a replica is doing.

use std::fmt;

use crate::replica::error::ReplicaError;
use crate::{BlockReason, SyncKitError};

/// What a replica is doing, for the app to show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It is exchanging changes.
    Syncing {
        /// Changes that were exchanged since it began.
        done: u64,
        /// Changes to exchange, as far as is known.
        total: u64,
    },
    /// Everything written here is on the server, and what others write comes as they write it.
    Live,
    /// The server cannot be reached. What is written here is kept, and sent once it can.
    Offline,
    /// It cannot go on until somebody has done something. What is written here is kept.
    Blocked(Blocked),
}

/// In a few words, for the corner of a screen.
impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syncing { done, total } => write!(out, "syncing {done} of {total}"),
            Self::Live => out.write_str("live"),
            Self::Offline => out.write_str("offline"),
            Self::Blocked(blocked) => write!(out, "{blocked}"),
        }
    }
}

/// What a replica waits for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Blocked {
    /// The session has ended: sign in again.
    #[error("the session has ended, sign in again")]
    SignIn,
    /// The key was replaced after a compromise, or is not set up: ask for the passphrase.
    #[error("the passphrase is needed")]
    Passphrase,
    /// This device was removed: register it again, and run with the new device's id.
    #[error("this device was removed")]
    DeviceRevoked,
    /// The app wants a membership that this user has not.
    #[error("this app needs a membership")]
    MembershipRequired,
    /// The user's storage is full. What others write still comes.
    #[error("the storage quota is reached")]
    QuotaExceeded,
    /// The server contradicts itself or others, or what is known of the key, and the client refuses to go on.
    #[error("the server cannot be trusted: {0}")]
    Distrust(String),
    /// Anything else that waiting will not mend by itself.
    #[error("{0}")]
    Other(String),
}

/// What an error means for a replica that would like to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setback {
    /// It passes: try again soon.
    Offline,
    /// Somebody has to do something.
    Blocked(Blocked),
    /// This replica is at its end.
    Fatal,
}

impl Setback {
    pub(crate) fn of(error: &ReplicaError) -> Self {
        let error = match error {
            ReplicaError::Sync(error) => error,
            ReplicaError::Sqlite(error) if is_busy(error) => return Self::Offline,
            ReplicaError::OtherAccount => return Self::Blocked(Blocked::Other(error.to_string())),
            _ => return Self::Fatal,
        };
        let blocked = match error {
            SyncKitError::NotAuthenticated
            | SyncKitError::TokenExpired
            | SyncKitError::Unauthenticated
            | SyncKitError::InvalidCredentials => Blocked::SignIn,
            SyncKitError::NoMasterKey
            | SyncKitError::Blocked(BlockReason::PassphraseNeeded)
            | SyncKitError::WrongKey { .. } => Blocked::Passphrase,
            SyncKitError::DeviceRevoked | SyncKitError::NotFound => Blocked::DeviceRevoked,
            SyncKitError::MembershipRequired => Blocked::MembershipRequired,
            SyncKitError::QuotaExceeded => Blocked::QuotaExceeded,
            SyncKitError::Tampered { .. }
            | SyncKitError::KeyChanged(_)
            | SyncKitError::KeyGone
            | SyncKitError::BadEnvelope(_) => Blocked::Distrust(error.to_string()),
            SyncKitError::Server { status, .. } if *status < 500 => Blocked::Other(error.to_string()),
            SyncKitError::ShuttingDown => return Self::Fatal,
            _ => return Self::Offline,
        };
        Self::Blocked(blocked)
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            rusqlite::ErrorCode::DatabaseBusy
                | rusqlite::ErrorCode::DatabaseLocked
                | rusqlite::ErrorCode::DiskFull
        )
    )
}
