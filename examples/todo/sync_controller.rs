//! Runs the sync in the background, reports its status, and signs in again when only the user can help.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use tidelog_client::replica::{Blocked, Cell, Problem, Replica, ReplicaError, Status};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::account::{Account, Options};
use crate::{Result, sibling_path, sync};

/// A replica that runs in the background.
pub(crate) struct SyncTask {
    pub(crate) replica: Replica,
    pub(crate) status: watch::Receiver<Status>,
    /// Ends only if the replica cannot continue.
    pub(crate) task: JoinHandle<ReplicaError>,
}

/// How to show the status.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusKind {
    Live,
    Busy,
    Offline,
    Failed,
}

pub(crate) struct SyncController {
    runtime: Handle,
    database: PathBuf,
    account: Account,
    sync: SyncTask,
    /// Rows that the server does not have yet.
    unsent: u64,
    /// Why the replica cannot continue.
    ended: Option<String>,
    /// Prevents two processes from syncing one database: each would take the other's changes for its own.
    _lock: File,
}

impl SyncController {
    /// Signs in unless an earlier run has, and begins to sync.
    pub(crate) fn start(runtime: &Handle, options: &Options, device: &str, database: &Path) -> Result<Self> {
        let lock = File::create(sibling_path(database, "lock"))?;
        lock.try_lock().map_err(|_| format!("{} is already open", database.display()))?;
        let account = runtime.block_on(Account::open(options, device, database))?;
        let sync = sync::start(database, &account)?;
        let (runtime, database) = (runtime.clone(), database.to_owned());
        Ok(Self { runtime, database, account, sync, unsent: 0, ended: None, _lock: lock })
    }

    /// Updates the number of unsent rows, and returns descriptions of the replica's problems.
    pub(crate) fn refresh(&mut self) -> Result<Vec<String>> {
        if self.ended.is_some() {
            return Ok(Vec::new());
        }
        self.unsent = self.runtime.block_on(self.sync.replica.unsent())?;
        let problems = self.runtime.block_on(self.sync.replica.problems())?;
        Ok(problems.iter().map(describe).collect())
    }

    /// Dismisses the problems.
    pub(crate) fn dismiss_problems(&self) -> Result<()> {
        Ok(self.runtime.block_on(self.sync.replica.dismiss_problems())?)
    }

    /// The status, in a few words.
    pub(crate) fn status(&mut self) -> Result<(StatusKind, String)> {
        self.account.store_session()?;
        if self.ended.is_none() && self.sync.task.is_finished() {
            let end = self.runtime.block_on(&mut self.sync.task);
            self.ended = Some(end.unwrap_or_else(|panic| resume_unwind(panic.into_panic())).to_string());
        }
        if let Some(reason) = &self.ended {
            return Ok((StatusKind::Failed, format!("✗ {reason}")));
        }
        let status = self.sync.status.borrow().clone();
        Ok(match &status {
            Status::Live => (StatusKind::Live, format!("● {status}")),
            Status::Syncing { .. } => (StatusKind::Busy, format!("↕ {status}")),
            Status::Blocked(_) if self.needs_user() => (StatusKind::Failed, format!("✗ {status}: press s")),
            Status::Blocked(_) => (StatusKind::Failed, format!("✗ {status}")),
            _ if self.unsent > 0 => (StatusKind::Offline, format!("○ {status}, {} to send", self.unsent)),
            _ => (StatusKind::Offline, format!("○ {status}")),
        })
    }

    /// Whether the replica waits for the user to sign in again.
    pub(crate) fn needs_user(&self) -> bool {
        use Blocked::{DeviceRevoked, Passphrase, SignIn};
        matches!(&*self.sync.status.borrow(), Status::Blocked(SignIn | Passphrase | DeviceRevoked))
    }

    /// Tries again at once, without waiting any longer.
    pub(crate) fn retry_now(&self) {
        self.sync.replica.nudge();
    }

    /// Signs in again, with a prompt on the terminal, which the screen must not be using.
    pub(crate) fn sign_in(&mut self) -> Result<()> {
        self.runtime.block_on(self.account.sign_in())?;
        // If this device was removed, it was registered anew, with another id.
        self.sync.task.abort();
        self.sync = sync::start(&self.database, &self.account)?;
        Ok(())
    }
}

/// Says what is wrong, and with which row.
fn describe(problem: &Problem) -> String {
    let row = problem.data.as_ref().and_then(|row| row.get("title").or(row.get("name")));
    match row {
        Some(Cell::Text(name)) => format!("{name}: {}", problem.reason),
        _ => format!("a row in {}: {}", problem.table, problem.reason),
    }
}
