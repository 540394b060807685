//! From signing in to leaving without a trace.

use clap::Args;
use tidelog_client::{MemoryStore, SyncKitClient, SyncKitConfig, SyncKitError};
use uuid::Uuid;

use crate::answer::Answer;
use crate::columns::Style;
use crate::command::{Command, Surroundings};
use crate::failure::{Failure, Result};
use crate::interruption::Interruption;
use crate::log::Log;
use crate::secrets::Secrets;

/// What the user sees in the list of devices if the inspector is cut off before it could remove it.
const DEVICE_NAME: &str = "inspect";

/// Whose log to look into. None of it is secret.
#[derive(Args)]
pub(crate) struct Account {
    /// The server's public URL
    #[arg(long, value_name = "URL")]
    server: String,
    /// The app's API key
    #[arg(long, value_name = "KEY")]
    api_key: String,
    /// The user's e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: String,
}

/// Signs in, answers, and leaves, whatever happens in between.
pub(crate) async fn visit(
    account: &Account,
    secrets: Secrets,
    command: &Command,
    style: Style,
) -> Result<Answer> {
    let config = SyncKitConfig { server_url: account.server.clone(), api_key: account.api_key.clone() };
    let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).build();
    let mut visit = Visit { client, device: None, interruption: Interruption::listen()? };
    let outcome = visit.answer(account, secrets, command, style).await;
    match (outcome, visit.leave().await) {
        (Ok(mut answer), Err(failure)) => {
            answer.warnings.push(failure.to_string());
            Ok(answer)
        }
        (Err(failure), Err(left)) => {
            crate::complain(&left.to_string());
            Err(failure)
        }
        (outcome, Ok(())) => outcome,
    }
}

struct Visit {
    client: SyncKitClient,
    /// The device to remove.
    device: Option<Uuid>,
    interruption: Interruption,
}

impl Visit {
    async fn answer(
        &mut self,
        account: &Account,
        secrets: Secrets,
        command: &Command,
        style: Style,
    ) -> Result<Answer> {
        let around = self.interruption.or(enter(&self.client, account, secrets)).await?;
        if let Some(answer) = command.answer_at_the_door(&around, style)? {
            return Ok(answer);
        }
        // Heeds no signal: only the answer tells what has to be removed.
        let device =
            self.client.register_device_with_install_id(DEVICE_NAME, platform(), Uuid::new_v4()).await?;
        self.device = Some(device.id);
        let log = Log::new(&self.client, device.id, &around.devices);
        self.interruption.or(command.answer(&log, &around, style)).await
    }

    /// Removes the device, which ends the session; without a device, signs out. A further signal gives up on it.
    async fn leave(&mut self) -> Result<()> {
        let Some(device) = self.device else {
            return self.interruption.or(sign_out(&self.client)).await;
        };
        match self.interruption.or(remove(&self.client, device)).await {
            Err(Failure::Sync(error)) => Err(Failure::DeviceLeft { device, error }),
            outcome => outcome,
        }
    }
}

/// Signs in, opens the key if there is a passphrase, and looks around.
async fn enter(client: &SyncKitClient, account: &Account, secrets: Secrets) -> Result<Surroundings> {
    client.authenticate(&account.email, &secrets.password).await?;
    if let Some(passphrase) = &secrets.passphrase {
        client.setup_encryption_existing(passphrase).await?;
    }
    Ok(Surroundings { devices: client.devices().await?, status: client.status().await? })
}

async fn sign_out(client: &SyncKitClient) -> Result<()> {
    Ok(client.logout().await?)
}

async fn remove(client: &SyncKitClient, device: Uuid) -> Result<()> {
    match client.remove_device(device).await {
        // The user has removed it meanwhile.
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
