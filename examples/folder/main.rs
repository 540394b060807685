//! Keeps a folder in sync between a user's devices. The server stores the files, but cannot read them. A run takes
//! seconds plus the transfer; with `--watch`, it runs until Ctrl-C.
//!
//! ```text
//! cargo example folder -- --server URL --api-key KEY --email EMAIL ~/Shared
//! cargo example folder -- --server URL --api-key KEY --email EMAIL ~/Shared --watch
//! ```
//!
//! Asks for the password and the passphrase, or takes them from `TIDELOG_PASSWORD` and `TIDELOG_PASSPHRASE`. The
//! passphrase creates the user's key on the first device, and opens it on the others.
//!
//! Each file is a blob (its encrypted bytes) and a row of the table `files` (its path is the row's id; hash, size and
//! time are the value, encrypted as well). The newest row of a path decides. A row also names the version that it
//! replaces. So a device can tell whether the writer had seen the device's own version, and keeps that one under
//! another name if not. A file that changed on two devices ends up there twice, and nothing is lost.
//!
//! | file | what it holds |
//! |---|---|
//! | `tree`, `scan` | the folder on disk, out of which no path leads; the files in it |
//! | `row` | what the log says about a file |
//! | `state` | what was the same in the folder and in the log after the last sync |
//! | `incoming`, `outgoing` | changes from other devices, and changes made here |
//! | `account`, `progress` | signing in; the progress bar |
//!
//! Not synced: empty folders, links, permissions, files whose path is not UTF-8 or has more than 255 characters, and
//! what may not be read, such as `lost+found`. Files that can no longer be read do not count as deleted.
//! The exit code is 1 if anything could not be synced; the next run tries again.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an app is not the server")]

mod account;
mod incoming;
mod outgoing;
mod progress;
mod row;
mod scan;
mod state;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use account::Account;
use clap::Parser;
use state::State;
use tree::Tree;

pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// How often a watched folder is scanned for local changes.
const SCAN_INTERVAL: Duration = Duration::from_secs(2);

/// Keeps a folder in sync between a user's devices.
#[derive(Parser)]
#[command(name = "folder")]
struct Arguments {
    #[command(flatten)]
    account: account::Options,
    /// The device's name in the user's list of devices
    #[arg(long, value_name = "NAME", default_value = "folder")]
    device: String,
    /// Keep syncing until Ctrl-C
    #[arg(long, conflicts_with = "clean")]
    watch: bool,
    /// Afterwards, delete blobs from the server that no file needs. No other device may be syncing at the time
    #[arg(long)]
    clean: bool,
    /// The folder to sync
    folder: PathBuf,
}

/// One folder, one account, and what was the same in both after the last sync.
pub(crate) struct Folder {
    pub(crate) tree: Tree,
    pub(crate) account: Account,
    pub(crate) state: State,
    /// What could not be synced this time, for the user.
    pub(crate) problems: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("folder: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Vec<String>> {
    let tree = Tree::open(&arguments.folder)?;
    let state = State::load(&tree)?;
    let account = Account::sign_in(&arguments.account, &arguments.device, state.install_id).await?;
    let mut folder = Folder { tree, account, state, problems: Vec::new() };
    folder.sync().await?;
    if arguments.watch {
        folder.watch().await?;
    }
    if arguments.clean && folder.problems.is_empty() {
        folder.clean().await?;
    }
    folder.account.client.logout().await?;
    Ok(folder.problems)
}

impl Folder {
    /// Applies what other devices changed, then pushes what changed here.
    async fn sync(&mut self) -> Result<()> {
        self.problems.clear();
        let unresolved = self.apply_remote().await?;
        self.push_local(&unresolved).await?;
        for problem in &self.problems {
            eprintln!("folder: {problem}");
        }
        Ok(())
    }

    /// Syncs whenever another device has changed something, and at intervals. Returns only with an error that the
    /// user has to fix.
    async fn watch(&mut self) -> Result<()> {
        let client = self.account.client.clone();
        let mut notifications = client.subscribe_notifications(self.account.device, self.state.cursor);
        loop {
            // Syncs after the timeout as well, to find local changes.
            if let Ok(notification) = tokio::time::timeout(SCAN_INTERVAL, notifications.next()).await {
                notification?;
            }
            if let Err(error) = self.sync().await {
                eprintln!("folder: {error}");
            }
        }
    }

    /// Deletes blobs that no file refers to, because their files were replaced or deleted.
    async fn clean(&mut self) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.account.client.list_blobs(after.as_deref()).await?;
            for blob in &page.blobs {
                if !self.state.refers_to(&blob.hash) {
                    self.account.client.delete_blob(&blob.hash).await?;
                }
            }
            after = page.blobs.last().map(|blob| blob.hash.clone());
            if !page.has_more {
                return Ok(());
            }
        }
    }
}
