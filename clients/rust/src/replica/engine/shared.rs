//! What all clones of a replica share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, broadcast, watch};

use super::changes::{self, Origin, TableChange};
use super::status::Status;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::incoming::pages::ChangedRows;
use crate::replica::local::database::Database;
use crate::session::Owner;

pub(crate) struct Shared {
    /// `None` once the replica is detached.
    pub(super) database: Mutex<Option<Database>>,
    /// Locked during an exchange, so that only one runs at a time.
    pub(super) exchange: tokio::sync::Mutex<ExchangeState>,
    pub(super) status: watch::Sender<Status>,
    pub(super) nudge: Notify,
    pub(super) changes: broadcast::Sender<TableChange>,
}

/// Changes that wait for a slow receiver, at most.
const MAX_WAITING_CHANGES: usize = 256;

/// What a replica keeps in memory from one exchange to the next.
pub(super) struct ExchangeState {
    /// Whether it was at the end of the log.
    pub(super) caught_up: bool,
    /// The account and device whose watch state was given to the client.
    pub(super) watched: Option<(Owner, uuid::Uuid)>,
    /// The maximum of changes in a batch; reduced if something on the way to the server rejects large requests.
    pub(super) max_changes: usize,
    /// How many batches in a row the server has refused.
    pub(super) refusals: u32,
}

impl Default for ExchangeState {
    fn default() -> Self {
        Self { caught_up: false, watched: None, max_changes: usize::MAX, refusals: 0 }
    }
}

impl Shared {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database: Mutex::new(Some(database)),
            exchange: tokio::sync::Mutex::default(),
            status: watch::Sender::new(Status::Offline),
            nudge: Notify::new(),
            changes: broadcast::Sender::new(MAX_WAITING_CHANGES),
        }
    }

    /// Runs `work` with the database, on a thread that may block.
    ///
    /// # Errors
    /// [`ReplicaError::Detached`], and the errors of `work`.
    pub(super) async fn with_database<T, F>(self: &Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Database) -> Result<T> + Send + 'static,
    {
        let shared = self.clone();
        let outcome = crate::blocking::blocking(move || {
            let mut database = shared.database.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(database.as_mut().ok_or(ReplicaError::Detached).and_then(work))
        });
        outcome.await?
    }

    /// Tells the app which rows have changed.
    pub(super) fn tell_changes(&self, origin: Origin, rows: ChangedRows) {
        if self.changes.receiver_count() > 0 {
            for change in changes::group(origin, rows) {
                // Nobody listens any more.
                let _ = self.changes.send(change);
            }
        }
    }

    pub(super) fn set_status(&self, status: Status) {
        self.status.send_if_modified(|current| {
            let differs = *current != status;
            *current = status;
            differs
        });
    }
}
