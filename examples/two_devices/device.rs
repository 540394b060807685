//! A device: the app's own SQLite file, and a client that keeps it in step with the other devices.
//!
//! This is what an app has to do. The SDK seals every row before it leaves, opens what comes in, sends a batch again until it
//! is answered, and keeps the master key.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tidelog_client::{
    ChangeEntry, ChangeOp, Cursor, MemoryStore, PullFilter, PulledChange, SyncKitClient, SyncKitConfig,
    SyncKitError,
};
use tokio::time::sleep;
use uuid::Uuid;

use crate::Result;
use crate::app_file::{AppFile, Edit, Pending, Stamped};

/// The one table that syncs.
const TABLE: &str = "airports";
/// Changes handed to the SDK at a time.
const BATCH: usize = 500;
/// Pause before another try where even the SDK's retries have not reached the server.
const OFFLINE_PAUSE: Duration = Duration::from_millis(200);

/// What it takes to sign in.
pub struct Account {
    pub url: String,
    pub api_key: String,
    pub email: String,
    pub password: String,
    /// Opens the master key. The server never sees it.
    pub passphrase: String,
}

/// One of the user's devices.
pub struct Device {
    pub file: AppFile,
    client: SyncKitClient,
    id: Uuid,
}

impl Device {
    /// The user's first device: makes the master key and puts it on the server, sealed by the passphrase.
    pub async fn first(name: &str, folder: &Path, account: &Account) -> Result<Self> {
        let device = Self::sign_in(name, folder, account).await?;
        device.client.setup_encryption_new(&account.passphrase).await?;
        Ok(device)
    }

    /// Another device: fetches the sealed master key and opens it with the passphrase.
    pub async fn join(name: &str, folder: &Path, account: &Account) -> Result<Self> {
        let device = Self::sign_in(name, folder, account).await?;
        device.client.setup_encryption_existing(&account.passphrase).await?;
        Ok(device)
    }

    async fn sign_in(name: &str, folder: &Path, account: &Account) -> Result<Self> {
        let config = SyncKitConfig { server_url: account.url.clone(), api_key: account.api_key.clone() };
        // A real app keeps its keys in the keychain, which is the default.
        let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).build();
        client.authenticate(&account.email, &account.password).await?;
        let id = client.register_device(name, "linux").await?.id;
        Ok(Self { file: AppFile::create(&folder.join(format!("{name}.db")))?, client, id })
    }

    /// Makes some edits, here only.
    pub fn edit(&mut self, edits: Vec<Edit>) -> Result<()> {
        let stamp =
            |edit| Stamped { edit, time_us: Utc::now().timestamp_micros(), author: self.id.to_string() };
        let stamped: Vec<_> = edits.into_iter().map(stamp).collect();
        self.file.edit(&stamped)
    }

    /// Pushes the edits that wait, and tells after each batch how many are done.
    pub async fn push(&mut self, mut done: impl FnMut(usize)) -> Result<usize> {
        let mut pushed = 0;
        loop {
            let pending = self.file.pending(BATCH)?;
            let Some(last) = pending.last().map(|pending| pending.place) else { return Ok(pushed) };
            pushed += pending.len();
            self.push_batch(pending.into_iter().map(to_change).collect::<Result<_>>()?).await?;
            self.file.pushed(last)?;
            done(pushed);
        }
    }

    /// Pushes until it is answered. A push whose answer was lost may be on the server already; the SDK sees that these are the
    /// same changes, and sends the same batch again, which the server stores once.
    async fn push_batch(&self, changes: Vec<ChangeEntry>) -> Result<()> {
        loop {
            match self.client.push(self.id, changes.clone()).await {
                Err(SyncKitError::Network(_)) => sleep(OFFLINE_PAUSE).await,
                outcome => return outcome.map(drop).map_err(Into::into),
            }
        }
    }

    /// Pulls and applies everything that other devices have pushed, and tells after each page how many are done.
    pub async fn pull(&mut self, mut done: impl FnMut(usize)) -> Result<usize> {
        let mut pulled = 0;
        loop {
            let cursor: Cursor = self.file.position()?.parse()?;
            let page = self.client.pull_page(self.id, cursor, PullFilter::default()).await?;
            if let Some(entry) = page.quarantined.first() {
                return Err(format!("an entry cannot be trusted: {}", entry.reason).into());
            }
            pulled += page.changes.len();
            let edits = page.changes.into_iter().map(from_change).collect::<Result<Vec<_>>>()?;
            self.file.apply(&edits, &page.cursor.to_string())?;
            done(pulled);
            if !page.has_more {
                return Ok(pulled);
            }
        }
    }

    /// Changes in the server's log.
    pub async fn count_on_server(&self) -> Result<u64> {
        Ok(self.client.status().await?.total_changes)
    }
}

fn to_change(pending: Pending) -> Result<ChangeEntry> {
    let timestamp = DateTime::from_timestamp_micros(pending.time_us).ok_or("a time out of range")?;
    let (op, row_id, data) = match pending.edit {
        Edit::Insert(row) => (ChangeOp::Insert, row.icao.clone(), Some(serde_json::to_value(row)?)),
        Edit::Update(row) => (ChangeOp::Update, row.icao.clone(), Some(serde_json::to_value(row)?)),
        Edit::Delete(icao) => (ChangeOp::Delete, icao, None),
    };
    Ok(ChangeEntry { table: TABLE.to_owned(), op, row_id, timestamp, data })
}

fn from_change(pulled: PulledChange) -> Result<Stamped> {
    let ChangeEntry { op, row_id, timestamp, data, .. } = pulled.entry;
    let row = || serde_json::from_value(data.unwrap_or_default());
    let edit = match op {
        ChangeOp::Insert => Edit::Insert(row()?),
        ChangeOp::Update => Edit::Update(row()?),
        ChangeOp::Delete => Edit::Delete(row_id),
    };
    Ok(Stamped { edit, time_us: timestamp.timestamp_micros(), author: pulled.device_id.to_string() })
}
