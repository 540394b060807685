//! The app's link to the server: keeps it up, tells how it is doing, and knows what to do where only the user can help.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use tidelog_client::replica::{Blocked, Replica, ReplicaError, Status};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::account::{Account, Options};
use crate::{Result, sync};

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
    /// Why it is at its end.
    ended: Option<String>,
}

impl Link {
    /// Signs in if nobody has, and begins to sync.
    pub(crate) fn start(runtime: &Handle, options: &Options, device: &str, database: &Path) -> Result<Self> {
        let account = runtime.block_on(Account::open(options, device, database))?;
        let syncing = sync::start(database, &account)?;
        Ok(Self { runtime: runtime.clone(), database: database.into(), account, syncing, ended: None })
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
            _ => match self.runtime.block_on(self.syncing.replica.unsent())? {
                0 => (Mood::Away, format!("○ {status}")),
                unsent => (Mood::Away, format!("○ {status}, {unsent} to send")),
            },
        })
    }

    /// Whether signing in again is what it waits for.
    pub(crate) fn wants_the_user(&self) -> bool {
        use Blocked::{DeviceRevoked, Passphrase, SignIn};
        matches!(&*self.syncing.status.borrow(), Status::Blocked(SignIn | Passphrase | DeviceRevoked))
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
