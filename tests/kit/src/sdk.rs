//! A server for SDK clients, which keep keys in memory and derive them at the lowest cost, and changes to push.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tidelog::dev::Server;
use tidelog::server::commands::{Command, UserCommand};
use tidelog_client::{
    ChangeEntry, ChangeOp, ClientBuilder, Cursor, Device, KdfCost, KeyStore, MemoryStore, PullFilter,
    PulledPage, SyncKitClient, SyncKitConfig,
};
use uuid::Uuid;

/// The passphrase of all tests that are not about passphrases.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// A server with an app and a user.
pub struct Fixture {
    pub server: Server,
}

impl Fixture {
    pub async fn new() -> Self {
        Self { server: Server::start().await.unwrap() }
    }

    pub fn config(&self) -> SyncKitConfig {
        config(self.server.url(), self.server.api_key())
    }

    /// Returns a client that is not signed in.
    pub fn signed_out_client(&self) -> SyncKitClient {
        builder(self.config()).build()
    }

    /// Returns a signed-in client without a key.
    pub async fn signed_in(&self) -> SyncKitClient {
        self.signed_in_with(builder(self.config())).await
    }

    /// Returns a signed-in client that keeps its key in this store.
    pub async fn with_store(&self, store: &Arc<impl KeyStore + 'static>) -> SyncKitClient {
        self.signed_in_with(builder(self.config()).shared_key_store(store.clone())).await
    }

    pub async fn signed_in_with(&self, builder: ClientBuilder) -> SyncKitClient {
        let client = builder.build();
        client.authenticate(self.server.email(), self.server.password()).await.unwrap();
        client
    }

    /// Returns a signed-in client with the user's key and a registered device.
    pub async fn device(&self, name: &str) -> (SyncKitClient, Device) {
        let client = self.signed_in().await;
        client.setup_encryption_new(PASSPHRASE).await.unwrap();
        let device = client.register_device(name, "linux").await.unwrap();
        (client, device)
    }

    /// Returns a signed-in client of another user of the same app, with this key store.
    pub async fn other_user(&self, store: &Arc<impl KeyStore + 'static>) -> SyncKitClient {
        let (email, password) = ("other@example.com", "another password");
        let create = Command::User(UserCommand::Create {
            email: email.into(),
            password: password.into(),
            admin: false,
        });
        self.server.command(create).await.unwrap();
        let client = builder(self.config()).shared_key_store(store.clone()).build();
        client.authenticate(email, password).await.unwrap();
        client
    }
}

pub fn config(url: &str, api_key: &str) -> SyncKitConfig {
    SyncKitConfig { server_url: url.to_owned(), api_key: api_key.to_owned() }
}

/// Returns a builder with keys in memory, the lowest KDF cost, and no waits between retries.
pub fn builder(config: SyncKitConfig) -> ClientBuilder {
    SyncKitClient::builder(config)
        .key_store(MemoryStore::new())
        .kdf_cost(KdfCost::MIN)
        .first_retry_wait(Duration::ZERO)
}

/// Returns the current time in whole microseconds, the server's precision.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap()
}

pub fn insert(table: &str, row_id: &str, data: Value) -> ChangeEntry {
    ChangeEntry {
        table: table.into(),
        op: ChangeOp::Insert,
        row_id: row_id.into(),
        timestamp: now(),
        data: Some(data),
    }
}

pub fn task(row_id: &str) -> ChangeEntry {
    insert("tasks", row_id, json!({ "title": format!("task {row_id}") }))
}

pub fn tasks(count: usize) -> Vec<ChangeEntry> {
    (0..count).map(|number| task(&number.to_string())).collect()
}

/// Pulls the log from the start, page by page.
pub async fn pull_all(client: &SyncKitClient, device: &Device) -> Vec<ChangeEntry> {
    let (mut all, mut cursor) = (Vec::new(), Cursor::Start);
    loop {
        let (changes, next, has_more) = client.pull(device.id, cursor).await.unwrap();
        all.extend(changes);
        cursor = next;
        if !has_more {
            return all;
        }
    }
}

/// Pulls the first page.
pub async fn first_page(client: &SyncKitClient, device_id: Uuid) -> PulledPage {
    client.pull_page(device_id, 0, PullFilter::default()).await.unwrap()
}
