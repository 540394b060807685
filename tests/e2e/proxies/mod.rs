//! Notifications behind the reverse proxies that operators use: each as its distribution ships it, with its defaults.

mod proxy;

use proxy::{Kind, ReverseProxy};
use serde_json::json;
use tidelog_client::{
    ChangeEntry, ChangeOp, ConnectionState, Cursor, KdfCost, MemoryStore, Notification, Notifications,
    SyncKitClient, SyncKitConfig,
};
use tidelog_test_kit::{App, PASSWORD, Server, ServerSetup, User};
use uuid::Uuid;

/// Heartbeat interval: long enough that a push cannot be taken for a heartbeat, short enough to wait for a few.
const HEARTBEAT_SECONDS: &str = "5";

#[test]
fn notifications_arrive_through_nginx() {
    test_notifications_through(Kind::Nginx);
}

#[test]
fn notifications_arrive_through_caddy() {
    test_notifications_through(Kind::Caddy);
}

fn test_notifications_through(kind: Kind) {
    // Both wait for processes, and would block the runtime.
    let fixture = Fixture::new();
    let proxy = ReverseProxy::in_front_of(kind, &fixture.server.url());
    tokio::runtime::Runtime::new().expect("a runtime").block_on(listen_through(proxy, &fixture));
}

async fn listen_through(mut proxy: ReverseProxy, fixture: &Fixture) {
    let laptop = fixture.device(proxy.url(), "laptop").await;
    let phone = fixture.device(&fixture.server.url(), "phone").await;
    let mut notifications = laptop.client.subscribe_notifications(laptop.id, Cursor::Start);
    let connection = notifications.connection();

    // Heartbeats: one when the stream begins, and another.
    for _ in 0..2 {
        assert_eq!(notifications.next().await.expect("a stream"), Notification::Keepalive);
        assert_eq!(*connection.borrow(), ConnectionState::Streaming);
    }
    for row in 0..3 {
        phone.push(row).await;
        assert_prompt(&mut notifications).await;
    }

    proxy.stop();
    phone.push(3).await;
    proxy.start();
    while notifications.next().await.expect("it comes back") != Notification::Changed {}
    assert_eq!(*connection.borrow(), ConnectionState::Streaming);
    let (changes, ..) = laptop.client.pull(laptop.id, Cursor::Start).await.expect("a page");
    assert_eq!(changes.len(), 4);
    phone.push(4).await;
    assert_prompt(&mut notifications).await;
}

/// One heartbeat may precede the event; an event after a second heartbeat was held back by the proxy.
async fn assert_prompt(notifications: &mut Notifications<'_>) {
    for _ in 0..2 {
        if notifications.next().await.expect("a stream") == Notification::Changed {
            return;
        }
    }
    panic!("no notification of a push arrived");
}

/// A server with a user.
struct Fixture {
    server: Server,
    app: App,
    user: User,
}

/// One of the user's devices.
struct Device {
    client: SyncKitClient,
    id: Uuid,
}

impl Fixture {
    fn new() -> Self {
        let server =
            ServerSetup::default().with("TIDELOG_NOTIFICATIONS_HEARTBEAT_SECONDS", HEARTBEAT_SECONDS).start();
        let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
        Self { server, app, user }
    }

    /// Signs in on a device that reaches the server at this URL.
    async fn device(&self, url: &str, name: &str) -> Device {
        let config = SyncKitConfig { server_url: url.to_owned(), api_key: self.app.api_key.clone() };
        let client =
            SyncKitClient::builder(config).key_store(MemoryStore::new()).kdf_cost(KdfCost::MIN).build();
        client.authenticate(&self.user.email, PASSWORD).await.expect("a session");
        client.setup_encryption_new("another passphrase").await.expect("a key");
        let device = client.register_device(name, "linux").await.expect("a device");
        Device { client, id: device.id }
    }
}

impl Device {
    async fn push(&self, row: u32) {
        let change = ChangeEntry {
            table: "tasks".into(),
            op: ChangeOp::Insert,
            row_id: row.to_string(),
            timestamp: chrono::Utc::now(),
            data: Some(json!({ "title": "Buy milk" })),
        };
        self.client.push(self.id, vec![change]).await.expect("a push");
    }
}
