#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod blocking;
mod change;
mod client;
mod devices;
mod encryption;
mod error;
pub mod formats;
pub mod keystore;
mod outbox;
mod pinned;
mod pull;
mod push;
mod retry;
mod seal;
mod session;
mod status;
mod transport;

pub use change::ChangeEntry;
pub use client::{ClientBuilder, SyncKitClient, SyncKitConfig};
pub use error::{Result, SyncKitError};
pub use formats::KdfCost;
pub use keystore::{KeyStore, KeyStoreError, MemoryStore, SealedFileStore};
pub use pull::{PullFilter, PulledChange, PulledPage, QuarantineReason, QuarantinedEntry};
pub use session::SessionInfo;
pub use tidelog_protocol::{
    ChangeFault, Cursor, Device, ErrorCode, InvalidCursor, Op as ChangeOp, Platform, StatusResponse,
    Timestamp,
};
