//! The sync part: everything that keeps the app's two tables the same on all devices.
//!
//! The replica has its own connection. The app keeps reading and writing through another one, as before, and its SQL
//! is unaware of sync. `account.rs` signs in; `sync_controller.rs` reports the status.

use tidelog_client::replica::rusqlite::Connection;
use tidelog_client::replica::{Replica, Rule, SyncedTable};

use crate::{Result, account::Account, sync_controller::SyncTask};

/// Keeps the app's database in sync with the user's other devices, for as long as the task runs.
pub(crate) fn start(database: &std::path::Path, account: &Account) -> Result<SyncTask> {
    let by_column = |table| SyncedTable::new(table).settled_by(Rule::ByColumn);
    let replica = Replica::attach(Connection::open(database)?, ["lists", "todos"].map(by_column))?;
    let (client, device, background) = (account.client.clone(), account.device()?, replica.clone());
    let task = tokio::spawn(async move { background.run(&client, device).await });
    Ok(SyncTask { status: replica.status(), replica, task })
}
