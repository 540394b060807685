//! The same through the SDK, which also seals, and opens what it gets.

use std::path::Path;

use tidelog_client::{KdfCost, MemoryStore, SyncKitClient, SyncKitConfig};
use tokio::runtime::Runtime;

use crate::library::PASSWORD;
use crate::server::Server;
use crate::{Result, seed};

/// As that of the accounts, it guards nothing.
const PASSPHRASE: &str = "another one on 127.0.0.1";

/// An app with a key of its own.
pub(super) struct App {
    runtime: Runtime,
    client: SyncKitClient,
}

impl App {
    pub(super) fn open(server: &Server, temporary: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (address, api_key) = (server.address(), server.api_key().to_owned());
        let config = SyncKitConfig { server_url: format!("http://{address}"), api_key };
        let client = SyncKitClient::builder(config)
            .key_store(MemoryStore::new())
            .kdf_cost(KdfCost::MIN)
            .temporary_folder(temporary)
            .build();
        runtime.block_on(async {
            client.authenticate(&seed::pusher(0, 0), PASSWORD).await?;
            client.setup_encryption_new(PASSPHRASE).await
        })?;
        Ok(Self { runtime, client })
    }

    /// Seals and sends a file; gives its name.
    pub(super) fn put(&self, path: &Path) -> Result<String> {
        let blob = self.runtime.block_on(self.client.put_blob_file(path, |_| {}))?;
        Ok(blob.hash)
    }

    /// Fetches and opens it into a file.
    pub(super) fn get(&self, hash: &str, path: &Path) -> Result<()> {
        self.runtime.block_on(self.client.get_blob(hash, path, |_| {}))?;
        Ok(())
    }
}
