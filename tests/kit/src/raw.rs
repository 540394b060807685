//! A plain HTTP client next to the SDK: it sees the log as the server stores it, and pushes what the SDK would not.

use serde_json::{Value, json};
use tidelog_client::formats::{OpenedEnvelope, open_envelope};
use tidelog_client::{Device, SyncKitClient};
use uuid::Uuid;

use crate::sdk::{Fixture, PASSPHRASE};

pub struct RawClient {
    url: String,
    token: String,
}

impl RawClient {
    /// Creates a client with the token of this SDK client's session.
    pub fn with_token_of(fixture: &Fixture, client: &SyncKitClient) -> Self {
        Self { url: fixture.server.url().to_owned(), token: client.session_info().unwrap().token.clone() }
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new()
            .request(method, format!("{}/api/sync{path}", self.url))
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    /// Pushes these changes unchanged.
    pub async fn push(&self, device: &Device, changes: Value) {
        let body = json!({ "device_id": device.id, "batch_id": Uuid::new_v4(), "changes": changes });
        self.send(reqwest::Method::POST, "/push", body).await;
    }

    /// Returns the entries of the log as the server stores them.
    pub async fn entries(&self, device: &Device) -> Vec<Value> {
        let body = json!({ "device_id": device.id, "include_own": true });
        let mut page = self.send(reqwest::Method::POST, "/pull", body).await;
        serde_json::from_value(page["changes"].take()).unwrap()
    }

    /// Returns the key envelope on the server, in base64.
    pub async fn envelope(&self) -> String {
        let response = reqwest::Client::new()
            .get(format!("{}/api/sync/keys", self.url))
            .bearer_auth(&self.token)
            .send()
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        body["encrypted_key"].as_str().unwrap().to_owned()
    }

    /// Returns the key envelope on the server, opened with [`PASSPHRASE`].
    pub async fn opened_envelope(&self) -> OpenedEnvelope {
        let envelope = data_encoding::BASE64.decode(self.envelope().await.as_bytes()).unwrap();
        open_envelope(&envelope, PASSPHRASE).unwrap()
    }

    /// Replaces the key envelope on the server.
    pub async fn replace_envelope(&self, encrypted_key: &str, key_version: u32) {
        let body = json!({ "encrypted_key": encrypted_key, "key_version": key_version });
        self.send(reqwest::Method::PUT, "/keys", body).await;
    }

    /// Returns the sealed key of a blob, in base64.
    pub async fn wrapped_key(&self, hash: &str) -> String {
        let response = self.send(reqwest::Method::POST, "/blobs/download", json!({ "hash": hash })).await;
        response["wrapped_key"].as_str().unwrap().to_owned()
    }

    /// Uploads these bytes unchanged, confirms them with the given fields, and returns their hash.
    pub async fn put_blob(&self, bytes: &[u8], mut confirmation: Value) -> String {
        let hash = tidelog_client::formats::BlobHash::of(bytes).to_string();
        let what = json!({ "hash": hash, "size_bytes": bytes.len() });
        let response = self.send(reqwest::Method::POST, "/blobs/upload", what).await;
        let url = response["upload_url"].as_str().unwrap();
        let sent = reqwest::Client::new().put(url).body(bytes.to_vec()).send().await.unwrap();
        assert!(sent.status().is_success());
        (confirmation["hash"], confirmation["size_bytes"]) = (hash.clone().into(), bytes.len().into());
        self.send(reqwest::Method::POST, "/blobs/confirm", confirmation).await;
        hash
    }
}
