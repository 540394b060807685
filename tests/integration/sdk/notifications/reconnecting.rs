//! Streams that break, in every way.

use std::time::Duration;

use tidelog_client::{ConnectionState, Cursor, Device, Notification, SyncKitClient};

use super::{Listener, device_behind, device_with};
use tidelog_test_kit::proxy::{ExchangeOutcome, Proxy, SUBSCRIBE};
use tidelog_test_kit::sdk::{Fixture, builder, config, task, tasks};

/// Pulls everything beyond the cursor, and returns how many changes there were.
async fn pull_on(client: &SyncKitClient, device: &Device, cursor: &mut Cursor) -> usize {
    let mut rows = 0;
    loop {
        let (changes, next, has_more) = client.pull(device.id, *cursor).await.unwrap();
        rows += changes.len();
        *cursor = next;
        if !has_more {
            return rows;
        }
    }
}

#[tokio::test]
async fn pushes_while_the_server_was_unreachable_are_notified_afterwards() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (laptop, laptop_device) = device_behind(&proxy, &fixture, "laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    let mut listener = Listener::on_a_stream(&laptop, &laptop_device, Cursor::Start).await;
    proxy.reject_connections();
    listener.becomes(ConnectionState::Offline).await;
    phone.push(phone_device.id, tasks(1)).await.unwrap();
    proxy.accept_connections();
    listener.becomes(ConnectionState::Streaming).await;
    assert_eq!(listener.hears().await, Notification::Keys, "a rotation may have been missed");
    assert_eq!(listener.hears().await, Notification::Changed);
}

#[tokio::test]
async fn a_server_that_is_unreachable_at_first_is_waited_for() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (laptop, laptop_device) = device_behind(&proxy, &fixture, "laptop").await;
    proxy.reject_connections();
    let mut listener = Listener::new(&laptop, &laptop_device, Cursor::Start);
    assert_eq!(*listener.connection.borrow(), ConnectionState::Connecting);
    listener.becomes(ConnectionState::Offline).await;
    proxy.accept_connections();
    listener.becomes(ConnectionState::Streaming).await;
    assert_eq!(listener.hears().await, Notification::Keys, "a rotation may have been missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_when_streams_are_cut_while_others_push() {
    const PUSHES: usize = 60;
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (laptop, laptop_device) = device_behind(&proxy, &fixture, "laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    let pushing = tokio::spawn(async move {
        for row in 0..PUSHES {
            phone.push(phone_device.id, vec![task(&row.to_string())]).await.unwrap();
        }
    });
    let mut listener = Listener::new(&laptop, &laptop_device, Cursor::Start);
    let (mut cursor, mut rows) = (Cursor::Start, 0);
    while rows < PUSHES {
        listener.hears_at_last(Notification::Changed).await;
        rows += pull_on(&laptop, &laptop_device, &mut cursor).await;
        proxy.close_connections();
    }
    pushing.await.unwrap();
    assert_eq!(rows, PUSHES);
}

#[tokio::test]
async fn a_silent_stream_is_considered_dead() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    // Longer than it takes to open a stream on a busy machine: one that dies before its first byte is another case.
    let impatient = builder(config(proxy.url(), fixture.server.api_key())).silence(Duration::from_secs(2));
    let (laptop, laptop_device) = device_with(impatient, &fixture, "laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    let mut listener = Listener::on_a_stream(&laptop, &laptop_device, Cursor::Start).await;
    proxy.freeze();
    phone.push(phone_device.id, tasks(1)).await.unwrap();
    assert_eq!(listener.hears().await, Notification::Keys, "it is another stream");
    assert_eq!(listener.hears().await, Notification::Changed);
    assert!(proxy.requests(SUBSCRIBE) > 1);
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_replaced_once() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (laptop, laptop_device) = device_behind(&proxy, &fixture, "laptop").await;
    let mut session = laptop.session_info().unwrap();
    session.token = "garbage".into();
    laptop.restore_session(session);
    Listener::on_a_stream(&laptop, &laptop_device, Cursor::Start).await;
    assert_eq!(proxy.requests("POST /api/sync/auth/refresh"), 1);
    assert_eq!(proxy.requests(SUBSCRIBE), 2);
}

#[tokio::test]
async fn a_refresh_that_is_refused_for_now_is_waited_for() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let hasty = builder(config(proxy.url(), fixture.server.api_key())).retries(0).poll_interval(super::SHORT);
    let (laptop, laptop_device) = device_with(hasty, &fixture, "laptop").await;
    let mut session = laptop.session_info().unwrap();
    session.expires_at = Some(chrono::Utc::now());
    laptop.restore_session(session);
    proxy.set_outcomes([ExchangeOutcome::Refuse; 2]);
    Listener::on_a_stream(&laptop, &laptop_device, Cursor::Start).await;
    assert_eq!(proxy.requests("POST /api/sync/auth/refresh"), 3);
}
