//! Signs in. No secret is stored on disk: each run asks for them, or takes them from its environment.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Args;
use tidelog_client::{MemoryStore, SyncKitClient, SyncKitConfig};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Result;

/// The account to sync with.
#[derive(Args)]
pub(crate) struct Options {
    /// The server's public URL
    #[arg(long, value_name = "URL")]
    server: String,
    /// The app's API key
    #[arg(long, value_name = "KEY")]
    api_key: String,
    /// The user's email
    #[arg(long, value_name = "EMAIL")]
    email: String,
}

/// The user's account, on this device.
pub(crate) struct Account {
    pub(crate) client: Arc<SyncKitClient>,
    pub(crate) device: Uuid,
}

impl Account {
    pub(crate) async fn sign_in(options: &Options, device_name: &str, install_id: Uuid) -> Result<Self> {
        let password = secret("Password", "TIDELOG_PASSWORD")?;
        let passphrase = secret("Passphrase", "TIDELOG_PASSPHRASE")?;
        let config = SyncKitConfig { server_url: options.server.clone(), api_key: options.api_key.clone() };
        let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).build();
        client.authenticate(&options.email, &password).await?;
        client.setup_encryption_new(&passphrase).await?;
        let device = client.register_device_with_install_id(device_name, platform(), install_id).await?;
        Ok(Self { client: Arc::new(client), device: device.id })
    }
}

/// Reads a secret from the environment or from a prompt, but never from the command line, which process lists show.
fn secret(name: &str, variable: &str) -> Result<Zeroizing<String>> {
    match env::var(variable) {
        Ok(secret) => Ok(Zeroizing::new(secret)),
        Err(_) if io::stdin().is_terminal() => {
            Ok(Zeroizing::new(rpassword::prompt_password(format!("{name}: "))?))
        }
        Err(_) => Err(format!("there is no terminal for a prompt; set {variable}").into()),
    }
}

fn platform() -> &'static str {
    match env::consts::OS {
        "macos" => "macos",
        "windows" => "windows",
        _ => "linux",
    }
}
