//! Keeps a folder the same on all of a user's devices. The server stores the files and can read none of them.
//!
//! ```text
//! cargo example folder -- --server URL --api-key KEY --email ADDRESS ~/Shared
//! cargo example folder -- --server URL --api-key KEY --email ADDRESS ~/Shared --watch
//! ```
//!
//! Asks for the password and the passphrase, or takes them from `TIDELOG_PASSWORD` and `TIDELOG_PASSPHRASE`. The passphrase makes the
//! user's key on the first device and opens it on the others.
//!
//! Each file is a blob (its bytes, sealed) and a row of the table `files` (its path as the row's id; hash, size and time as the value,
//! sealed as well). The newest row of a path is the truth. Beside its new value, a row says which one it takes the place of: so a
//! device knows whether the writer had seen what it holds, and keeps it under another name if not. What changed in two places is there
//! twice; nothing is lost.
//!
//! | file | what it holds |
//! |---|---|
//! | `tree` | the folder on disk: no name leads out of it |
//! | `row` | what is said about a file in the log |
//! | `state` | what the folder and the log had in common the last time |
//! | `incoming`, `outgoing` | what others changed, and what was changed here |
//! | `account`, `bar` | signing in; the progress bar |
//!
//! What it leaves out: empty folders, links, permissions, and files whose path is no text or longer than 255 characters.
//! The exit code is 1 if anything could not be synced; it is tried again the next time.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an app is not the server")]

mod account;
mod bar;
mod incoming;
mod outgoing;
mod row;
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

/// How often a folder that is watched is looked at: programs that write files tell nobody.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keeps a folder the same on all of a user's devices.
#[derive(Parser)]
#[command(name = "folder")]
struct Arguments {
    #[command(flatten)]
    account: account::Options,
    /// What the user sees in the list of devices
    #[arg(long, value_name = "NAME", default_value = "folder")]
    device: String,
    /// Go on until Ctrl-C
    #[arg(long, conflicts_with = "clean")]
    watch: bool,
    /// Afterwards, delete from the server what no file of the folder needs. No other device may be syncing meanwhile
    #[arg(long)]
    clean: bool,
    /// The folder
    folder: PathBuf,
}

/// One folder, one account, and what they had in common the last time.
pub(crate) struct Folder {
    pub(crate) tree: Tree,
    pub(crate) account: Account,
    pub(crate) state: State,
    /// What could not be synced in this round, in words.
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
    folder.round().await?;
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
    /// Takes in what others changed, then sends what changed here.
    async fn round(&mut self) -> Result<()> {
        self.problems.clear();
        let unsettled = self.take_in().await?;
        self.send_out(&unsettled).await?;
        for problem in &self.problems {
            eprintln!("folder: {problem}");
        }
        Ok(())
    }

    /// Round after round: when another device has changed something, and every now and then. Ends with what only the user can help.
    async fn watch(&mut self) -> Result<()> {
        let client = self.account.client.clone();
        let mut notifications = client.subscribe_notifications(self.account.device, self.state.cursor);
        loop {
            // Nothing heard is as good a reason to look as a change.
            if let Ok(heard) = tokio::time::timeout(LOOK_EVERY, notifications.next()).await {
                heard?;
            }
            if let Err(error) = self.round().await {
                eprintln!("folder: {error}");
            }
        }
    }

    /// Deletes blobs that no file names, as their files were replaced or deleted.
    async fn clean(&mut self) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.account.client.list_blobs(after.as_deref()).await?;
            for blob in &page.blobs {
                if !self.state.names_blob(&blob.hash) {
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
