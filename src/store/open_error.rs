//! Why a store could not be opened.

use std::path::PathBuf;

use thiserror::Error;

use crate::error::Fault;

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
