//! A device: the app's own SQLite file, and a client that keeps it in step with the other devices.
//!
//! This is what an app has to do. The SDK seals every row before it leaves, opens what comes in, sends a batch again until it
//! is answered, and keeps the master key.

use std::path::Path;

use chrono::{DateTime, Utc};
use tidelog_client::{ChangeEntry, Cursor, MemoryStore, Op, SyncKitClient, SyncKitConfig};
use uuid::Uuid;

use crate::Result;
use crate::app_file::{AppFile, Edit, Pending, Stamped};

/// The one table that syncs.
const TABLE: &str = "airports";
/// Changes handed to the SDK at a time.
const BATCH: usize = 500;

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
        let config = SyncKitConfig::new(&account.url, &account.api_key);
        let client = SyncKitClient::new(config);
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
            let changes = pending.into_iter().map(to_change).collect::<Result<Vec<_>>>()?;
            self.client.push(self.id, changes).await?;
            self.file.pushed(last)?;
            done(pushed);
        }
    }

    /// Pulls and applies everything that other devices have pushed, and tells after each page how many are done.
    pub async fn pull(&mut self, mut done: impl FnMut(usize)) -> Result<usize> {
        let mut pulled = 0;
        loop {
            let cursor: Cursor = self.file.position()?.parse()?;
            let (changes, cursor, has_more) = self.client.pull(self.id, cursor).await?;
            pulled += changes.len();
            let page = changes.into_iter().map(from_change).collect::<Result<Vec<_>>>()?;
            self.file.apply(&page, &cursor.to_string())?;
            done(pulled);
            if !has_more {
                return Ok(pulled);
            }
        }
    }

    /// Changes in the server's log.
    pub async fn count_on_server(&self) -> Result<u64> {
        Ok(self.client.status().await?.total_changes)
    }
}
