//! A device: the app's SQLite file, and a client that syncs it with the other devices.
//!
//! This is what an app has to do by itself. The SDK encrypts every row before it is sent, decrypts what it receives,
//! retries batches that got no response, and keeps the master key.

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
use crate::app_file::{AppFile, Edit, PendingEdit, TimedEdit};

/// The table that syncs.
const TABLE: &str = "airports";
/// The number of changes passed to the SDK at a time.
const BATCH: usize = 500;
/// The pause before another attempt if the SDK's own retries have not reached the server.
const OFFLINE_PAUSE: Duration = Duration::from_millis(200);

/// The account, with everything needed to sign in.
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
    /// Sets up the user's first device: creates the master key and stores it on the server, encrypted under the
    /// passphrase.
    pub async fn first(name: &str, folder: &Path, account: &Account) -> Result<Self> {
        let device = Self::sign_in(name, folder, account).await?;
        device.client.setup_encryption_new(&account.passphrase).await?;
        Ok(device)
    }

    /// Sets up another device: fetches the encrypted master key and opens it with the passphrase.
    pub async fn join(name: &str, folder: &Path, account: &Account) -> Result<Self> {
        let device = Self::sign_in(name, folder, account).await?;
        device.client.setup_encryption_existing(&account.passphrase).await?;
        Ok(device)
    }

    async fn sign_in(name: &str, folder: &Path, account: &Account) -> Result<Self> {
        let config = SyncKitConfig { server_url: account.url.clone(), api_key: account.api_key.clone() };
        // A real app would keep its keys in the keychain, which is the default.
        let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).build();
        client.authenticate(&account.email, &account.password).await?;
        let id = client.register_device(name, "linux").await?.id;
        Ok(Self { file: AppFile::create(&folder.join(format!("{name}.db")))?, client, id })
    }

    /// Makes edits on this device; `push` sends them.
    pub fn edit(&mut self, edits: Vec<Edit>) -> Result<()> {
        let timed =
            |edit| TimedEdit { edit, time_us: Utc::now().timestamp_micros(), author: self.id.to_string() };
        let edits: Vec<_> = edits.into_iter().map(timed).collect();
        self.file.edit(&edits)
    }

    /// Pushes all pending edits; after each batch, calls `done` with the number of edits pushed so far.
    pub async fn push(&mut self, mut done: impl FnMut(usize)) -> Result<usize> {
        let mut pushed = 0;
        loop {
            let pending = self.file.pending(BATCH)?;
            let Some(last) = pending.last().map(|pending| pending.position) else { return Ok(pushed) };
            pushed += pending.len();
            self.push_batch(pending.into_iter().map(to_change).collect::<Result<_>>()?).await?;
            self.file.remove_pending(last)?;
            done(pushed);
        }
    }

    /// Pushes until there is a response. If the response to a push was lost, the server may have stored it already.
    /// The SDK recognises that these are the same changes and sends the same batch again, which the server stores
    /// only once.
    async fn push_batch(&self, changes: Vec<ChangeEntry>) -> Result<()> {
        loop {
            match self.client.push(self.id, changes.clone()).await {
                Err(SyncKitError::Network(_)) => sleep(OFFLINE_PAUSE).await,
                outcome => return outcome.map(drop).map_err(Into::into),
            }
        }
    }

    /// Pulls and applies everything that other devices have pushed; after each page, calls `done` with the number of
    /// changes so far.
    pub async fn pull(&mut self, mut done: impl FnMut(usize)) -> Result<usize> {
        let mut pulled = 0;
        loop {
            let cursor: Cursor = self.file.cursor()?.parse()?;
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

    /// The number of changes in the server's log.
    pub async fn count_on_server(&self) -> Result<u64> {
        Ok(self.client.status().await?.total_changes)
    }
}

fn to_change(pending: PendingEdit) -> Result<ChangeEntry> {
    let timestamp = DateTime::from_timestamp_micros(pending.time_us).ok_or("a time out of range")?;
    let (op, row_id, data) = match pending.edit {
        Edit::Insert(row) => (ChangeOp::Insert, row.icao.clone(), Some(serde_json::to_value(row)?)),
        Edit::Update(row) => (ChangeOp::Update, row.icao.clone(), Some(serde_json::to_value(row)?)),
        Edit::Delete(icao) => (ChangeOp::Delete, icao, None),
    };
    Ok(ChangeEntry { table: TABLE.to_owned(), op, row_id, timestamp, data })
}

fn from_change(pulled: PulledChange) -> Result<TimedEdit> {
    let ChangeEntry { op, row_id, timestamp, data, .. } = pulled.entry;
    let row = || serde_json::from_value(data.unwrap_or_default());
    let edit = match op {
        ChangeOp::Insert => Edit::Insert(row()?),
        ChangeOp::Update => Edit::Update(row()?),
        ChangeOp::Delete => Edit::Delete(row_id),
    };
    Ok(TimedEdit { edit, time_us: timestamp.timestamp_micros(), author: pulled.device_id.to_string() })
}
