// Its examples run in `tests/kit/src/lib.rs`, where there is a server.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

mod blobs;
mod blocking;
mod change;
mod client;
mod devices;
mod encryption;
mod error;
mod evidence;
pub mod formats;
pub mod keystore;
mod master_key;
mod notification_timeouts;
mod notifications;
mod oauth;
mod original;
mod outbox;
mod pinned;
mod pull;
mod push;
mod quarantine;
#[cfg(feature = "sqlite")]
pub mod replica;
mod retry;
mod server_limits;
mod session;
mod status;
mod transport;
mod verify;
mod watch;

pub use blobs::{BlobInfo, BlobPage, BlobProgress, BlobRef, BlobStage};
pub use change::ChangeEntry;
pub use client::{ClientBuilder, SyncKitClient, SyncKitConfig};
pub use encryption::{PasswordChange, RotationOutcome, RotationProgress};
pub use error::{BlockReason, Result, SyncKitError};
pub use evidence::{Evidence, StreamName};
pub use formats::{BlobError, KdfCost, Padding, RecoveryKey, Rotation};
pub use keystore::{KeyStore, KeyStoreError, MemoryStore, SealedFileStore};
pub use notifications::{ConnectionState, Notification, Notifications};
pub use oauth::AuthorizeUrl;
pub use pull::{PullFilter, PulledChange, PulledPage};
pub use quarantine::{QuarantineReason, QuarantinedEntry};
pub use session::SessionInfo;
pub use tidelog_protocol::{
    ChangeFault, Cursor, Device, ErrorCode, InvalidCursor, Op as ChangeOp, Platform, StatusResponse,
    Timestamp,
};
pub use verify::{StreamSummary, VerifyReport};
pub use watch::{TamperPolicy, WatchState};
