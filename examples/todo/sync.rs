//! The sync part: all that it takes for the app's two tables to be the same on all devices.
//!
//! The replica has a connection of its own. The app goes on reading and writing through its own one, as it always did, and its SQL
//! knows nothing of sync. Signing in is `account.rs`; what is shown of it all is `link.rs`.

use tidelog_client::replica::rusqlite::Connection;
use tidelog_client::replica::{Replica, Rule, SyncedTable};

use crate::{Result, account::Account, link::Syncing};

/// Keeps the app's database in step with the user's other devices, for as long as the task runs.
pub(crate) fn start(database: &std::path::Path, account: &Account) -> Result<Syncing> {
    let by_column = |table| SyncedTable::new(table).settled_by(Rule::ByColumn);
    let replica = Replica::attach(Connection::open(database)?, ["lists", "todos"].map(by_column))?;
    let (client, device, live) = (account.client.clone(), account.device()?, replica.clone());
    let task = tokio::spawn(async move { live.run(&client, device).await });
    Ok(Syncing { status: replica.status(), replica, task })
}
