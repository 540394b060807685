//! Who syncs, from which device: asked for once, then kept.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};
use tidelog_client::{KeyStore, SessionInfo, SyncKitClient, SyncKitConfig};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::key_file::KeyFile;
use crate::{Result, ask};

/// Whose todos to sync, and where. Without these the app keeps to itself.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// The server's public URL
    #[arg(long, value_name = "URL", required = false, requires = "api_key", requires = "email")]
    server: String,
    /// The app's API key
    #[arg(long, value_name = "KEY", required = false, requires = "server")]
    api_key: String,
    /// The user's e-mail address
    #[arg(long, value_name = "ADDRESS", required = false, requires = "server")]
    email: String,
}

/// What is kept between runs, beside the key, which the client keeps by itself.
#[derive(Serialize, Deserialize)]
struct Kept {
    session: SessionInfo,
    /// Tells this installation from others of the same name.
    install_id: Uuid,
    device_id: Uuid,
}

/// The user's account on a server, as one device has it.
pub(crate) struct Account {
    options: Options,
    /// What the user sees in the list of devices.
    device_name: String,
    pub(crate) client: Arc<SyncKitClient>,
    store: Arc<dyn KeyStore>,
    kept: Option<Kept>,
}

impl Account {
    /// The account, as an earlier run has left it; else signs in.
    pub(crate) async fn open(options: &Options, device_name: &str, database: &Path) -> Result<Self> {
        // An app for desktops takes `FallbackStore::new(KeychainStore::new())`.
        let store: Arc<dyn KeyStore> = Arc::new(KeyFile::beside(database));
        let config = SyncKitConfig { server_url: options.server.clone(), api_key: options.api_key.clone() };
        let client = Arc::new(SyncKitClient::builder(config).shared_key_store(store.clone()).build());
        let mut account =
            Self { options: options.clone(), device_name: device_name.into(), client, store, kept: None };
        if !account.restore().await? {
            account.sign_in().await?;
        }
        Ok(account)
    }

    /// The device's id on the server.
    pub(crate) fn device(&self) -> Result<Uuid> {
        self.kept.as_ref().map(|kept| kept.device_id).ok_or_else(|| "nobody has signed in".into())
    }

    /// Continues where an earlier run ended. Asks neither the server nor the user.
    async fn restore(&mut self) -> Result<bool> {
        let Some(json) = self.store.get(&self.name())? else { return Ok(false) };
        let kept = self.kept.insert(serde_json::from_slice(&json)?);
        self.client.restore_session(kept.session.clone());
        Ok(self.client.try_load_key_from_keychain().await?)
    }

    /// Signs in, opens the user's key, which the user's first device makes, and registers this device.
    pub(crate) async fn sign_in(&mut self) -> Result<()> {
        let password = ask::password(&self.options.email)?;
        self.client.authenticate(&self.options.email, &password).await?;
        let passphrase = ask::passphrase(self.client.has_server_key().await?)?;
        self.client.setup_encryption_new(&passphrase).await?;
        let install_id = self.kept.as_ref().map_or_else(Uuid::new_v4, |kept| kept.install_id);
        let device =
            self.client.register_device_with_install_id(&self.device_name, platform(), install_id).await?;
        let session = self.client.session_info().ok_or("the session has ended already")?;
        self.keep(Kept { session, install_id, device_id: device.id })
    }

    /// Keeps the session if it is another one than before: each refresh makes a new one, and the old one is worth nothing then.
    pub(crate) fn keep_session(&mut self) -> Result<()> {
        match (self.client.session_info(), self.kept.take()) {
            (Some(session), Some(kept)) if session != kept.session => self.keep(Kept { session, ..kept }),
            (_, kept) => {
                self.kept = kept;
                Ok(())
            }
        }
    }

    fn keep(&mut self, kept: Kept) -> Result<()> {
        self.store.set(&self.name(), &Zeroizing::new(serde_json::to_vec(&kept)?))?;
        self.kept = Some(kept);
        Ok(())
    }

    /// What the store files it under.
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
