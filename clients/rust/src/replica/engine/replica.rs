//! The replica as an app sees it.

use std::fmt;
use std::sync::{Arc, PoisonError};

use rusqlite::Connection;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use super::changes::TableChange;
use super::shared::Shared;
use super::status::Status;
use super::{exchange, lifecycle, live};
use crate::SyncKitClient;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::local::synced_table::SyncedTable;
use crate::replica::local::triggers;
use crate::replica::metadata::dirty_rows;
use crate::replica::metadata::problems::{self, Problem};

/// Tables of an app's database that sync. Cheap to clone; all clones are the same replica.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

impl Replica {
    /// Attaches to a database, through a connection that only the replica uses.
    ///
    /// The first time, this adds the replica's own tables and the triggers, and makes all existing rows ready for
    /// upload. The connection must not be in a transaction. Foreign keys are switched off on this connection, and on
    /// no other.
    ///
    /// # Errors
    /// [`ReplicaError::Table`] if a table cannot be synced; [`ReplicaError::OlderFormat`] or
    /// [`ReplicaError::NewerFormat`] if another version of this library has attached the database. Nothing was
    /// changed then.
    pub fn attach(
        connection: Connection,
        tables: impl IntoIterator<Item = impl Into<SyncedTable>>,
    ) -> Result<Self> {
        let tables: Vec<_> = tables.into_iter().map(Into::into).collect();
        let database = lifecycle::attach(connection, &tables)?;
        Ok(Self { shared: Arc::new(Shared::new(database)) })
    }

    /// Drops the replica's triggers, so that they don't stand in the way of a migration: SQLite refuses to drop a column
    /// that a trigger names. Call it on the app's own connection, within the migration's transaction if there is one.
    ///
    /// [`attach`](Self::attach) makes them again, and so does a replica that is attached already. What was written in
    /// between is found by comparing the tables with the log. Does nothing where no replica was ever attached.
    ///
    /// ```
    /// use tidelog_client::replica::{Replica, rusqlite::Connection};
    ///
    /// # fn migrate() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut app = Connection::open_in_memory()?;
    /// app.execute_batch("CREATE TABLE notes (id TEXT PRIMARY KEY, title TEXT, body TEXT)")?;
    /// let migration = app.transaction()?;
    /// Replica::drop_triggers(&migration)?;
    /// migration.execute_batch("ALTER TABLE notes DROP COLUMN body")?;
    /// migration.commit()?;
    /// # Ok(())
    /// # }
    /// # migrate().unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ReplicaError::Sqlite`].
    pub fn drop_triggers(connection: &Connection) -> Result<()> {
        triggers::drop_all(connection)
    }

    /// Removes everything from the database that the replica has added, and returns the connection, with foreign keys
    /// switched on. The app's rows stay as they are. Changes that were not pushed yet will not be.
    ///
    /// # Errors
    /// [`ReplicaError::Detached`] if the replica was detached before.
    pub async fn detach(&self) -> Result<Connection> {
        let _no_exchange = self.shared.exchange.lock().await;
        let shared = self.shared.clone();
        let detached = crate::blocking::blocking(move || {
            let mut database = shared.database.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(database.take().ok_or(ReplicaError::Detached).and_then(lifecycle::detach))
        });
        detached.await?
    }

    /// Exchanges changes with the server until both sides have everything.
    ///
    /// What was applied or acknowledged before an error is kept, and a later call continues from there.
    ///
    /// # Errors
    /// [`ReplicaError::OtherAccount`], and those of [`pull`](SyncKitClient::pull) and [`push`](SyncKitClient::push).
    pub async fn sync(&self, client: &SyncKitClient, device_id: Uuid) -> Result<()> {
        exchange::run(&self.shared, client, device_id, true).await
    }

    /// Keeps the replica live for as long as this future is polled: changes that are committed here are pushed at
    /// once, changes that other devices push are applied at once. Spawn it, and drop or abort it to stop; it can be
    /// stopped and started at any time.
    ///
    /// While the server cannot be reached, or something blocks the replica, local changes are kept; see
    /// [`status`](Self::status). After the cause was fixed (by signing in again, or entering the passphrase),
    /// [`nudge`](Self::nudge) makes it try at once.
    ///
    /// Returns only if the replica cannot continue: it was detached, or its database cannot be used.
    pub async fn run(&self, client: &SyncKitClient, device_id: Uuid) -> ReplicaError {
        live::run(&self.shared, client, device_id).await
    }

    /// The replica's status, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// The rows that change from now on: those that other devices have written, once they are committed here, and those
    /// that were written here, by any connection, when they are about to be sent.
    ///
    /// A receiver that falls behind gets [`Lagged`](broadcast::error::RecvError::Lagged): then read everything anew.
    ///
    /// ```no_run
    /// # async fn refresh(replica: tidelog_client::replica::Replica) {
    /// let mut changes = replica.changes();
    /// while let Ok(change) = changes.recv().await {
    ///     println!("{} rows of {} to show anew", change.keys.len(), change.table);
    /// }
    /// # }
    /// ```
    pub fn changes(&self) -> broadcast::Receiver<TableChange> {
        self.shared.changes.subscribe()
    }

    /// Looks for changes at once. [`run`](Self::run) notices local changes without it, within a few hundredths of a
    /// second.
    pub fn nudge(&self) {
        self.shared.nudge.notify_one();
    }

    /// Entries and rows that could not be processed, oldest first.
    ///
    /// # Errors
    /// [`ReplicaError::Detached`].
    pub async fn problems(&self) -> Result<Vec<Problem>> {
        self.shared.with_database(|database| problems::list(&database.connection)).await
    }

    /// Removes all problems, except for rows that still wait to be applied or pushed, and for tables that are left out.
    ///
    /// # Errors
    /// [`ReplicaError::Detached`].
    pub async fn dismiss_problems(&self) -> Result<()> {
        self.shared.with_database(|database| problems::dismiss(&database.connection)).await
    }

    /// The number of rows that were written here and may not be on the server yet.
    ///
    /// # Errors
    /// [`ReplicaError::Detached`].
    pub async fn unsent(&self) -> Result<u64> {
        self.shared.with_database(|database| dirty_rows::count(&database.connection)).await
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Replica").field("status", &*self.shared.status.borrow()).finish_non_exhaustive()
    }
}
