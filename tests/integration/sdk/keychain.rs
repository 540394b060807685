//! The operating system's keychain. Not every machine has one, so these tests run where one was started for them:
//! `scripts/test` does, with a Secret Service on a bus of its own.

use tidelog_client::keystore::KeychainStore;
use tidelog_client::{KeyStore, SyncKitClient};

use crate::keystore::stores_secrets_by_account;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, task};

#[test]
#[ignore = "needs a keychain; scripts/test starts one"]
fn the_keychain_stores_secrets_by_account() {
    let store = KeychainStore::new();
    stores_secrets_by_account(&store);
    store.delete("other").unwrap();
}

#[tokio::test]
#[ignore = "needs a keychain; scripts/test starts one"]
async fn a_program_finds_its_key_in_the_keychain_in_its_next_run() {
    let fixture = Fixture::new().await;
    let sign_in = async || {
        let client = SyncKitClient::new(fixture.config());
        client.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
        client
    };
    let first_run = sign_in().await;
    first_run.setup_encryption_new(PASSPHRASE).await.unwrap();
    let next_run = sign_in().await;
    assert!(next_run.try_load_key_from_keychain().await.unwrap());
    let device = next_run.register_device("laptop", "linux").await.unwrap();
    next_run.push(device.id, vec![task("1")]).await.unwrap();
    let (changes, ..) = first_run.pull(device.id, 0).await.unwrap();
    assert_eq!(changes.len(), 1);
    next_run.logout().await.unwrap();
    let after_logout = sign_in().await;
    assert!(!after_logout.try_load_key_from_keychain().await.unwrap());
}
