//! How a store is opened, and where its file is.

use std::path::PathBuf;

use super::connect::Synchronous;

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
