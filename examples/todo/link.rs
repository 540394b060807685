//! The app's link to the server: keeps it up, tells how it is doing, and knows what to do where only the user can help.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use tidelog_client::replica::{Blocked, Cell, Problem, Replica, ReplicaError, Status};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::account::{Account, Options};
use crate::{Result, beside, sync};

/// A replica at work.
pub(crate) struct Syncing {
    pub(crate) replica: Replica,
    pub(crate) status: watch::Receiver<Status>,
    /// Ends only with a replica that is at its end.
    pub(crate) task: JoinHandle<ReplicaError>,
}

/// How it looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Busy,
    Away,
    Bad,
}

/// The link.
pub(crate) struct Link {
    runtime: Handle,
    database: PathBuf,
    account: Account,
    syncing: Syncing,
    /// Rows that the server does not have yet.
    unsent: u64,
    /// Why it is at its end.
    ended: Option<String>,
    /// Keeps the app from syncing one database twice, as two devices that take each other's work for their own.
    _lock: File,
}

impl Link {
    /// Signs in if nobody has, and begins to sync.
    pub(crate) fn start(runtime: &Handle, options: &Options, device: &str, database: &Path) -> Result<Self> {
        let lock = File::create(beside(database, "lock"))?;
        lock.try_lock().map_err(|_| format!("{} is open already", database.display()))?;
        let account = runtime.block_on(Account::open(options, device, database))?;
        let syncing = sync::start(database, &account)?;
        let (runtime, database) = (runtime.clone(), database.to_owned());
        Ok(Self { runtime, database, account, syncing, unsent: 0, ended: None, _lock: lock })
    }

    /// Looks again at what the replica has in the database. Gives its problems, in words.
    pub(crate) fn refresh(&mut self) -> Result<Vec<String>> {
        if self.ended.is_some() {
            return Ok(Vec::new());
        }
        self.unsent = self.runtime.block_on(self.syncing.replica.unsent())?;
        let problems = self.runtime.block_on(self.syncing.replica.problems())?;
        Ok(problems.iter().map(in_words).collect())
    }

    /// Forgets the problems.
    pub(crate) fn dismiss_problems(&self) -> Result<()> {
        Ok(self.runtime.block_on(self.syncing.replica.dismiss_problems())?)
    }

    /// How it is doing, in a few words.
    pub(crate) fn look(&mut self) -> Result<(Mood, String)> {
        self.account.keep_session()?;
        if self.ended.is_none() && self.syncing.task.is_finished() {
            let end = self.runtime.block_on(&mut self.syncing.task);
            self.ended = Some(end.unwrap_or_else(|panic| resume_unwind(panic.into_panic())).to_string());
        }
        if let Some(reason) = &self.ended {
            return Ok((Mood::Bad, format!("✗ {reason}")));
        }
        let status = self.syncing.status.borrow().clone();
        Ok(match &status {
            Status::Live => (Mood::Good, format!("● {status}")),
            Status::Syncing { .. } => (Mood::Busy, format!("↕ {status}")),
            Status::Blocked(_) if self.wants_the_user() => (Mood::Bad, format!("✗ {status}: press s")),
            Status::Blocked(_) => (Mood::Bad, format!("✗ {status}")),
            _ if self.unsent > 0 => (Mood::Away, format!("○ {status}, {} to send", self.unsent)),
            _ => (Mood::Away, format!("○ {status}")),
        })
    }

    /// Whether signing in again is what it waits for.
    pub(crate) fn wants_the_user(&self) -> bool {
        use Blocked::{DeviceRevoked, Passphrase, SignIn};
        matches!(&*self.syncing.status.borrow(), Status::Blocked(SignIn | Passphrase | DeviceRevoked))
    }

    /// Tries at once, instead of when the wait is over.
    pub(crate) fn hurry(&self) {
        self.syncing.replica.nudge();
    }

    /// Asks on the terminal, which must not be in use by the screen.
    pub(crate) fn sign_in(&mut self) -> Result<()> {
        self.runtime.block_on(self.account.sign_in())?;
        // It may be another device now, if this one was removed.
        self.syncing.task.abort();
        self.syncing = sync::start(&self.database, &self.account)?;
        Ok(())
    }
}

/// What is wrong, and with which row.
fn in_words(problem: &Problem) -> String {
    let row = problem.data.as_ref().and_then(|row| row.get("title").or(row.get("name")));
    match row {
        Some(Cell::Text(name)) => format!("{name}: {}", problem.reason),
        _ => format!("a row of {}: {}", problem.table, problem.reason),
    }
}
