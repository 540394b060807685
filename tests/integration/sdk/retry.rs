//! Failures: lost answers, and servers that are busy or unreachable. Whatever happens, a change is in the log once.

use tidelog_client::{Device, SyncKitClient, SyncKitError};

use crate::push::opened;
use tidelog_test_kit::proxy::{ExchangeOutcome, Proxy};
use tidelog_test_kit::raw::RawClient;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config, task, tasks};

/// A client with a key that reaches the server through the proxy, with this many retries.
async fn through(proxy: &Proxy, fixture: &Fixture, retries: u32) -> (SyncKitClient, Device) {
    let client = builder(config(proxy.url(), fixture.server.api_key())).retries(retries).build();
    client.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = client.register_device("laptop", "linux").await.unwrap();
    // The first push fetches the limits; from then on, a push is one request per batch.
    client.push(device.id, vec![task("first")]).await.unwrap();
    (client, device)
}

async fn total(fixture: &Fixture) -> u64 {
    fixture.signed_in().await.status().await.unwrap().total_changes
}

#[tokio::test]
async fn a_push_whose_answers_get_lost_is_retried_and_stored_once() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, device) = through(&proxy, &fixture, 3).await;
    proxy.set_outcomes([ExchangeOutcome::LoseResponse; 3]);
    let cursor = client.push(device.id, tasks(5)).await.unwrap();
    assert_eq!(total(&fixture).await, 6);
    assert_eq!(client.status().await.unwrap().latest_cursor, cursor);
}

#[tokio::test]
async fn a_setup_whose_response_is_lost_finds_its_own_key() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let client = builder(config(proxy.url(), fixture.server.api_key())).build();
    client.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
    // The answer to the GET of the key passes, the one to the PUT does not.
    proxy.set_outcomes([ExchangeOutcome::Pass, ExchangeOutcome::LoseResponse]);
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = client.register_device("laptop", "linux").await.unwrap();
    client.push(device.id, tasks(1)).await.unwrap();
}

#[tokio::test]
async fn a_refresh_whose_response_is_lost_keeps_the_session() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, _) = through(&proxy, &fixture, 3).await;
    let mut session = client.session_info().unwrap();
    session.expires_at = Some(chrono::Utc::now());
    client.restore_session(session);
    proxy.set_outcomes([ExchangeOutcome::LoseResponse; 2]);
    client.status().await.unwrap();
    client.status().await.unwrap();
}

#[tokio::test]
async fn a_busy_server_is_retried_three_times() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, device) = through(&proxy, &fixture, 3).await;
    proxy.set_outcomes([ExchangeOutcome::Refuse; 3]);
    client.push(device.id, tasks(1)).await.unwrap();

    proxy.set_outcomes([ExchangeOutcome::Refuse; 10]);
    let refused = client.status().await;
    assert!(matches!(refused, Err(SyncKitError::Server { status: 503, .. })));
    assert_eq!(proxy.requests("GET /api/sync/status"), 4);
}

#[tokio::test]
async fn an_unreachable_server_is_a_network_error() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let session = client.session_info().unwrap();
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = builder(config(&format!("http://{nobody}"), "key")).build();
    client.restore_session(session);
    assert!(matches!(client.status().await, Err(SyncKitError::Network(_))));
    let client = builder(config("no url at all", "key")).build();
    assert!(matches!(client.authenticate("a", "b").await, Err(SyncKitError::Network(_))));
}

#[tokio::test]
async fn a_push_without_a_response_is_completed_by_pushing_the_same_again() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, device) = through(&proxy, &fixture, 0).await;
    let changes = tasks(3);
    proxy.set_outcomes([ExchangeOutcome::LoseResponse; 1]);
    assert!(matches!(client.push(device.id, changes.clone()).await, Err(SyncKitError::Network(_))));
    assert_eq!(total(&fixture).await, 4, "the server had it all the time");

    let cursor = client.push(device.id, changes.clone()).await.unwrap();
    assert_eq!(total(&fixture).await, 4);
    assert_eq!(client.status().await.unwrap().latest_cursor, cursor);

    client.push(device.id, changes).await.unwrap();
    assert_eq!(total(&fixture).await, 7, "once acknowledged, the same changes are new ones");
    assert_eq!(streams(&fixture, &client, &device).await, [(0, 7)]);
}

#[tokio::test]
async fn a_push_of_several_batches_continues_where_it_was_interrupted() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, device) = through(&proxy, &fixture, 0).await;
    let changes = tasks(1_201);
    proxy.set_outcomes([ExchangeOutcome::Pass, ExchangeOutcome::LoseResponse]);
    assert!(matches!(client.push(device.id, changes.clone()).await, Err(SyncKitError::Network(_))));
    assert_eq!(total(&fixture).await, 1_001);
    client.push(device.id, changes).await.unwrap();
    assert_eq!(total(&fixture).await, 1_202);
}

#[tokio::test]
async fn other_changes_after_a_lost_answer_start_a_new_stream() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (client, device) = through(&proxy, &fixture, 0).await;
    proxy.set_outcomes([ExchangeOutcome::LoseResponse; 1]);
    assert!(client.push(device.id, vec![task("lost")]).await.is_err());
    client.push(device.id, vec![task("other"), task("more")]).await.unwrap();
    assert_eq!(streams(&fixture, &client, &device).await, [(0, 2), (0, 2)]);
}

/// First counter and length of each stream in the log, in order.
async fn streams(fixture: &Fixture, client: &SyncKitClient, device: &Device) -> Vec<(u64, usize)> {
    let raw = RawClient::with_token_of(fixture, client);
    let entries = opened(&raw.opened_envelope().await.vault, &raw.entries(device).await);
    entries.chunk_by(|one, next| one.stream == next.stream).map(|run| (run[0].counter, run.len())).collect()
}
