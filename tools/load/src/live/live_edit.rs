//! How long it takes from one table to the other.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "these are apps, which have databases of their own"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tidelog_client::replica::rusqlite::Connection;
use tidelog_client::replica::{Replica, Status};
use tidelog_client::{KdfCost, MemoryStore, SyncKitClient, SyncKitConfig};

use super::stage::{Stage, open_streams};
use super::{Scale, spread};
use crate::library::PASSWORD;
use crate::server::{Binary, Server};
use crate::{Result, seed};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS todos (id INTEGER PRIMARY KEY, title TEXT NOT NULL) STRICT";
/// As above: it guards nothing.
const PASSPHRASE: &str = "another one on 127.0.0.1";
/// An edit that has not come by then never will.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn measure(binary: &Binary, scale: Scale) -> Result<Value> {
    let stage = Stage::new(binary)?;
    let others = stage.others(scale.subscribers)?;
    let folder = TempDir::new()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let idle = open_streams(&others, scale.subscribers).await?;
        for mut events in idle {
            tokio::spawn(async move { while events.next().await.is_ok() {} });
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    })?;
    let a = runtime.block_on(install(&stage.server, folder.path().join("a.db"), "A"))?;
    let b = runtime.block_on(install(&stage.server, folder.path().join("b.db"), "B"))?;
    let times: Result<Vec<_>> = (0..scale.edits).map(|edit| follow(&a, &b, edit)).collect();
    spread(times?)
}

/// Signs in, and keeps a database live; gives the app's own connection to it.
async fn install(server: &Server, path: PathBuf, name: &str) -> Result<Connection> {
    let (server_url, api_key) = (format!("http://{}", server.address()), server.api_key().to_owned());
    let config = SyncKitConfig { server_url, api_key };
    let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).kdf_cost(KdfCost::MIN).build();
    client.authenticate(&seed::pusher(0, 0), PASSWORD).await?;
    client.setup_encryption_new(PASSPHRASE).await?;
    let device = client.register_device(name, "linux").await?;
    let app = open(&path)?;
    let replica = Replica::attach(open(&path)?, ["todos"])?;
    let mut status = replica.status();
    let client = Arc::new(client);
    tokio::spawn(async move { replica.run(&client, device.id).await });
    status.wait_for(|status| *status == Status::Live).await?;
    Ok(app)
}

fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.busy_timeout(TIMEOUT)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Edits a row on the one side, and looks for it on the other without pause.
fn follow(a: &Connection, b: &Connection, edit: usize) -> Result<Duration> {
    let title = format!("edit {edit}");
    a.prepare_cached("INSERT INTO todos VALUES (1, ?1) ON CONFLICT DO UPDATE SET title = excluded.title")?
        .execute([&title])?;
    let committed = Instant::now();
    let mut look = b.prepare_cached("SELECT EXISTS (SELECT 1 FROM todos WHERE id = 1 AND title = ?1)")?;
    while committed.elapsed() < TIMEOUT {
        if look.query_row([&title], |row| row.get(0))? {
            return Ok(committed.elapsed());
        }
        yield_now();
    }
    Err(format!("{title} did not come").into())
}
