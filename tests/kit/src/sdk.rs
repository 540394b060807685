//! A server, clients with cheap passphrases and keys in memory, and changes to push.

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

/// What all tests encrypt under, unless they are about passphrases.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// An app and a user on a server of their own.
pub struct World {
    pub server: Server,
}

impl World {
    pub async fn new() -> Self {
        Self { server: Server::start().await.unwrap() }
    }

    pub fn config(&self) -> SyncKitConfig {
        config(self.server.url(), self.server.api_key())
    }

    /// A client that nobody has signed in with.
    pub fn stranger(&self) -> SyncKitClient {
        builder(self.config()).build()
    }

    /// A signed-in client without a key.
    pub async fn signed_in(&self) -> SyncKitClient {
        self.signed_in_with(builder(self.config())).await
    }

    /// A signed-in client that keeps its key there.
    pub async fn with_store(&self, store: &Arc<impl KeyStore + 'static>) -> SyncKitClient {
        self.signed_in_with(builder(self.config()).shared_key_store(store.clone())).await
    }

    pub async fn signed_in_with(&self, builder: ClientBuilder) -> SyncKitClient {
        let client = builder.build();
        client.authenticate(self.server.email(), self.server.password()).await.unwrap();
        client
    }

    /// A signed-in client with the user's key and a registered device.
    pub async fn device(&self, name: &str) -> (SyncKitClient, Device) {
        let client = self.signed_in().await;
        client.setup_encryption_new(PASSPHRASE).await.unwrap();
        let device = client.register_device(name, "linux").await.unwrap();
        (client, device)
    }

    /// Another user of the same app, signed in, keeping the key there.
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

/// Keys in memory, the cheapest passphrase there is, no waiting between retries.
pub fn builder(config: SyncKitConfig) -> ClientBuilder {
    SyncKitClient::builder(config)
        .key_store(MemoryStore::new())
        .kdf_cost(KdfCost::MIN)
        .first_retry_wait(Duration::ZERO)
}

/// A whole microsecond, as it comes back from the server.
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

/// All that a device is given from the start, page by page.
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

/// The first page, complete.
pub async fn first_page(client: &SyncKitClient, device_id: Uuid) -> PulledPage {
    client.pull_page(device_id, 0, PullFilter::default()).await.unwrap()
}
