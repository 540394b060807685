//! The database, and the only place that knows SQLite.
//!
//! One thread writes (`writer`), a pool reads (`readers`), and one file per noun holds the statements of that noun beside
//! the operations that use them. [`Store`] offers whole operations with model types in and out: what a caller may do is
//! decided in the transaction that does it, so that nothing can change in between.
//!
//! Naming: `find_` returns an `Option`, `list_` all of them, `count_` a number. A possible outcome of a request is a value;
//! an `Err` is a [`Fault`] of the machine or the program, in every operation, and no operation's documentation repeats that.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this folder owns SQLite")]

mod account_sessions;
mod accounts;
mod apps;
mod audit;
mod authorization_codes;
mod batch_buffer;
mod blob_totals;
mod blobs;
mod changes;
mod check;
mod connect;
mod device_progress;
mod devices;
mod epochs;
mod export;
mod federated_identities;
mod filesystem;
mod group;
mod issuers;
mod keys;
mod links;
mod lock;
mod maintenance;
mod migrations;
mod origins;
mod passwords;
mod personal_access_tokens;
mod readers;
mod refresh_tokens;
mod rotations;
mod second_factors;
mod session_devices;
mod sessions;
mod signing_keys;
#[cfg(test)]
mod tests;
mod user_deletion;
mod users;
mod writer;
mod writer_cache;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::{PoisonError, RwLock};

use thiserror::Error;

pub use account_sessions::{AccountSession, NewAccountSession};
pub use accounts::Account;
pub use authorization_codes::{CodeExchange, NewAuthorizationCode};
pub use blobs::{
    CheckedUpload, ConfirmUploadOutcome, Confirmable, GrantOutcome, NewUpload, RemovedObject, StoredBlob,
};
pub use connect::Synchronous;
pub use devices::Registration;
pub use federated_identities::{IdentityProof, NewFederatedSession};
pub use links::{NewLink, SignUpOutcome};
pub use migrations::SCHEMA_VERSION;
pub use passwords::{PasswordUpdate, PasswordUpdateOutcome};
pub use personal_access_tokens::NewPersonalAccessToken;
pub use refresh_tokens::{TokenRefresh, TokenSuccessor};
pub use rotations::{UndoOutcome, UndoReport};
pub use sessions::{NewSession, StoredCredentials, UserCredentials};
pub use signing_keys::SigningKey;
pub use users::NewUser;

use crate::clock::Clock;
use crate::error::Fault;
use crate::model::cursors::Epochs;
use crate::notify::Hub;
use batch_buffer::BatchBuffer;
use device_progress::DeviceProgress;
use readers::Readers;
use session_devices::SessionDevices;

/// The database's file inside a data folder.
pub const DATABASE_FILE: &str = "tidelog.db";

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds everything; created if it is missing.
    pub data: PathBuf,
    /// When a commit counts as done.
    pub synchronous: Synchronous,
    /// Reading connections.
    pub readers: u32,
    /// Open it even on a network file system, where SQLite's locks are unreliable.
    pub allow_network_file_system: bool,
    /// For serving, which begins a new epoch; otherwise for a command that runs alone.
    pub serving: bool,
    /// How long the audit log is kept, in days.
    pub audit_days: u32,
}

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another tidelog process")]
    InUse(PathBuf),
    /// Another program wrote the file.
    #[error("{0} is a database, but not a Tidelog database")]
    Foreign(PathBuf),
    /// A development build from before the first release wrote it.
    #[error(
        "{0} was written by a development build of Tidelog from before its first release, and this program cannot read it: \
         keep running that build, or move the file away to start with an empty one"
    )]
    Unreleased(PathBuf),
    /// A newer Tidelog wrote it.
    #[error(
        "{path} has schema version {found}, this program knows versions up to {known}: run the newer program that wrote it"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// SQLite's locking and shared memory do not work across a network.
    #[error(
        "{path} is on a network file system ({kind}), where SQLite can lose data; \
         use a local disk, or set storage.allow_network_file_system = true if you know better"
    )]
    NetworkFileSystem {
        /// The data folder.
        path: PathBuf,
        /// What it is on.
        kind: &'static str,
    },
    /// The folder or a file in it could not be created or read.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An open database. Cheap to clone; closes when the last clone is dropped or [`Store::close`] is called.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    readers: Readers,
    writer: writer::Handle,
}

/// What the writer, the readers and maintenance share.
struct Shared {
    options: Options,
    clock: Clock,
    hub: Hub,
    epochs: RwLock<Option<Arc<Epochs>>>,
    /// The newest committed seq of the whole database.
    head: AtomicI64,
    /// Until when the last proof that the database can be written is valid, microseconds since 1970.
    proven_until_us: AtomicI64,
    progress: DeviceProgress,
    session_devices: SessionDevices,
    buffer: BatchBuffer,
    failures: audit::FailureBuffer,
}

impl Shared {
    fn epochs(&self) -> Result<Arc<Epochs>, Fault> {
        let epochs = self.epochs.read().unwrap_or_else(PoisonError::into_inner).clone();
        epochs.ok_or(Fault::Unavailable("the store is open for commands only"))
    }
}

impl Store {
    /// Opens the database of a data folder, creating or migrating it as needed, and starts its writer.
    ///
    /// # Errors
    /// See [`OpenError`]. A database that was refused is left as it was.
    pub fn open(options: Options, clock: Clock, hub: Hub) -> Result<Self, OpenError> {
        let lock = lock::DataLock::take(&options.data)?;
        filesystem::refuse_network(&options)?;
        let connection = migrations::open_current(&options, &clock)?;
        let readers = Readers::new(&options)?;
        let shared = Arc::new(Shared {
            head: AtomicI64::new(epochs::newest_seq(&connection)?),
            epochs: RwLock::new(None),
            proven_until_us: AtomicI64::new(0),
            progress: DeviceProgress::default(),
            session_devices: SessionDevices::default(),
            buffer: BatchBuffer::default(),
            failures: audit::FailureBuffer::default(),
            options,
            clock,
            hub,
        });
        shared.buffer.load(&connection)?;
        if shared.options.serving {
            epochs::begin(&connection, &shared)?;
        }
        let writer = writer::start(connection, lock, shared.clone(), readers.clone())?;
        Ok(Self { shared, readers, writer })
    }

    /// The current time, in microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        self.shared.clock.now_us()
    }

    /// Writes what is still in memory, truncates the write-ahead log and closes the file. Later operations fail with
    /// [`Fault::Unavailable`].
    pub async fn close(&self) {
        if let Err(fault) = self.flush_device_progress().await {
            tracing::warn!(%fault, "could not write the progress of devices at shutdown");
        }
        if let Err(fault) = self.flush_failures().await {
            tracing::warn!(%fault, "could not write failed sign-ins at shutdown");
        }
        // So that the next start has no buffer to load.
        if let Err(fault) = self.write(1, changes::flush_all).await {
            tracing::warn!(%fault, "could not flush the batch buffer at shutdown");
        }
        self.readers.pause();
        self.writer.close().await;
    }
}

/// A time from the database, which was checked when it was written.
fn timestamp(micros: i64) -> tidelog_protocol::Timestamp {
    tidelog_protocol::Timestamp::from_micros(micros).unwrap_or(tidelog_protocol::Timestamp::EPOCH)
}
