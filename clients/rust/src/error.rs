//! Every error of the SDK, each with what a program can do about it.

use std::time::Duration;

use tidelog_protocol::{ChangeFault, Cursor, ErrorCode};

use crate::evidence::Evidence;
use crate::formats::{BlobError, EnvelopeError, FormatError, PinError, SlotKind};
use crate::keystore::KeyStoreError;

/// The result of the SDK's methods.
pub type Result<T, E = SyncKitError> = std::result::Result<T, E>;

/// Everything that can go wrong in the SDK.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncKitError {
    // Signing in.
    /// Nobody is signed in: call [`authenticate`](crate::SyncKitClient::authenticate) or
    /// [`restore_session`](crate::SyncKitClient::restore_session) first.
    #[error("not signed in")]
    NotAuthenticated,
    /// The session's token has expired and there is no refresh token: sign in again.
    #[error("the session has expired, sign in again")]
    TokenExpired,
    /// The server no longer accepts the session, because it was ended or the password was changed: sign in again.
    #[error("the session is no longer valid, sign in again")]
    Unauthenticated,
    /// Wrong email, password or API key; the server does not say which.
    #[error("wrong email, password or API key")]
    InvalidCredentials,
    /// The password is right, but the account has two-factor authentication, for which the user has to sign in with the
    /// browser: call [`login_with_browser`](crate::SyncKitClient::login_with_browser).
    #[error("this account has two-factor authentication, sign in with the browser")]
    TwoFactorRequired,
    /// The user declined the sign-in in the browser.
    #[error("the sign-in was declined in the browser")]
    AccessDenied,
    /// The browser came back without a code.
    #[error("the sign-in in the browser failed: {error}")]
    SignInFailed {
        /// The error code of RFC 6749 that it brought instead, such as `server_error`.
        error: String,
    },
    /// What the browser brought belongs to another sign-in or to another server; nothing was sent.
    #[error("the browser came back from another sign-in")]
    ForeignCallback,
    /// The code from the browser, or the token of another issuer, has expired, was used before, or is not accepted by
    /// this app: start the sign-in again.
    #[error("the sign-in code or token is not accepted, sign in again")]
    CodeRefused,
    /// No browser could be opened. The program can show the URL instead; see
    /// [`login_with_browser_opened_by`](crate::SyncKitClient::login_with_browser_opened_by).
    #[error("no browser could be opened")]
    NoBrowser(#[source] std::io::Error),
    /// Nobody came back from the browser in time.
    #[error("the sign-in with the browser timed out")]
    LoginTimedOut,

    // Keys.
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
    /// The passphrase is the account's password. The server sees that at every sign-in, so it could read everything.
    /// Choose another one, or build the client with
    /// [`allow_passphrase_as_password`](crate::ClientBuilder::allow_passphrase_as_password).
    #[error("the passphrase must not be the account's password")]
    PassphraseIsPassword,
    /// The recovery key does not open the key on the server.
    #[error("wrong recovery key")]
    WrongRecoveryKey,
    /// The key on the server has no recovery key.
    #[error("there is no recovery key for the key on the server")]
    NoRecoveryKey,
    /// Syncing cannot go on until the user has done something. The changes to be pushed are kept: push the same ones
    /// again.
    #[error("blocked: {0}")]
    Blocked(BlockReason),
    /// A rotation is under way: finish it with [`rotate_key`](crate::SyncKitClient::rotate_key), or cancel it.
    #[error("a rotation of the key is under way")]
    RotationInProgress,
    /// Other devices keep pushing more than this one can re-encrypt. Everything is readable; try again.
    #[error("the rotation could not catch up with what other devices push")]
    RotationOutrun,
    /// There is evidence against the server, and this client refuses to go on: see
    /// [`TamperPolicy`](crate::TamperPolicy). Nothing of the page was returned.
    #[error("the server contradicts itself or another device: {}", evidence.first().map_or_else(String::new, ToString::to_string))]
    Tampered {
        /// What was found; never empty.
        evidence: Vec<Evidence>,
    },
    /// The client's master key is not the server's current one: set up encryption with the passphrase again.
    #[error("the client holds key version {have}, the server's is {want}")]
    WrongKey {
        /// The key version that the client holds.
        have: u32,
        /// The key version that the server wants.
        want: u32,
    },
    /// The server's key contradicts what this device has seen before. Nothing was changed. If the user has really
    /// started over, call [`forget_key`](crate::SyncKitClient::forget_key) and set up encryption again.
    #[error("the server's key is not the one that this device knows: {0}")]
    KeyChanged(#[from] PinError),
    /// This device has seen a key on the server, and now there is none. Nothing was changed; see
    /// [`KeyChanged`](Self::KeyChanged).
    #[error("the key on the server is gone")]
    KeyGone,
    /// The key on the server is damaged, or in a format that this version does not read.
    #[error("the key on the server cannot be used: {0}")]
    BadEnvelope(EnvelopeError),
    /// Sealing failed: the operating system gave no randomness, or a stream is exhausted.
    #[error("sealing failed: {0}")]
    Sealing(#[from] FormatError),
    /// The key store cannot be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),

    // Pushing.
    /// A push without changes.
    #[error("there is nothing to push")]
    NothingToPush,
    /// Changes that no server accepts; nothing was sent, or the server refused the batch as a whole.
    #[error("invalid changes ({} faults), first change {}, {}: {}",
        faults.len(),
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
        /// The change's position in the pushed list, from 0.
        index: usize,
        /// The server's limit in bytes.
        limit: usize,
    },
    /// A value that the protocol does not allow; nothing was sent, or the server refused it.
    #[error("{field}: {reason}")]
    InvalidField {
        /// The name of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },

    // The log.
    /// The device was revoked: register it again.
    #[error("this device was revoked, register it again")]
    DeviceRevoked,
    /// The server lost a part of its history, because a backup was restored: pull from `resume_from`, and push again
    /// what was written since.
    #[error("the server's log was put back to an earlier state")]
    LogRewound {
        /// The last position of this device that the server knows.
        resume_from: Cursor,
    },
    /// The log has entries beyond the expected cursor: pull, merge, push again.
    #[error("the log has new entries")]
    LogMoved,
    /// The cursor is older than a deletion that was removed: pull from the start, and drop the rows that do not come.
    #[error("the cursor is too old, pull from the start")]
    LogCompacted,
    /// The key on the server is not the one that the request named.
    #[error("the key on the server has changed")]
    KeyVersionConflict {
        /// The server's current key version, 0 if there is no key.
        key_version: u32,
        /// The key's current revision, if the server told it.
        revision: Option<u64>,
    },
    /// This batch id was used for other changes.
    #[error("the batch id was used before")]
    BatchIdReused {
        /// The answer to the first push.
        cursor: Option<Cursor>,
    },
    /// The app requires a membership that this user does not have.
    #[error("this app requires a membership")]
    MembershipRequired,
    /// The user's storage is full.
    #[error("the storage quota is reached")]
    QuotaExceeded,
    /// Too many requests, even after the retries.
    #[error("too many requests")]
    RateLimited {
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// It does not exist, or belongs to another user.
    #[error("not found")]
    NotFound,

    // Blobs.
    /// The blob is not what its name says, or this device has no key for it. Nothing of it was returned.
    #[error("the blob cannot be used: {0}")]
    BadBlob(#[from] BlobError),
    /// A file changed between the two times that it was read; nothing was sent.
    #[error("the file changed while it was read")]
    FileChanged,
    /// The blob is larger than the server accepts.
    #[error("the blob is larger than the server accepts")]
    BlobTooLarge,
    /// The server does not store blobs.
    #[error("this server does not store blobs")]
    NoBlobs,
    /// A file on this machine cannot be read or written, or a reader or writer of the program failed.
    #[error("reading or writing failed: {0}")]
    Io(#[from] std::io::Error),

    // Everything else.
    /// Any other refusal.
    #[error("the server answered {status}: {message}")]
    Server {
        /// The HTTP status.
        status: u16,
        /// The stable code, if this version knows it.
        code: Option<ErrorCode>,
        /// The server's explanation, for people.
        message: String,
    },
    /// The server cannot be reached, or the connection broke, even after the retries.
    #[error("the server cannot be reached")]
    Network(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not what the protocol specifies.
    #[error("the server's answer cannot be parsed: {0}")]
    BadAnswer(String),
    /// A value cannot be serialized as JSON.
    #[error("cannot be serialized as JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The async runtime is shutting down.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

/// What a client is waiting for.
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
            EnvelopeError::WrongRecoveryKey => Self::WrongRecoveryKey,
            EnvelopeError::NoSlot(SlotKind::Recovery) => Self::NoRecoveryKey,
            other => Self::BadEnvelope(other),
        }
    }
}
