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
pub mod formats;
pub mod keystore;
mod notifications;
mod oauth;
mod open;
mod pinned;
mod pull;
mod push;
#[cfg(feature = "sqlite")]
pub mod replica;
mod retry;
mod session;
mod status;
mod transport;
mod watch;

pub use blobs::{BlobInfo, BlobPage, BlobProgress, BlobRef, BlobStage};
pub use change::ChangeEntry;
pub use client::{ClientBuilder, SyncKitClient, SyncKitConfig};
pub use encryption::{PasswordChange, RotationOutcome, RotationProgress};
pub use error::{BlockReason, Result, SyncKitError};
pub use formats::vault::Rotation;
pub use formats::{BlobError, KdfCost, Padding, RecoveryCode};
pub use keystore::{KeyStore, KeyStoreError, MemoryStore, SealedFileStore};
pub use notifications::{Connection, Notification, Notifications};
pub use oauth::AuthorizeUrl;
pub use pull::{PullFilter, PulledChange, PulledPage, QuarantineReason, QuarantinedEntry};
pub use session::SessionInfo;
pub use tidelog_protocol::{
    ChangeFault, Cursor, Device, ErrorCode, InvalidCursor, Op as ChangeOp, Platform, StatusResponse,
    Timestamp,
};
pub use watch::{Evidence, StreamName, StreamSummary, TamperPolicy, VerifyReport, WatchState};
