//! Polling where event streams are not available.

use std::time::Duration;

use tidelog_client::{ClientBuilder, ConnectionState, Cursor, Device, Notification, Rotation, SyncKitClient};

use super::{Listener, SHORT, device_with};
use tidelog_test_kit::proxy::{Proxy, SUBSCRIBE, StreamMode};
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config, task, tasks};

const NOT_ALLOWED: &str = "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const A_PAGE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
const NO_ROOM: &str =
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// Longer than any answer takes, shorter than anybody wants to wait.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A laptop behind a proxy that treats streams in this way, and a phone without it.
struct Scenario {
    proxy: Proxy,
    laptop: (SyncKitClient, Device),
    phone: (SyncKitClient, Device),
    _fixture: Fixture,
}

impl Scenario {
    async fn new(streams: StreamMode) -> Self {
        Self::with(streams, |builder| builder).await
    }

    async fn with(streams: StreamMode, set: impl Fn(ClientBuilder) -> ClientBuilder) -> Self {
        let fixture = Fixture::new().await;
        let proxy = Proxy::in_front_of(fixture.server.url()).await;
        let builder = builder(config(proxy.url(), fixture.server.api_key())).poll_interval(SHORT);
        let laptop = device_with(set(builder), &fixture, "laptop").await;
        let phone = fixture.device("phone").await;
        proxy.set_stream_mode(streams);
        Self { proxy, laptop, phone, _fixture: fixture }
    }

    fn listener(&self) -> Listener<'_> {
        Listener::new(&self.laptop.0, &self.laptop.1, Cursor::Start)
    }

    async fn push(&self) {
        self.phone.0.push(self.phone.1.id, vec![task("phone")]).await.unwrap();
    }

    /// Falls back to polling, and is still notified of pushes.
    async fn polls(&self) {
        let mut listener = self.listener();
        listener.becomes(ConnectionState::Polling).await;
        for _ in 0..3 {
            self.push().await;
            listener.hears_at_last(Notification::Changed).await;
            assert_eq!(*listener.connection.borrow(), ConnectionState::Polling);
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_a_stream_leads_to_polling() {
    for answer in [NOT_ALLOWED, NOT_FOUND, A_PAGE, NO_ROOM] {
        Scenario::new(StreamMode::Respond(answer)).await.polls().await;
    }
}

#[tokio::test]
async fn a_stream_that_is_held_back_completely_leads_to_polling() {
    let scenario = Scenario::with(StreamMode::HoldBack, |builder| builder.timeout(TIMEOUT)).await;
    scenario.polls().await;
}

#[tokio::test]
async fn a_stream_whose_body_is_held_back_leads_to_polling() {
    let scenario = Scenario::with(StreamMode::HoldBackBodies, |builder| builder.silence(TIMEOUT)).await;
    scenario.polls().await;
    assert_eq!(scenario.proxy.requests(SUBSCRIBE), 2);
}

#[tokio::test]
async fn a_line_without_end_leads_to_polling() {
    let scenario = Scenario::new(StreamMode::Endless).await;
    let mut hang_ups = scenario.proxy.hang_ups();
    scenario.polls().await;
    hang_ups.wait_for(|hang_ups| *hang_ups == 2).await.unwrap();
}

#[tokio::test]
async fn a_stream_is_opened_as_soon_as_the_server_has_capacity() {
    let scenario = Scenario::new(StreamMode::Respond(NO_ROOM)).await;
    let mut listener = scenario.listener();
    listener.becomes(ConnectionState::Polling).await;
    scenario.proxy.set_stream_mode(StreamMode::Pass);
    listener.becomes(ConnectionState::Streaming).await;
    scenario.push().await;
    listener.hears_at_last(Notification::Changed).await;
}

#[tokio::test]
async fn a_polled_server_is_offline_until_it_returns() {
    let scenario = Scenario::with(StreamMode::Respond(NOT_ALLOWED), |builder| builder.retries(0)).await;
    let mut listener = scenario.listener();
    listener.becomes(ConnectionState::Polling).await;
    scenario.proxy.reject_connections();
    listener.becomes(ConnectionState::Offline).await;
    scenario.push().await;
    scenario.proxy.accept_connections();
    listener.becomes(ConnectionState::Polling).await;
    listener.hears_at_last(Notification::Changed).await;

    scenario.proxy.reject_connections();
    listener.becomes(ConnectionState::Offline).await;
    scenario.proxy.set_stream_mode(StreamMode::Pass);
    scenario.proxy.accept_connections();
    listener.becomes(ConnectionState::Streaming).await;
}

#[tokio::test]
async fn a_new_key_is_notified_while_polling() {
    let scenario = Scenario::new(StreamMode::Respond(NOT_ALLOWED)).await;
    let mut listener = scenario.listener();
    listener.becomes(ConnectionState::Polling).await;
    // The first poll notifies it in any case, since the time of the last change is unknown.
    listener.hears_at_last(Notification::Keys).await;
    scenario.phone.0.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    listener.hears_at_last(Notification::Keys).await;
}

#[tokio::test]
async fn a_poll_completes_although_every_call_is_cancelled() {
    let scenario = Scenario::new(StreamMode::Respond(NOT_ALLOWED)).await;
    scenario.proxy.send_byte_by_byte();
    let (phone, device) = &scenario.phone;
    phone.push(device.id, tasks(1)).await.unwrap();
    let mut listener = scenario.listener();
    loop {
        let heard = tokio::select! {
            biased;
            heard = listener.notifications.next() => heard.unwrap(),
            () = tokio::task::yield_now() => continue,
        };
        if heard == Notification::Changed {
            break;
        }
    }
    assert_eq!(scenario.proxy.requests("GET /api/sync/status"), 1);
}
