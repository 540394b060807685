//! What a failed exchange means for a live replica.

use super::status::Blocked;
use crate::replica::error::ReplicaError;
use crate::{BlockReason, SyncKitError};

/// What has to happen before the next exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// It passes: try again soon.
    Temporary,
    /// Somebody has to do something.
    Blocked(Blocked),
    /// The replica cannot continue.
    Fatal,
}

impl FailureKind {
    pub(super) fn of(error: &ReplicaError) -> Self {
        let error = match error {
            ReplicaError::Sync(error) => error,
            ReplicaError::Sqlite(error) if is_temporary(error) => return Self::Temporary,
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
            _ => return Self::Temporary,
        };
        Self::Blocked(blocked)
    }
}

fn is_temporary(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SchemaChanged};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull | SchemaChanged))
}
