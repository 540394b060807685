//! Live sync of an app's own SQLite tables.
//!
//! Name the tables, and they sync: what any connection writes into them is recorded by triggers, sealed and pushed; what other
//! devices push is pulled, opened and applied. The app goes on with plain SQL.
//!
//! ```no_run
//! # async fn sync(client: std::sync::Arc<tidelog_client::SyncKitClient>, device_id: uuid::Uuid) -> Result<(), Box<dyn std::error::Error>> {
//! use tidelog_client::replica::{Replica, rusqlite::Connection};
//!
//! let replica = Replica::attach(Connection::open("todo.db")?, ["lists", "todos"])?;
//! tokio::spawn(async move { replica.run(&client, device_id).await });
//! # Ok(())
//! # }
//! ```
//!
//! The replica wants a connection of its own to the app's database; the app keeps its own ones. Attach at each start, after the
//! app's own migrations: triggers follow the schema, and columns and tables that are new begin to sync.
#![doc = include_str!("../../REPLICA.md")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this folder owns the app's database and its clock"
)]

mod collect;
mod engine;
mod error;
mod incoming;
mod local;
mod metadata;
mod outbox;
mod rule;
mod sync;
mod values;

use std::fmt;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::{Notify, watch};

pub use engine::status::{Blocked, Status};
pub use error::{ReplicaError, TableFault};
pub use local::table::SyncedTable;
pub use metadata::problems::{Problem, ProblemKind};
pub use rule::{Conflict, Decide, Resolution, Rule};
pub use rusqlite;
pub use values::cell::Cell;
pub use values::row::Row;
pub use values::row_key::RowKey;

use error::Result;
use local::database::Database;
use metadata::{dirty_rows as marks, problems};
use sync::Memory;

/// Tables of the app's database that sync. Cheap to clone; all clones are the same replica.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` once it is detached.
    database: Mutex<Option<Database>>,
    memory: tokio::sync::Mutex<Memory>,
    status: watch::Sender<Status>,
    nudged: Notify,
}

impl Replica {
    /// Attaches to a database, through a connection that the replica has to itself.
    ///
    /// The first time, this adds the replica's own tables and the triggers, and notes the rows that are there, to be uploaded. The
    /// connection must not be in a transaction. Foreign keys are switched off on this connection, and on no other.
    ///
    /// # Errors
    /// [`ReplicaError::Table`] if a table cannot sync, and those of the database. Nothing was changed then.
    pub fn attach(
        connection: Connection,
        tables: impl IntoIterator<Item = impl Into<SyncedTable>>,
    ) -> Result<Self> {
        let tables: Vec<_> = tables.into_iter().map(Into::into).collect();
        let database = Database::attach(connection, &tables)?;
        Ok(Self {
            shared: Arc::new(Shared {
                database: Mutex::new(Some(database)),
                memory: tokio::sync::Mutex::default(),
                status: watch::Sender::new(Status::Offline),
                nudged: Notify::new(),
            }),
        })
    }

    /// Takes everything out of the database that the replica has added, and gives the connection back, with foreign keys switched
    /// on. The app's rows stay as they are. What was not pushed yet will not be.
    ///
    /// # Errors
    /// Those of the database; [`ReplicaError::Detached`] the second time.
    pub async fn detach(&self) -> Result<Connection> {
        let _not_while_syncing = self.shared.memory.lock().await;
        let shared = self.shared.clone();
        let detached = crate::blocking::blocking(move || {
            let mut database = shared.database.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Ok(database.take().ok_or(ReplicaError::Detached).and_then(Database::detach))
        });
        detached.await?
    }

    /// How the replica is doing, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// Looks for local changes at once. [`run`](Self::run) finds them by itself, a few hundredths of a second after they are
    /// committed.
    pub fn nudge(&self) {
        self.shared.nudged.notify_one();
    }

    /// What could not be done, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn problems(&self) -> Result<Vec<Problem>> {
        self.with(|database| problems::list(&database.connection)).await
    }

    /// Forgets the problems, but for rows that still wait to be applied.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn dismiss_problems(&self) -> Result<()> {
        self.with(|database| problems::dismiss(&database.connection)).await
    }

    /// Rows that may have been written here and are not on the server yet.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unsent(&self) -> Result<u64> {
        self.with(|database| marks::count(&database.connection)).await
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Replica").field("status", &*self.shared.status.borrow()).finish_non_exhaustive()
    }
}
