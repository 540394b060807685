//! What can go wrong, typed so that a program can act on it.
//!
//! Errors that a program answers differently are variants of their own; whatever else a server says is
//! [`SyncKitError::Server`]. No error carries a secret, a token or the content of a change.

use std::time::Duration;

use tidelog_protocol::{ChangeFault, Cursor, ErrorBody, ErrorCode};

use crate::Evidence;
use crate::formats::{BlobError, EnvelopeError, FormatError, PinError, SlotKind};
use crate::keystore::KeyStoreError;

/// What the SDK's methods give back.
pub type Result<T, E = SyncKitError> = std::result::Result<T, E>;

/// Everything that can go wrong in the SDK.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncKitError {
    /// Nobody is signed in: call [`authenticate`](crate::SyncKitClient::authenticate) or
    /// [`restore_session`](crate::SyncKitClient::restore_session) first.
    #[error("not signed in")]
    NotAuthenticated,
    /// The session's token has ended and there is no refresh token: sign in again.
    #[error("the session has expired, sign in again")]
    TokenExpired,
    /// The server no longer accepts the session (it was ended, or the password changed): sign in again.
    #[error("the server does not accept this session any more, sign in again")]
    Unauthenticated,
    /// Wrong e-mail, password or API key; which of them is not told.
    #[error("wrong e-mail, password or API key")]
    InvalidCredentials,
    /// Right password, but the account has a second factor, which only the browser asks for: call
    /// [`login_with_browser`](crate::SyncKitClient::login_with_browser).
    #[error("this account has a second factor, sign in with the browser")]
    TwoFactorRequired,
    /// The user has declined, in the browser, to let the app in.
    #[error("the sign-in was declined in the browser")]
    AccessDenied,
    /// The browser came back with another answer than a code.
    #[error("the sign-in in the browser failed: {error}")]
    SignInFailed {
        /// The error code that it brought, of RFC 6749, such as `server_error`.
        error: String,
    },
    /// What the browser brought belongs to another sign-in or to another server; nothing was sent.
    #[error("the browser came back from another sign-in")]
    ForeignCallback,
    /// The code from the browser, or the other system's token, has expired, was used before, or is not one that this app takes:
    /// begin anew.
    #[error("what the sign-in brought is not or no longer good, sign in again")]
    CodeRefused,
    /// No browser could be opened. A program can show the address instead; see
    /// [`login_with_browser_opened_by`](crate::SyncKitClient::login_with_browser_opened_by).
    #[error("no browser could be opened")]
    NoBrowser(#[source] std::io::Error),
    /// Nobody has come back from the browser in time.
    #[error("nobody signed in with the browser in time")]
    LoginTimedOut,

    /// Encryption is not set up on this client: nothing is ever pushed or pulled in the clear.
    #[error("encryption is not set up")]
    NoMasterKey,
    /// The user has no key on the server yet: call
    /// [`setup_encryption_new`](crate::SyncKitClient::setup_encryption_new).
    #[error("there is no key on the server yet")]
    NoServerKey,
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The passphrase does not open the key on the server.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The passphrase is the account's password, which the server is told at every sign-in: it could read everything. Take
    /// another one, or build the client with
    /// [`allow_passphrase_as_password`](crate::ClientBuilder::allow_passphrase_as_password).
    #[error("the passphrase must not be the account's password")]
    PassphraseIsPassword,
    /// The recovery code is not the one of the key on the server.
    #[error("wrong recovery code")]
    WrongRecoveryCode,
    /// The key on the server has no recovery code.
    #[error("there is no recovery code for the key on the server")]
    NoRecoveryCode,
    /// Syncing cannot go on until the user has done something. What was to be pushed is kept: push the same changes again.
    #[error("blocked: {0}")]
    Blocked(BlockReason),
    /// A rotation is under way: finish it with [`rotate_key`](crate::SyncKitClient::rotate_key), or cancel it.
    #[error("a rotation of the key is under way")]
    RotationInProgress,
    /// Other devices push more, round after round, than this one can seal again. Everything is readable; try again.
    #[error("the rotation could not catch up with what other devices push")]
    RotationOutrun,
    /// The server was caught, and this client refuses to go on: see [`TamperPolicy`](crate::TamperPolicy). Nothing of the
    /// page was given out.
    #[error("the server contradicts itself or others: {}", evidence.first().map_or_else(String::new, ToString::to_string))]
    Tampered {
        /// What was found; never empty.
        evidence: Vec<Evidence>,
    },
    /// The client's master key is not the server's current one: set up encryption with the passphrase again.
    #[error("the client holds key version {have}, the server's is {want}")]
    WrongKey {
        /// Key version that the client holds.
        have: u32,
        /// Key version that the server wants.
        want: u32,
    },
    /// What the server gives for a key contradicts what this device has seen before. Nothing was changed. If the user has
    /// really started over, call [`forget_key`](crate::SyncKitClient::forget_key) and set up anew.
    #[error("the server's key is not the one that this device knows: {0}")]
    KeyChanged(#[from] PinError),
    /// This device has seen a key on the server, and now there is none. Nothing was changed; see
    /// [`KeyChanged`](Self::KeyChanged).
    #[error("the key on the server is gone")]
    KeyGone,
    /// The key on the server is damaged, or in a format that this version does not read.
    #[error("the key on the server cannot be used: {0}")]
    BadEnvelope(EnvelopeError),
    /// Sealing failed: the operating system gave no randomness, or a stream is at its end.
    #[error("sealing failed: {0}")]
    Sealing(#[from] FormatError),
    /// The key store cannot be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),

    /// A push of no changes at all.
    #[error("there is nothing to push")]
    NothingToPush,
    /// Changes that no server would take; nothing was sent, or the server refused the batch as a whole.
    #[error("{} at fault, the first: change {}, {}: {}",
        if faults.len() == 1 { "a change is".to_owned() } else { format!("{} fields of changes are", faults.len()) },
        faults.first().map_or(0, |fault| fault.index),
        faults.first().map_or("", |fault| &fault.field),
        faults.first().map_or("", |fault| &fault.reason))]
    InvalidChanges {
        /// Every fault of every change; `index` counts from 0 in the pushed list.
        faults: Vec<ChangeFault>,
    },
    /// A change's data is too large once it is sealed; nothing was sent.
    #[error("change {index} is larger than {limit} bytes once it is sealed")]
    ChangeTooLarge {
        /// Position of the change in the pushed list, from 0.
        index: usize,
        /// Bytes that the server takes.
        limit: usize,
    },
    /// A value that the protocol does not allow; nothing was sent, or the server refused it.
    #[error("{field}: {reason}")]
    InvalidField {
        /// The field at fault.
        field: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The device was removed: register it again.
    #[error("this device was removed, register it again")]
    DeviceRevoked,
    /// The server lost a part of its history (a backup was put back): pull from `resume_from` and push again what was
    /// written since.
    #[error("the server's log was put back to an earlier state")]
    LogRewound {
        /// The last position of this device that the server knows.
        resume_from: Cursor,
    },
    /// Other devices wrote beyond the expected cursor: pull, merge, push again.
    #[error("other devices have written meanwhile")]
    LogMoved,
    /// The cursor is older than a removed deletion: pull from the start and drop the rows that do not come.
    #[error("the cursor is too old, pull from the start")]
    LogCompacted,
    /// The key on the server is another one than the request named.
    #[error("the key on the server has changed")]
    KeyVersionConflict {
        /// The server's current key version, 0 if there is no key.
        key_version: u32,
        /// The key's current revision, where the server told it.
        revision: Option<u64>,
    },
    /// This batch id was used for other changes.
    #[error("the batch id was used before")]
    BatchIdReused {
        /// The answer that the first push got.
        cursor: Option<Cursor>,
    },
    /// The app wants a membership that this user has not.
    #[error("this app needs a membership")]
    MembershipRequired,
    /// The user's storage is full.
    #[error("the storage quota is reached")]
    QuotaExceeded,
    /// Too many requests, also after the retries.
    #[error("too many requests")]
    RateLimited {
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// Absent, or another user's.
    #[error("not found")]
    NotFound,

    /// The blob is not what it claims to be, or this device has no key for it. Nothing of it was given out.
    #[error("the blob cannot be used: {0}")]
    BadBlob(#[from] BlobError),
    /// A file changed between the two times that it was read; nothing was sent.
    #[error("the file changed while it was read")]
    FileChanged,
    /// The server takes no blob of this size.
    #[error("the server takes no blob of this size")]
    BlobTooLarge,
    /// The server stores no blobs.
    #[error("this server stores no blobs")]
    NoBlobs,
    /// A file on this machine cannot be read or written, or what was given to read from or write to failed.
    #[error("reading or writing failed: {0}")]
    Io(#[from] std::io::Error),

    /// Any other refusal.
    #[error("the server answered {status}: {message}")]
    Server {
        /// HTTP status.
        status: u16,
        /// The stable code, if this version knows it.
        code: Option<ErrorCode>,
        /// The server's sentence for a person.
        message: String,
    },
    /// The server could not be reached, or the connection broke, also after the retries.
    #[error("the server cannot be reached")]
    Network(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not what the protocol says.
    #[error("the server's answer cannot be read: {0}")]
    BadAnswer(String),
    /// A value cannot be written as JSON.
    #[error("not to be written as JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The async runtime is shutting down.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

/// What a client waits for before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockReason {
    /// The key was replaced, and the old one does not lead to it: call
    /// [`setup_encryption_existing`](crate::SyncKitClient::setup_encryption_existing) with the passphrase.
    #[error("the key was replaced, the passphrase is needed")]
    PassphraseNeeded,
}

impl From<EnvelopeError> for SyncKitError {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::EmptyPassphrase => Self::EmptyPassphrase,
            EnvelopeError::WrongPassphrase => Self::WrongPassphrase,
            EnvelopeError::WrongRecoveryCode => Self::WrongRecoveryCode,
            EnvelopeError::NoSlot(SlotKind::Recovery) => Self::NoRecoveryCode,
            other => Self::BadEnvelope(other),
        }
    }
}

impl SyncKitError {
    /// The typed error for this answer.
    pub(crate) fn from_answer(status: u16, body: Option<ErrorBody>, retry_after: Option<Duration>) -> Self {
        let Some(body) = body else { return Self::from_bare_status(status, retry_after) };
        match body.code {
            Some(ErrorCode::Unauthenticated) => Self::Unauthenticated,
            Some(ErrorCode::InvalidCredentials) => Self::InvalidCredentials,
            Some(ErrorCode::TwoFactorRequired) => Self::TwoFactorRequired,
            Some(ErrorCode::QuotaExceeded) => Self::QuotaExceeded,
            Some(ErrorCode::MembershipRequired) => Self::MembershipRequired,
            Some(ErrorCode::DeviceRevoked) => Self::DeviceRevoked,
            Some(ErrorCode::NotFound) => Self::NotFound,
            Some(ErrorCode::LogRewound) => {
                Self::LogRewound { resume_from: body.resume_from.unwrap_or_default() }
            }
            Some(ErrorCode::LogMoved) => Self::LogMoved,
            Some(ErrorCode::LogCompacted) => Self::LogCompacted,
            Some(ErrorCode::KeyVersionConflict) => Self::KeyVersionConflict {
                key_version: body.key_version.unwrap_or_default(),
                revision: body.revision,
            },
            Some(ErrorCode::RotationInProgress) => Self::RotationInProgress,
            Some(ErrorCode::BatchIdReused) => Self::BatchIdReused { cursor: body.cursor },
            Some(ErrorCode::InvalidChange) => Self::InvalidChanges { faults: body.changes },
            Some(ErrorCode::InvalidField) => {
                Self::InvalidField { field: body.field.unwrap_or_default(), reason: body.error }
            }
            Some(ErrorCode::RateLimited) => Self::RateLimited { retry_after },
            Some(ErrorCode::NoBlobs) => Self::NoBlobs,
            code => match Self::from_bare_status(status, retry_after) {
                Self::Server { status, .. } => Self::Server { status, code, message: body.error },
                typed => typed,
            },
        }
    }

    /// For servers that send no code, and for proxies in front of them: the status alone.
    fn from_bare_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            401 => Self::Unauthenticated,
            402 => Self::QuotaExceeded,
            404 => Self::NotFound,
            429 => Self::RateLimited { retry_after },
            _ => Self::Server { status, code: None, message: String::from("no reason given") },
        }
    }
}
