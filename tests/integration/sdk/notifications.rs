//! Notifications of a real server, whatever the network does.

mod endings;
mod hearing;
mod polling;
mod reconnecting;

use std::collections::VecDeque;
use std::time::Duration;

use tidelog_client::{
    ClientBuilder, ConnectionState, Cursor, Device, Notification, Notifications, SyncKitClient, SyncKitError,
};
use tokio::sync::watch;

use tidelog_test_kit::proxy::Proxy;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config};

/// So short that no test waits for it; no test depends on how long it takes.
const SHORT: Duration = Duration::from_millis(50);

/// A subscriber.
struct Listener<'c> {
    notifications: Notifications<'c>,
    connection: watch::Receiver<ConnectionState>,
    /// Notifications that came while waiting for something else.
    heard: VecDeque<Notification>,
}

impl<'c> Listener<'c> {
    fn new(client: &'c SyncKitClient, device: &Device, cursor: impl Into<Cursor>) -> Self {
        let notifications = client.subscribe_notifications(device.id, cursor);
        let connection = notifications.connection();
        Self { notifications, connection, heard: VecDeque::new() }
    }

    /// A subscriber whose stream is open.
    async fn on_a_stream(client: &'c SyncKitClient, device: &Device, cursor: impl Into<Cursor>) -> Self {
        let mut listener = Self::new(client, device, cursor);
        listener.becomes(ConnectionState::Streaming).await;
        listener
    }

    /// The next notification that is not a keepalive.
    async fn hears(&mut self) -> Notification {
        while self.heard.is_empty() {
            let notification = self.notifications.next().await.unwrap();
            self.keep(notification);
        }
        self.heard.pop_front().unwrap()
    }

    /// Waits for this notification.
    async fn hears_at_last(&mut self, wanted: Notification) {
        while self.hears().await != wanted {}
    }

    /// Waits until it is connected in this way. Calls for the next notification are cancelled again and again
    /// meanwhile.
    async fn becomes(&mut self, wanted: ConnectionState) {
        loop {
            let notification = tokio::select! {
                biased;
                reached = self.connection.wait_for(|connection| *connection == wanted) => {
                    reached.unwrap();
                    return;
                }
                notification = self.notifications.next() => notification,
            };
            self.keep(notification.unwrap());
        }
    }

    /// Waits for an error.
    async fn fails(&mut self) -> SyncKitError {
        loop {
            if let Err(error) = self.notifications.next().await {
                return error;
            }
        }
    }

    fn keep(&mut self, notification: Notification) {
        if notification != Notification::Keepalive {
            self.heard.push_back(notification);
        }
    }
}

/// A device that reaches the server through the proxy.
async fn device_behind(proxy: &Proxy, fixture: &Fixture, name: &str) -> (SyncKitClient, Device) {
    device_with(builder(config(proxy.url(), fixture.server.api_key())), fixture, name).await
}

/// A device whose client is built in this way.
async fn device_with(builder: ClientBuilder, fixture: &Fixture, name: &str) -> (SyncKitClient, Device) {
    let client = fixture.signed_in_with(builder).await;
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = client.register_device(name, "linux").await.unwrap();
    (client, device)
}
