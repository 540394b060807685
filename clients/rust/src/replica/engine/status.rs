//! The status of a replica, for the app to show.

use std::fmt;

/// What a replica is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It is exchanging changes.
    Syncing {
        /// Changes exchanged so far.
        done: u64,
        /// Changes to exchange, as far as is known.
        total: u64,
    },
    /// All local changes are on the server, and changes of other devices are applied as they arrive.
    Live,
    /// The server cannot be reached. Local changes are kept, and sent later.
    Offline,
    /// It cannot continue until somebody has done something. Local changes are kept.
    Blocked(Blocked),
}

/// A few words, for the corner of a screen.
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
    /// The app requires a membership that this user does not have.
    #[error("this app requires a membership")]
    MembershipRequired,
    /// The user's storage is full. Changes of other devices are still applied.
    #[error("the storage quota is reached")]
    QuotaExceeded,
    /// The server contradicts itself, other devices, or what is known about the key, and the client refuses to
    /// continue.
    #[error("the server cannot be trusted: {0}")]
    Distrust(String),
    /// Anything else that does not pass without intervention.
    #[error("{0}")]
    Other(String),
}
