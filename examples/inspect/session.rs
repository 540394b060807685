//! The inspector's session: signs in, runs a command, and cleans up.

use clap::Args;
use tidelog_client::{MemoryStore, SyncKitClient, SyncKitConfig, SyncKitError};
use uuid::Uuid;

use crate::columns::Style;
use crate::command::{AccountInfo, Command};
use crate::error::{InspectError, Result};
use crate::log::Log;
use crate::output::Output;
use crate::secrets::Secrets;
use crate::signals::Signals;

/// The device's name, which the user sees if the inspector is killed before it could remove the device.
const DEVICE_NAME: &str = "inspect";

/// The account whose log to read. None of this is secret.
#[derive(Args)]
pub(crate) struct Account {
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

/// Signs in, runs the command, and cleans up, whatever happens in between.
pub(crate) async fn run(
    account: &Account,
    secrets: Secrets,
    command: &Command,
    style: Style,
) -> Result<Output> {
    let config = SyncKitConfig { server_url: account.server.clone(), api_key: account.api_key.clone() };
    let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).build();
    let mut session = Session { client, device: None, signals: Signals::listen()? };
    let outcome = session.run(account, secrets, command, style).await;
    match (outcome, session.close().await) {
        (Ok(mut output), Err(error)) => {
            output.warnings.push(error.to_string());
            Ok(output)
        }
        (Err(error), Err(cleanup_error)) => {
            crate::print_error(&cleanup_error.to_string());
            Err(error)
        }
        (outcome, Ok(())) => outcome,
    }
}

struct Session {
    client: SyncKitClient,
    /// The device to remove.
    device: Option<Uuid>,
    signals: Signals,
}

impl Session {
    async fn run(
        &mut self,
        account: &Account,
        secrets: Secrets,
        command: &Command,
        style: Style,
    ) -> Result<Output> {
        let info = self.signals.interruptible(sign_in(&self.client, account, secrets)).await?;
        if let Some(output) = command.run_without_log(&info, style)? {
            return Ok(output);
        }
        // Not interruptible: without the response, it would be unknown which device has to be removed.
        let device =
            self.client.register_device_with_install_id(DEVICE_NAME, platform(), Uuid::new_v4()).await?;
        self.device = Some(device.id);
        let log = Log::new(&self.client, device.id, &info.devices);
        self.signals.interruptible(command.run(&log, &info, style)).await
    }

    /// Removes the device, which ends the session; without a device, signs out. Another signal aborts this.
    async fn close(&mut self) -> Result<()> {
        let Some(device) = self.device else {
            return self.signals.interruptible(sign_out(&self.client)).await;
        };
        match self.signals.interruptible(remove(&self.client, device)).await {
            Err(InspectError::Sync(error)) => Err(InspectError::DeviceLeft { device, error }),
            outcome => outcome,
        }
    }
}

/// Signs in, and opens the key if there is a passphrase.
async fn sign_in(client: &SyncKitClient, account: &Account, secrets: Secrets) -> Result<AccountInfo> {
    client.authenticate(&account.email, &secrets.password).await?;
    if let Some(passphrase) = &secrets.passphrase {
        client.setup_encryption_existing(passphrase).await?;
    }
    Ok(AccountInfo { devices: client.devices().await?, status: client.status().await? })
}

async fn sign_out(client: &SyncKitClient) -> Result<()> {
    Ok(client.logout().await?)
}

async fn remove(client: &SyncKitClient, device: Uuid) -> Result<()> {
    match client.remove_device(device).await {
        // The user has removed it in the meantime.
        Ok(()) | Err(SyncKitError::NotFound | SyncKitError::Unauthenticated) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn platform() -> &'static str {
    match std::env::consts::OS {
        "macos" => "macos",
        "windows" => "windows",
        _ => "linux",
    }
}
