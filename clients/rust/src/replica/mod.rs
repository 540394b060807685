//! Live sync of an app's own SQLite tables.
//!
//! Name the tables, and they sync. Triggers record what any connection writes into them; the replica encrypts and
//! pushes it. Changes that other devices push are pulled, decrypted and applied. The app keeps using plain SQL.
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
//! The replica needs its own connection to the app's database; the app keeps its own. Attach at each start, after the
//! app's own migrations: triggers follow the schema, and new columns and tables begin to sync.
#![doc = include_str!("../../REPLICA.md")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this folder owns the app's database and its clock"
)]

// Each layer uses only those before it: values, error and rule; metadata; local; incoming and outgoing; engine.
mod engine;
mod error;
mod incoming;
mod local;
mod metadata;
mod outgoing;
mod rule;
mod values;

pub use engine::changes::{Origin, TableChange};
pub use engine::replica::Replica;
pub use engine::status::{Blocked, Status};
pub use error::{ReplicaError, TableFault};
pub use local::synced_table::SyncedTable;
pub use metadata::problems::{Problem, ProblemKind};
pub use rule::{Conflict, ConflictHandler, Resolution, Rule};
pub use rusqlite;
pub use values::cell::Cell;
pub use values::row::Row;
pub use values::row_key::RowKey;
