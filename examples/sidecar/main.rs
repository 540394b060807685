//! A program for the users of a web app that had users long before it had sync: they log in as ever, and get an end-to-end
//! encrypted log without a second account. `docs/sidecar.md` tells how to run it, `web_app.py` is the web app.
#![allow(clippy::disallowed_methods, reason = "programs read their environment")]

mod web_app;

use std::env;
use std::io;

use chrono::Utc;
use clap::Parser;
use tidelog_client::{ChangeEntry, ChangeOp, Cursor, MemoryStore, SyncKitClient, SyncKitConfig};
use uuid::Uuid;

use web_app::WebApp;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The table that syncs.
const TABLE: &str = "bookmarks";

/// Adds a bookmark, or lists those of all of the user's devices.
///
/// Password and passphrase are asked for, or taken from BOOKMARKS_PASSWORD and BOOKMARKS_PASSPHRASE.
#[derive(Parser)]
#[command(name = "sidecar")]
struct Arguments {
    /// Where the web app is
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    web_app: String,
    /// Where the app syncs
    #[arg(long, default_value = "http://127.0.0.1:7878")]
    sync: String,
    /// The app's API key there
    #[arg(long)]
    api_key: String,
    /// The user's name in the web app
    #[arg(long)]
    name: String,
    /// What to call this device
    #[arg(long, default_value = "Terminal")]
    device: String,
    /// An address to remember; without one, all are listed
    bookmark: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let password = secret("Password", "BOOKMARKS_PASSWORD")?;
    let passphrase = secret("Passphrase", "BOOKMARKS_PASSPHRASE")?;

    // The web app's own login, and a token pair from its own hand.
    let session = WebApp::at(&arguments.web_app).log_in(&arguments.name, &password).await?.sync().await?;

    let config = SyncKitConfig { server_url: arguments.sync, api_key: arguments.api_key };
    let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).build();
    client.restore_session(session);
    // Makes the key on the first device, and opens it on the others. The web app never sees the passphrase, nor does the server.
    client.setup_encryption_new(&passphrase).await?;
    let device = client.register_device(&arguments.device, env::consts::OS).await?;
    match arguments.bookmark {
        Some(address) => add(&client, device.id, &address).await,
        None => list(&client, device.id).await,
    }
}

async fn add(client: &SyncKitClient, device_id: Uuid, address: &str) -> Result<()> {
    let bookmark = ChangeEntry {
        table: TABLE.into(),
        op: ChangeOp::Insert,
        row_id: Uuid::new_v4().to_string(),
        timestamp: Utc::now(),
        data: Some(serde_json::json!({ "address": address })),
    };
    client.push(device_id, vec![bookmark]).await?;
    Ok(())
}

async fn list(client: &SyncKitClient, device_id: Uuid) -> Result<()> {
    let mut cursor = Cursor::Start;
    loop {
        let (changes, next, has_more) = client.pull(device_id, cursor).await?;
        for change in changes {
            if let Some(address) = change.data.as_ref().and_then(|data| data["address"].as_str()) {
                println!("{address}");
            }
        }
        cursor = next;
        if !has_more {
            return Ok(());
        }
    }
}

/// From the environment, or from a person: never from the command line, which others can see.
fn secret(name: &str, variable: &str) -> io::Result<String> {
    env::var(variable).or_else(|_| rpassword::prompt_password(format!("{name}: ")))
}
