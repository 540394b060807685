//! Sync for the users of an existing web app: they sign in to the web app as before, and need no second account.
//! Takes a second.
//!
//! This is the program that the users run; `web_app.py` is the web app. `docs/sidecar.md` says how to run both.
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

/// Adds a bookmark, or lists the bookmarks of all of the user's devices.
///
/// Asks for the password and the passphrase, or takes them from BOOKMARKS_PASSWORD and BOOKMARKS_PASSPHRASE.
#[derive(Parser)]
#[command(name = "sidecar")]
struct Arguments {
    /// The URL of the web app
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    web_app: String,
    /// The URL of the sync server
    #[arg(long, default_value = "http://127.0.0.1:7878")]
    sync: String,
    /// The app's API key on the sync server
    #[arg(long)]
    api_key: String,
    /// The user's name in the web app
    #[arg(long)]
    name: String,
    /// The name of this device
    #[arg(long, default_value = "Terminal")]
    device: String,
    /// The URL to add; if omitted, all bookmarks are listed
    bookmark: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let password = secret("Password", "BOOKMARKS_PASSWORD")?;
    let passphrase = secret("Passphrase", "BOOKMARKS_PASSPHRASE")?;

    // Signs in to the web app, which then provides a token pair for the sync server.
    let session = WebApp::new(&arguments.web_app).sign_in(&arguments.name, &password).await?.sync().await?;

    let config = SyncKitConfig { server_url: arguments.sync, api_key: arguments.api_key };
    let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).build();
    client.restore_session(session);
    // Creates the key on the first device, and opens it on the others. Neither the web app nor the server sees the
    // passphrase.
    client.setup_encryption_new(&passphrase).await?;
    let device = client.register_device(&arguments.device, env::consts::OS).await?;
    match arguments.bookmark {
        Some(url) => add(&client, device.id, &url).await,
        None => list(&client, device.id).await,
    }
}

async fn add(client: &SyncKitClient, device_id: Uuid, url: &str) -> Result<()> {
    let bookmark = ChangeEntry {
        table: TABLE.into(),
        op: ChangeOp::Insert,
        row_id: Uuid::new_v4().to_string(),
        timestamp: Utc::now(),
        data: Some(serde_json::json!({ "url": url })),
    };
    client.push(device_id, vec![bookmark]).await?;
    Ok(())
}

async fn list(client: &SyncKitClient, device_id: Uuid) -> Result<()> {
    let mut cursor = Cursor::Start;
    loop {
        let (changes, next, has_more) = client.pull(device_id, cursor).await?;
        for change in changes {
            if let Some(url) = change.data.as_ref().and_then(|data| data["url"].as_str()) {
                println!("{url}");
            }
        }
        cursor = next;
        if !has_more {
            return Ok(());
        }
    }
}

/// Reads a secret from the environment or from a prompt, but never from the command line, which process lists show.
fn secret(name: &str, variable: &str) -> io::Result<String> {
    env::var(variable).or_else(|_| rpassword::prompt_password(format!("{name}: ")))
}
