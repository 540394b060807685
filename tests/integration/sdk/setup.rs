//! Encryption set-up: one key per user, never replaced silently.

use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use tidelog_client::formats::{PinError, Rotation, Vault, seal_envelope};
use tidelog_client::{
    BlockReason, KdfCost, KeyStore, KeyStoreError, MemoryStore, SyncKitClient, SyncKitError,
};
use zeroize::Zeroizing;

use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, pull_all, task, tasks};

/// A key store with a single secret for all accounts. Lets one user find what another has pinned.
#[derive(Default)]
struct OneSecret(Mutex<Option<Vec<u8>>>);

impl KeyStore for OneSecret {
    fn get(&self, _: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.0.lock().unwrap().clone().map(Zeroizing::new))
    }

    fn set(&self, _: &str, secret: &[u8]) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap() = Some(secret.to_vec());
        Ok(())
    }

    fn delete(&self, _: &str) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap() = None;
        Ok(())
    }
}

fn wrapped(vault: &Vault, wrap_no: u32) -> String {
    BASE64.encode(&seal_envelope(vault, PASSPHRASE, KdfCost::MIN, wrap_no).unwrap())
}

#[tokio::test]
async fn a_first_set_up_stores_a_key_on_the_server() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    assert!(!client.has_server_key().await.unwrap());
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    assert!(client.has_server_key().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_set_up_at_the_same_time_end_up_with_one_key() {
    let fixture = Fixture::new().await;
    let mut clients = Vec::new();
    for number in 0..4 {
        let client = Arc::new(fixture.signed_in().await);
        let device = client.register_device(&format!("device {number}"), "linux").await.unwrap();
        clients.push((client, device));
    }
    let set_up = |client: &Arc<SyncKitClient>| {
        let client = client.clone();
        tokio::spawn(async move { client.setup_encryption_new(PASSPHRASE).await })
    };
    let running: Vec<_> = clients.iter().map(|(client, _)| set_up(client)).collect();
    for set_up in running {
        set_up.await.unwrap().unwrap();
    }
    for (number, (client, device)) in clients.iter().enumerate() {
        client.push(device.id, vec![task(&number.to_string())]).await.unwrap();
    }
    for (client, device) in &clients {
        assert_eq!(pull_all(client, device).await.len(), clients.len());
        assert_eq!(client.quarantined(), 0);
    }
}

#[tokio::test]
async fn a_setup_that_finds_a_key_adopts_it() {
    let fixture = Fixture::new().await;
    let (_first, _) = fixture.device("laptop").await;
    let raw = RawClient::with_token_of(&fixture, &fixture.signed_in().await);
    let before = raw.envelope().await;
    fixture.signed_in().await.setup_encryption_new(PASSPHRASE).await.unwrap();
    fixture.signed_in().await.setup_encryption_existing(PASSPHRASE).await.unwrap();
    assert_eq!(raw.envelope().await, before);
}

#[tokio::test]
async fn a_wrong_passphrase_is_an_error_and_replaces_nothing() {
    let fixture = Fixture::new().await;
    let (_first, device) = fixture.device("laptop").await;
    let client = fixture.signed_in().await;
    let raw = RawClient::with_token_of(&fixture, &client);
    let before = raw.envelope().await;
    assert!(matches!(client.setup_encryption_new("guess").await, Err(SyncKitError::WrongPassphrase)));
    assert!(matches!(client.setup_encryption_existing("guess").await, Err(SyncKitError::WrongPassphrase)));
    assert!(matches!(client.push(device.id, tasks(1)).await, Err(SyncKitError::NoMasterKey)));
    assert_eq!(raw.envelope().await, before);
}

#[tokio::test]
async fn an_empty_passphrase_is_refused_before_anything_is_sent() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    assert!(matches!(client.setup_encryption_new("").await, Err(SyncKitError::EmptyPassphrase)));
    assert!(matches!(client.setup_encryption_existing("").await, Err(SyncKitError::EmptyPassphrase)));
    assert!(!client.has_server_key().await.unwrap());
}

#[tokio::test]
async fn the_same_passphrase_in_another_unicode_form_opens_the_key() {
    let fixture = Fixture::new().await;
    fixture.signed_in().await.setup_encryption_new("caf\u{e9}").await.unwrap();
    fixture.signed_in().await.setup_encryption_existing("cafe\u{301}").await.unwrap();
}

#[tokio::test]
async fn without_a_key_on_the_server_setup_of_an_existing_key_fails() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    assert!(matches!(client.setup_encryption_existing(PASSPHRASE).await, Err(SyncKitError::NoServerKey)));
}

#[tokio::test]
async fn the_next_run_finds_the_key_in_the_key_store() {
    let fixture = Fixture::new().await;
    let store = Arc::new(MemoryStore::new());
    let first_run = fixture.with_store(&store).await;
    assert!(!first_run.try_load_key_from_keychain().await.unwrap());
    first_run.setup_encryption_new(PASSPHRASE).await.unwrap();

    let next_run = fixture.with_store(&store).await;
    assert!(next_run.try_load_key_from_keychain().await.unwrap());
    let device = next_run.register_device("laptop", "linux").await.unwrap();
    next_run.push(device.id, tasks(1)).await.unwrap();
    assert_eq!(pull_all(&first_run, &device).await.len(), 1);
}

#[tokio::test]
async fn a_key_is_not_found_by_another_user_of_the_same_machine() {
    let fixture = Fixture::new().await;
    let store = Arc::new(MemoryStore::new());
    fixture.with_store(&store).await.setup_encryption_new(PASSPHRASE).await.unwrap();
    assert!(!fixture.other_user(&store).await.try_load_key_from_keychain().await.unwrap());
}

#[tokio::test]
async fn a_client_that_signs_in_as_another_user_forgets_the_key() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let other = fixture.other_user(&Arc::new(MemoryStore::new())).await;
    client.restore_session(other.session_info().unwrap());
    assert!(matches!(client.push(device.id, tasks(1)).await, Err(SyncKitError::NoMasterKey)));
}

#[tokio::test]
async fn a_key_that_vanished_from_the_server_is_never_set_up_again() {
    let fixture = Fixture::new().await;
    let store = Arc::new(OneSecret::default());
    fixture.with_store(&store).await.setup_encryption_new(PASSPHRASE).await.unwrap();
    let bereft = fixture.other_user(&store).await;
    assert!(matches!(bereft.setup_encryption_new(PASSPHRASE).await, Err(SyncKitError::KeyGone)));
    assert!(matches!(bereft.setup_encryption_existing(PASSPHRASE).await, Err(SyncKitError::KeyGone)));
    assert!(bereft.try_load_key_from_keychain().await.unwrap());
    let device = bereft.register_device("laptop", "linux").await.unwrap();
    assert!(matches!(bereft.push(device.id, tasks(1)).await, Err(SyncKitError::KeyGone)));
    assert!(!bereft.has_server_key().await.unwrap());

    bereft.forget_key().await.unwrap();
    bereft.setup_encryption_new(PASSPHRASE).await.unwrap();
    bereft.push(device.id, tasks(1)).await.unwrap();
}

#[tokio::test]
async fn a_vault_that_this_device_does_not_know_is_refused() {
    let fixture = Fixture::new().await;
    let store = Arc::new(OneSecret::default());
    fixture.with_store(&store).await.setup_encryption_new(PASSPHRASE).await.unwrap();
    let elsewhere = Arc::new(MemoryStore::new());
    let other = fixture.other_user(&elsewhere).await;
    other.setup_encryption_new(PASSPHRASE).await.unwrap();
    let deceived = fixture.with_store(&store).await;
    deceived.restore_session(other.session_info().unwrap());
    let outcome = deceived.setup_encryption_existing(PASSPHRASE).await;
    assert!(matches!(outcome, Err(SyncKitError::KeyChanged(PinError::OtherVault))));
    assert!(deceived.try_load_key_from_keychain().await.unwrap());
    let device = deceived.register_device("laptop", "linux").await.unwrap();
    let outcome = deceived.push(device.id, tasks(1)).await;
    assert!(matches!(outcome, Err(SyncKitError::KeyChanged(PinError::OtherVault))));
}

#[tokio::test]
async fn an_older_envelope_is_refused_by_a_device_that_saw_the_newer_one() {
    let fixture = Fixture::new().await;
    let store = Arc::new(MemoryStore::new());
    let client = fixture.with_store(&store).await;
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let raw = RawClient::with_token_of(&fixture, &client);
    let old = raw.envelope().await;
    let vault = raw.opened_envelope().await.vault;

    raw.replace_envelope(&wrapped(&vault, 1), 1).await;
    client.setup_encryption_existing(PASSPHRASE).await.unwrap();
    raw.replace_envelope(&old, 1).await;
    let outcome = client.setup_encryption_existing(PASSPHRASE).await;
    assert!(matches!(outcome, Err(SyncKitError::KeyChanged(PinError::OlderWrap))));

    let next_run = fixture.with_store(&store).await;
    assert!(next_run.try_load_key_from_keychain().await.unwrap());
    let device = next_run.register_device("laptop", "linux").await.unwrap();
    let outcome = next_run.push(device.id, tasks(1)).await;
    assert!(matches!(outcome, Err(SyncKitError::KeyChanged(PinError::OlderWrap))));
}

#[tokio::test]
async fn an_envelope_of_another_version_than_the_server_says_is_refused() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let raw = RawClient::with_token_of(&fixture, &client);
    let envelope = raw.envelope().await;
    raw.replace_envelope(&envelope, 2).await;
    let outcome = fixture.signed_in().await.setup_encryption_existing(PASSPHRASE).await;
    let told = PinError::OtherVersion { server: 2, envelope: 1 };
    assert!(matches!(outcome, Err(SyncKitError::KeyChanged(error)) if error == told));
}

#[tokio::test]
async fn bytes_that_are_not_an_envelope_are_a_typed_error() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    RawClient::with_token_of(&fixture, &client).replace_envelope("bm8gZW52ZWxvcGU=", 1).await;
    assert!(matches!(client.setup_encryption_new(PASSPHRASE).await, Err(SyncKitError::BadEnvelope(_))));
}

#[tokio::test]
async fn a_device_that_missed_a_new_key_requires_the_passphrase_and_loses_nothing() {
    let fixture = Fixture::new().await;
    let (behind, behind_device) = fixture.device("laptop").await;
    behind.push(behind_device.id, vec![task("old")]).await.unwrap();
    let raw = RawClient::with_token_of(&fixture, &behind);
    let rotated = raw.opened_envelope().await.vault.rotated(Rotation::Routine).unwrap();
    raw.replace_envelope(&wrapped(&rotated, 0), 2).await;

    let (ahead, ahead_device) = fixture.device("desktop").await;
    ahead.push(ahead_device.id, vec![task("new")]).await.unwrap();
    let pushed = behind.push(behind_device.id, tasks(1)).await;
    assert!(matches!(pushed, Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded))));
    let pulled = behind.pull(behind_device.id, 0).await;
    assert!(matches!(pulled, Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded))));
    assert_eq!(behind.quarantined(), 0);

    behind.setup_encryption_existing(PASSPHRASE).await.unwrap();
    behind.push(behind_device.id, tasks(1)).await.unwrap();
    assert_eq!(pull_all(&behind, &behind_device).await.len(), 3);
}

#[tokio::test]
async fn without_a_key_nothing_is_pushed_or_pulled_in_the_clear() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let device = client.register_device("laptop", "linux").await.unwrap();
    assert!(matches!(client.push(device.id, tasks(1)).await, Err(SyncKitError::NoMasterKey)));
    assert!(matches!(client.pull(device.id, 0).await, Err(SyncKitError::NoMasterKey)));
    assert_eq!(client.status().await.unwrap().total_changes, 0);
}
