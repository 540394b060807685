//! The account and the device that sync: asked for once, then stored.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};
use tidelog_client::{KeyStore, SessionInfo, SyncKitClient, SyncKitConfig};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::key_file::KeyFile;
use crate::{Result, secrets};

/// The account to sync with. Without these options the app does not sync.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// The server's public URL
    #[arg(long, value_name = "URL", required = false, requires = "api_key", requires = "email")]
    server: String,
    /// The app's API key
    #[arg(long, value_name = "KEY", required = false, requires = "server")]
    api_key: String,
    /// The user's email
    #[arg(long, value_name = "EMAIL", required = false, requires = "server")]
    email: String,
}

/// What is stored between runs, in addition to the key, which the client stores by itself.
#[derive(Serialize, Deserialize)]
struct StoredAccount {
    session: SessionInfo,
    /// Distinguishes this installation from others with the same name.
    install_id: Uuid,
    device_id: Uuid,
}

/// The user's account on a server, on this device.
pub(crate) struct Account {
    options: Options,
    /// The name in the user's list of devices.
    device_name: String,
    pub(crate) client: Arc<SyncKitClient>,
    key_store: Arc<dyn KeyStore>,
    stored: Option<StoredAccount>,
}

impl Account {
    /// Restores the account of an earlier run, or signs in.
    pub(crate) async fn open(options: &Options, device_name: &str, database: &Path) -> Result<Self> {
        // A desktop app would use `FallbackStore::new(KeychainStore::new())`.
        let key_store: Arc<dyn KeyStore> = Arc::new(KeyFile::next_to(database));
        let config = SyncKitConfig { server_url: options.server.clone(), api_key: options.api_key.clone() };
        let client = Arc::new(SyncKitClient::builder(config).shared_key_store(key_store.clone()).build());
        let mut account = Self {
            options: options.clone(),
            device_name: device_name.into(),
            client,
            key_store,
            stored: None,
        };
        if !account.restore().await? {
            account.sign_in().await?;
        }
        Ok(account)
    }

    /// The device's id on the server.
    pub(crate) fn device(&self) -> Result<Uuid> {
        self.stored.as_ref().map(|stored| stored.device_id).ok_or_else(|| "not signed in".into())
    }

    /// Continues where an earlier run ended, without asking the server or the user.
    async fn restore(&mut self) -> Result<bool> {
        let Some(json) = self.key_store.get(&self.name())? else { return Ok(false) };
        let stored = self.stored.insert(serde_json::from_slice(&json)?);
        self.client.restore_session(stored.session.clone());
        Ok(self.client.try_load_key_from_keychain().await?)
    }

    /// Signs in, opens the user's key (or creates it, on the user's first device), and registers this device.
    pub(crate) async fn sign_in(&mut self) -> Result<()> {
        let password = secrets::password(&self.options.email)?;
        self.client.authenticate(&self.options.email, &password).await?;
        let passphrase = secrets::passphrase(self.client.has_server_key().await?)?;
        self.client.setup_encryption_new(&passphrase).await?;
        let install_id = self.stored.as_ref().map_or_else(Uuid::new_v4, |stored| stored.install_id);
        let device =
            self.client.register_device_with_install_id(&self.device_name, platform(), install_id).await?;
        let session = self.client.session_info().ok_or("the session has ended already")?;
        self.store(StoredAccount { session, install_id, device_id: device.id })
    }

    /// Stores the session if it has changed: each refresh creates a new one, which replaces the old one.
    pub(crate) fn store_session(&mut self) -> Result<()> {
        match (self.client.session_info(), self.stored.take()) {
            (Some(session), Some(stored)) if session != stored.session => {
                self.store(StoredAccount { session, ..stored })
            }
            (_, stored) => {
                self.stored = stored;
                Ok(())
            }
        }
    }

    fn store(&mut self, stored: StoredAccount) -> Result<()> {
        self.key_store.set(&self.name(), &Zeroizing::new(serde_json::to_vec(&stored)?))?;
        self.stored = Some(stored);
        Ok(())
    }

    /// The account's name in the key store.
    fn name(&self) -> String {
        let Options { server, api_key, email } = &self.options;
        format!("account of {email} at {server} with {api_key}")
    }
}

fn platform() -> &'static str {
    match std::env::consts::OS {
        "macos" => "macos",
        "windows" => "windows",
        _ => "linux",
    }
}
