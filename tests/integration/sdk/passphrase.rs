//! Passphrase and recovery key: each change happens completely or not at all, and none creates a key by accident.

use std::sync::Arc;

use tidelog_client::formats::PinError;
use tidelog_client::{MemoryStore, RecoveryKey, SyncKitError};

use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, pull_all, tasks};

const ANOTHER: &str = "another passphrase altogether";

#[tokio::test]
async fn changing_the_passphrase_keeps_the_key() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(3)).await.unwrap();
    let before = RawClient::with_token_of(&fixture, &client).opened_envelope().await;

    client.change_passphrase(PASSPHRASE, ANOTHER).await.unwrap();

    let new_device = fixture.signed_in().await;
    let outcome = new_device.setup_encryption_existing(PASSPHRASE).await;
    assert!(matches!(outcome, Err(SyncKitError::WrongPassphrase)));
    new_device.setup_encryption_existing(ANOTHER).await.unwrap();
    let other = new_device.register_device("phone", "linux").await.unwrap();
    assert_eq!(pull_all(&new_device, &other).await.len(), 3);
    client.push(device.id, tasks(1)).await.unwrap();
    assert_eq!(before.vault.key_version(), 1);
}

#[tokio::test]
async fn a_device_that_has_seen_the_new_envelope_refuses_the_old_one() {
    let fixture = Fixture::new().await;
    let store = Arc::new(MemoryStore::new());
    let client = fixture.with_store(&store).await;
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let raw = RawClient::with_token_of(&fixture, &client);
    let old = raw.envelope().await;
    client.change_passphrase(PASSPHRASE, ANOTHER).await.unwrap();
    raw.replace_envelope(&old, 1).await;
    let outcome = client.setup_encryption_existing(PASSPHRASE).await;
    assert!(matches!(outcome, Err(SyncKitError::KeyChanged(PinError::OlderWrap))));
}

#[tokio::test]
async fn a_wrong_or_empty_passphrase_changes_nothing_and_creates_no_key() {
    let fixture = Fixture::new().await;
    let (client, _) = fixture.device("laptop").await;
    let raw = RawClient::with_token_of(&fixture, &client);
    let before = raw.envelope().await;
    let wrong = client.change_passphrase("wrong", ANOTHER).await;
    assert!(matches!(wrong, Err(SyncKitError::WrongPassphrase)));
    for (current, new) in [("", ANOTHER), (PASSPHRASE, "")] {
        let empty = client.change_passphrase(current, new).await;
        assert!(matches!(empty, Err(SyncKitError::EmptyPassphrase)));
    }
    assert!(matches!(client.create_recovery_key("wrong").await, Err(SyncKitError::WrongPassphrase)));
    assert!(matches!(client.start_over("").await, Err(SyncKitError::EmptyPassphrase)));
    assert_eq!(raw.envelope().await, before);
}

#[tokio::test]
async fn only_a_first_set_up_creates_a_key() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let code = RecoveryKey::generate().unwrap();
    assert!(matches!(client.change_passphrase(PASSPHRASE, ANOTHER).await, Err(SyncKitError::NoServerKey)));
    assert!(matches!(client.create_recovery_key(PASSPHRASE).await, Err(SyncKitError::NoServerKey)));
    assert!(matches!(client.recover(&code, ANOTHER).await, Err(SyncKitError::NoServerKey)));
    assert!(matches!(client.start_over(ANOTHER).await, Err(SyncKitError::NoServerKey)));
    assert!(!client.has_server_key().await.unwrap());
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    assert!(client.has_server_key().await.unwrap());
}

#[tokio::test]
async fn a_recovery_key_opens_the_envelope_and_sets_a_new_passphrase() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(3)).await.unwrap();
    let code = client.create_recovery_key(PASSPHRASE).await.unwrap();

    let typed = RecoveryKey::parse(&code.to_text().to_lowercase().replace('-', " ")).unwrap();
    let forgetful = fixture.signed_in().await;
    forgetful.recover(&typed, ANOTHER).await.unwrap();
    let phone = forgetful.register_device("phone", "linux").await.unwrap();
    assert_eq!(pull_all(&forgetful, &phone).await.len(), 3);
    fixture.signed_in().await.setup_encryption_existing(ANOTHER).await.unwrap();
    // The recovery key stays valid.
    fixture.signed_in().await.recover(&typed, PASSPHRASE).await.unwrap();
}

#[tokio::test]
async fn only_the_newest_recovery_key_opens_the_envelope() {
    let fixture = Fixture::new().await;
    let (client, _) = fixture.device("laptop").await;
    let other = RecoveryKey::generate().unwrap();
    assert!(matches!(client.recover(&other, ANOTHER).await, Err(SyncKitError::NoRecoveryKey)));
    let first = client.create_recovery_key(PASSPHRASE).await.unwrap();
    let second = client.create_recovery_key(PASSPHRASE).await.unwrap();
    for void in [&first, &other] {
        assert!(matches!(client.recover(void, ANOTHER).await, Err(SyncKitError::WrongRecoveryKey)));
    }
    client.recover(&second, ANOTHER).await.unwrap();
}

#[tokio::test]
async fn changing_the_passphrase_keeps_the_recovery_key_valid() {
    let fixture = Fixture::new().await;
    let (client, _) = fixture.device("laptop").await;
    let code = client.create_recovery_key(PASSPHRASE).await.unwrap();
    client.change_passphrase(PASSPHRASE, ANOTHER).await.unwrap();
    client.recover(&code, "a third one").await.unwrap();
}

#[tokio::test]
async fn two_devices_that_rewrap_at_the_same_time_do_not_overwrite_each_other() {
    let fixture = Fixture::new().await;
    let (one, _) = fixture.device("laptop").await;
    let (two, _) = fixture.device("phone").await;
    let outcomes =
        tokio::join!(one.change_passphrase(PASSPHRASE, "one's"), two.change_passphrase(PASSPHRASE, "two's"));
    let lost = |outcome: &tidelog_client::Result<()>| {
        matches!(outcome, Err(SyncKitError::KeyVersionConflict { .. } | SyncKitError::WrongPassphrase))
    };
    let winner = match (&outcomes.0, &outcomes.1) {
        (Ok(()), other) if lost(other) => "one's",
        (other, Ok(())) if lost(other) => "two's",
        other => panic!("{other:?}"),
    };
    fixture.signed_in().await.setup_encryption_existing(winner).await.unwrap();
}

#[tokio::test]
async fn starting_over_keeps_account_and_log_and_creates_a_new_vault() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.push(device.id, tasks(3)).await.unwrap();
    let (other, other_device) = fixture.device("phone").await;

    client.start_over(ANOTHER).await.unwrap();
    client.push(device.id, tasks(2)).await.unwrap();

    let page = client.pull_page(device.id, 0, Default::default()).await.unwrap();
    assert_eq!((page.changes.len(), page.quarantined.len()), (2, 3));
    assert_eq!(page.evidence, [], "what cannot be read any more is nobody's fault");
    let pulled = other.pull(other_device.id, 0).await;
    assert!(matches!(pulled, Err(SyncKitError::KeyChanged(PinError::OtherVault))), "{pulled:?}");
    other.forget_key().await.unwrap();
    other.setup_encryption_existing(ANOTHER).await.unwrap();
    assert_eq!(pull_all(&other, &other_device).await.len(), 2);
}

#[tokio::test]
async fn a_passphrase_that_is_the_account_password_is_refused() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let password = fixture.server.password();
    let refused = client.setup_encryption_new(password).await;
    assert!(matches!(refused, Err(SyncKitError::PassphraseIsPassword)));
    assert!(!client.has_server_key().await.unwrap());
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    for refused in [client.change_passphrase(PASSPHRASE, password).await, client.start_over(password).await] {
        assert!(matches!(refused, Err(SyncKitError::PassphraseIsPassword)));
    }
}

#[tokio::test]
async fn an_app_can_allow_one_password_for_both() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in_with(builder(fixture.config()).allow_passphrase_as_password()).await;
    client.setup_encryption_new(fixture.server.password()).await.unwrap();
    // A user who has such a key already is not locked out of it.
    let strict = fixture.signed_in().await;
    strict.setup_encryption_existing(fixture.server.password()).await.unwrap();
}
