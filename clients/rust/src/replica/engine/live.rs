//! Keeping a replica live: it exchanges changes when there are any, and tells how it is doing.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::status::{Setback, Status};
use crate::replica::Replica;
use crate::replica::error::{ReplicaError, Result};
use crate::replica::metadata::dirty_rows as marks;
use crate::retry::backoff;
use crate::{Connection, Notification, Notifications, SyncKitClient, SyncKitError};

/// How often the database is asked whether somebody has committed something, which takes it a few microseconds.
const LOOK: Duration = Duration::from_millis(20);

/// How often a replica that is blocked looks whether it still is.
const BLOCKED_WAIT: Duration = Duration::from_secs(30);

/// Bounds of the first and of any wait before a server that could not be reached is tried again.
const OFFLINE_WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Why a replica goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Something was written here.
    LocalChange,
    /// Something may have been written elsewhere, or it is time to try again.
    RemoteChange,
}

/// A replica that is kept live.
struct Live<'a> {
    replica: &'a Replica,
    client: &'a SyncKitClient,
    device_id: Uuid,
    notifications: Notifications<'a>,
    /// The database as it was when it was last looked at.
    seen: Option<i64>,
    /// Exchanges in a row that failed.
    failed: u32,
}

impl Replica {
    /// Keeps the replica live for as long as this future is polled: what is committed here is pushed at once, what others push is
    /// applied at once. Spawn it, and drop or abort it to stop; it may be stopped and started at any moment.
    ///
    /// While the server cannot be reached, or something blocks, local writes go on and are kept; see [`status`](Self::status). After
    /// a remedy (signing in again, the passphrase), [`nudge`](Self::nudge) makes it try at once.
    ///
    /// Returns only if the replica is at its end: it was detached, or the database cannot be used.
    pub async fn run(&self, client: &SyncKitClient, device_id: Uuid) -> ReplicaError {
        let cursor = match self.with(|database| database.state()).await {
            Ok(state) => state.cursor,
            Err(error) => return error,
        };
        let notifications = client.subscribe_notifications(device_id, cursor);
        let live = Live { replica: self, client, device_id, notifications, seen: None, failed: 0 };
        live.run().await
    }
}

impl Live<'_> {
    async fn run(mut self) -> ReplicaError {
        let mut reason = Reason::RemoteChange;
        loop {
            let next = match self.exchange(reason).await {
                Ok(()) => self.wait_for_news().await,
                Err(error) => self.wait_after(error).await,
            };
            match next {
                Ok(next) => reason = next,
                Err(error) => return error,
            }
        }
    }

    async fn exchange(&mut self, reason: Reason) -> Result<()> {
        self.seen = Some(self.replica.with(|database| database.version()).await?);
        self.replica.exchange(self.client, self.device_id, reason == Reason::RemoteChange).await?;
        self.failed = 0;
        self.replica.show(Status::Live);
        Ok(())
    }

    /// Everything is exchanged: waits until there is something new.
    async fn wait_for_news(&mut self) -> Result<Reason> {
        let mut connection = self.notifications.connection();
        loop {
            let notification = tokio::select! {
                Ok(()) = connection.changed() => {
                    self.show_connection(*connection.borrow_and_update());
                    continue;
                }
                () = committed(self.replica, &mut self.seen) => return Ok(Reason::LocalChange),
                () = self.replica.shared.nudged.notified() => return Ok(Reason::RemoteChange),
                notification = self.notifications.next() => notification,
            };
            match notification {
                Ok(Notification::Keepalive) => {}
                Ok(Notification::Changed) => return Ok(Reason::RemoteChange),
                Ok(Notification::Keys) => {
                    self.client.encryption.doubt();
                    return Ok(Reason::RemoteChange);
                }
                Err(error) => return self.stream_failed(error).await,
            }
        }
    }

    /// While nothing is written here, nothing is exchanged, and only the stream notices that the server has gone.
    fn show_connection(&self, connection: Connection) {
        match connection {
            Connection::Offline => self.replica.show(Status::Offline),
            Connection::Streaming | Connection::Polling => self.replica.show(Status::Live),
            Connection::Connecting => {}
        }
    }

    /// What a stream ends for shows when pulling, too, and is dealt with there.
    async fn stream_failed(&mut self, error: SyncKitError) -> Result<Reason> {
        if !matches!(error, SyncKitError::LogRewound { .. }) {
            return self.wait_after(error.into()).await;
        }
        if let Err(error) = self.replica.exchange(self.client, self.device_id, true).await {
            return self.wait_after(error).await;
        }
        let cursor = self.replica.with(|database| database.state()).await?.cursor;
        self.notifications = self.client.subscribe_notifications(self.device_id, cursor);
        Ok(Reason::RemoteChange)
    }

    /// Shows what is wrong, and waits until it may be over.
    async fn wait_after(&mut self, error: ReplicaError) -> Result<Reason> {
        let wait = match Setback::of(&error) {
            Setback::Fatal => return Err(error),
            Setback::Blocked(blocked) => {
                self.replica.show(Status::Blocked(blocked));
                BLOCKED_WAIT
            }
            Setback::Offline => {
                self.failed = self.failed.saturating_add(1);
                self.replica.show(Status::Offline);
                backoff(OFFLINE_WAITS.0, self.failed, OFFLINE_WAITS.1)
            }
        };
        tracing::debug!(%error, ?wait, "the replica waits");
        let until = Instant::now() + wait;
        let mut stream_is_blocked = false;
        loop {
            let notification = tokio::select! {
                () = sleep_until(until) => return Ok(Reason::RemoteChange),
                () = self.replica.shared.nudged.notified() => return Ok(Reason::RemoteChange),
                notification = self.notifications.next(), if !stream_is_blocked => notification,
            };
            match notification {
                Ok(Notification::Changed) => return Ok(Reason::RemoteChange),
                Ok(Notification::Keys) => {
                    self.client.encryption.doubt();
                    return Ok(Reason::RemoteChange);
                }
                // The server is there again.
                Ok(Notification::Keepalive) if self.failed > 0 => return Ok(Reason::RemoteChange),
                Ok(Notification::Keepalive) => {}
                Err(_) => stream_is_blocked = true,
            }
        }
    }
}

/// Returns once somebody has committed something that is to be sent.
async fn committed(replica: &Replica, seen: &mut Option<i64>) {
    loop {
        // A database that is busy is looked at again.
        if let Ok(version) = replica.with(|database| database.version()).await
            && seen.replace(version) != Some(version)
            && let Ok(true) = replica.with(|database| marks::exist(&database.connection)).await
        {
            return;
        }
        sleep(LOOK).await;
    }
}
