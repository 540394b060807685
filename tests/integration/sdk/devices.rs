//! Devices, and the status of the log.

use tidelog_client::SyncKitError;
use uuid::Uuid;

use tidelog_test_kit::sdk::{Fixture, tasks};

#[tokio::test]
async fn registering_a_name_again_returns_the_same_device() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let first = client.register_device("MacBook Pro", "macos").await.unwrap();
    let again = client.register_device("MacBook Pro", "linux").await.unwrap();
    assert_eq!(first.id, again.id);
    assert_eq!(again.platform.as_str(), "linux");
    assert_eq!(client.devices().await.unwrap(), client.list_devices().await.unwrap());
    assert_eq!(client.devices().await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_installations_with_one_name_are_two_devices() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let install = [Uuid::new_v4(), Uuid::new_v4()];
    let register = |id| client.register_device_with_install_id("Phone", "ios", id);
    let (one, other) = (register(install[0]).await.unwrap(), register(install[1]).await.unwrap());
    assert_ne!(one.id, other.id);
    assert_eq!(register(install[0]).await.unwrap().id, one.id);
}

#[tokio::test]
async fn an_unknown_platform_or_an_empty_name_is_a_typed_error() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    for (name, platform, at_fault) in [("Toaster", "toaster", "platform"), ("", "web", "device_name")] {
        let refused = client.register_device(name, platform).await;
        assert!(matches!(refused, Err(SyncKitError::InvalidField { field, .. }) if field == at_fault));
    }
}

#[tokio::test]
async fn a_revoked_device_can_neither_push_nor_pull() {
    let fixture = Fixture::new().await;
    let (_gone, device) = fixture.device("lost phone").await;
    let (client, _) = fixture.device("laptop").await;
    client.remove_device(device.id).await.unwrap();
    assert!(matches!(client.push(device.id, tasks(1)).await, Err(SyncKitError::DeviceRevoked)));
    assert!(matches!(client.pull(device.id, 0).await, Err(SyncKitError::DeviceRevoked)));
    assert!(matches!(client.remove_device(Uuid::new_v4()).await, Err(SyncKitError::NotFound)));
}

#[tokio::test]
async fn status_counts_what_was_pushed() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    let empty = client.status().await.unwrap();
    assert_eq!((empty.total_changes, empty.devices, empty.key_version), (0, 1, 1));
    let cursor = client.push(device.id, tasks(3)).await.unwrap();
    let full = client.status().await.unwrap();
    assert_eq!((full.total_changes, full.latest_cursor), (3, cursor));
    assert!(full.change_bytes > 3 * 40);
}
