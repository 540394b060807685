//! A user with a key whose client goes through a proxy, folders for files, and files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tidelog_client::{BlobRef, ClientBuilder, MemoryStore, SyncKitClient};

use tidelog_test_kit::proxy::Proxy;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config};

pub(crate) struct Scenario {
    pub(crate) fixture: Fixture,
    pub(crate) proxy: Proxy,
    pub(crate) client: SyncKitClient,
    /// For files to upload and downloaded ones.
    pub(crate) files: TempDir,
    /// For sealed files in transit.
    pub(crate) temporary: TempDir,
}

impl Scenario {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// With a client that differs from the defaults of tests.
    pub(crate) async fn with(change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let fixture = Fixture::new().await;
        let proxy = Proxy::in_front_of(fixture.server.url()).await;
        let (files, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let through_the_proxy = builder(config(proxy.url(), fixture.server.api_key()));
        let client =
            fixture.signed_in_with(change(through_the_proxy.temporary_folder(temporary.path()))).await;
        client.setup_encryption_new(PASSPHRASE).await.unwrap();
        Self { fixture, proxy, client, files, temporary }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Uploads a file with this content.
    pub(crate) async fn put(&self, content: &[u8]) -> BlobRef {
        self.client.put_blob(std::io::Cursor::new(content.to_vec()), |_| {}).await.unwrap()
    }

    /// Downloads a file in both ways, which must give the same content.
    pub(crate) async fn get(&self, hash: &str) -> Vec<u8> {
        get(&self.client, hash, &self.path("got")).await
    }

    /// Another device of the user, with the key and without the proxy.
    pub(crate) async fn another_device(&self) -> SyncKitClient {
        let client = self.fixture.signed_in().await;
        client.setup_encryption_existing(PASSPHRASE).await.unwrap();
        client
    }

    /// Another user of the app, with a key.
    pub(crate) async fn another_user(&self) -> SyncKitClient {
        let client = self.fixture.other_user(&Arc::new(MemoryStore::new())).await;
        client.setup_encryption_new(PASSPHRASE).await.unwrap();
        client
    }

    /// Whether no temporary file is left.
    pub(crate) fn is_tidy(&self) -> bool {
        names(self.temporary.path()).is_empty() && names(self.files.path()).is_empty()
    }
}

pub(crate) async fn get(client: &SyncKitClient, hash: &str, path: &Path) -> Vec<u8> {
    let size = client.get_blob(hash, path, |_| {}).await.unwrap();
    let got = std::fs::read(path).unwrap();
    std::fs::remove_file(path).unwrap();
    let mut written = Vec::new();
    assert_eq!(client.get_blob_into(hash, &mut written, |_| {}).await.unwrap(), size);
    assert_eq!((got.len() as u64, written == got), (size, true));
    got
}

/// The names of the files in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Content of this size in which no two chunks are equal.
pub(crate) fn content(size: usize) -> Vec<u8> {
    (0u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).take(size).collect()
}
