//! Keeps a replica live: exchanges changes whenever there are any, and reports the status.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::commit_watch::CommitWatch;
use super::exchange;
use super::failure::FailureKind;
use super::shared::Shared;
use super::status::Status;
use crate::replica::error::{ReplicaError, Result};
use crate::retry::backoff;
use crate::{ConnectionState, Notification, Notifications, SyncKitClient, SyncKitError};

/// How often a blocked replica checks whether it still is.
const BLOCKED_WAIT: Duration = Duration::from_secs(30);

/// The longest wait before the first retry when the server cannot be reached.
const FIRST_OFFLINE_WAIT: Duration = Duration::from_millis(500);

/// The longest wait before any retry.
const MAX_OFFLINE_WAIT: Duration = Duration::from_secs(60);

/// Why an exchange is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Something was written here.
    LocalChange,
    /// Other devices may have written, or it is time to try again.
    RemoteChange,
}

/// A live replica.
struct Live<'a> {
    shared: &'a Arc<Shared>,
    client: &'a SyncKitClient,
    device_id: Uuid,
    notifications: Notifications<'a>,
    /// The file of the database; `None` if there is none.
    path: Option<PathBuf>,
    commits: CommitWatch,
    /// The number of failed exchanges in a row.
    failures: u32,
}

/// Returns only if the replica cannot continue.
pub(super) async fn run(shared: &Arc<Shared>, client: &SyncKitClient, device_id: Uuid) -> ReplicaError {
    let cursor = match shared.with_database(|database| database.state()).await {
        Ok(state) => state.cursor,
        Err(error) => return error,
    };
    let notifications = client.subscribe_notifications(device_id, cursor);
    let path = shared.with_database(|database| Ok(database.path())).await.unwrap_or_default();
    let commits = CommitWatch::new();
    let live = Live { shared, client, device_id, notifications, path, commits, failures: 0 };
    live.run().await
}

impl Live<'_> {
    async fn run(mut self) -> ReplicaError {
        let mut reason = Reason::RemoteChange;
        loop {
            let next = match self.exchange(reason).await {
                Ok(()) => self.wait_for_changes().await,
                Err(error) => self.wait_after(error).await,
            };
            match next {
                Ok(next) => reason = next,
                Err(error) => return error,
            }
        }
    }

    async fn exchange(&mut self, reason: Reason) -> Result<()> {
        self.commits.catch_up(self.shared).await?;
        exchange::run(self.shared, self.client, self.device_id, reason == Reason::RemoteChange).await?;
        self.failures = 0;
        self.shared.set_status(Status::Live);
        Ok(())
    }

    /// Waits for new changes, after everything was exchanged.
    async fn wait_for_changes(&mut self) -> Result<Reason> {
        let mut connection = self.notifications.connection();
        loop {
            let notification = tokio::select! {
                Ok(()) = connection.changed() => {
                    self.show_connection(*connection.borrow_and_update());
                    continue;
                }
                () = self.commits.local_commit(self.shared, self.path.as_deref()) => return Ok(Reason::LocalChange),
                () = self.shared.nudge.notified() => return Ok(Reason::RemoteChange),
                notification = self.notifications.next() => notification,
            };
            match notification {
                Ok(Notification::Keepalive) => {}
                Ok(Notification::Changed) => return Ok(Reason::RemoteChange),
                Ok(Notification::Keys) => {
                    self.client.encryption.mark_unchecked();
                    return Ok(Reason::RemoteChange);
                }
                Err(error) => return self.recover_stream(error).await,
            }
        }
    }

    /// While nothing is exchanged, only the event stream notices that the server cannot be reached.
    fn show_connection(&self, connection: ConnectionState) {
        match connection {
            ConnectionState::Offline => self.shared.set_status(Status::Offline),
            ConnectionState::Streaming | ConnectionState::Polling => self.shared.set_status(Status::Live),
            ConnectionState::Connecting => {}
        }
    }

    /// Handles the end of the event stream. Any cause other than a lost history also fails the next exchange, which
    /// handles it.
    async fn recover_stream(&mut self, error: SyncKitError) -> Result<Reason> {
        if !matches!(error, SyncKitError::LogRewound { .. }) {
            return self.wait_after(error.into()).await;
        }
        if let Err(error) = exchange::run(self.shared, self.client, self.device_id, true).await {
            return self.wait_after(error).await;
        }
        let cursor = self.shared.with_database(|database| database.state()).await?.cursor;
        self.notifications = self.client.subscribe_notifications(self.device_id, cursor);
        Ok(Reason::RemoteChange)
    }

    /// Shows the failure, and waits until another attempt may succeed.
    async fn wait_after(&mut self, error: ReplicaError) -> Result<Reason> {
        let wait = match FailureKind::of(&error) {
            FailureKind::Fatal => return Err(error),
            FailureKind::Blocked(blocked) => {
                self.shared.set_status(Status::Blocked(blocked));
                BLOCKED_WAIT
            }
            FailureKind::Temporary => {
                self.failures = self.failures.saturating_add(1);
                self.shared.set_status(Status::Offline);
                backoff(FIRST_OFFLINE_WAIT, self.failures, MAX_OFFLINE_WAIT)
            }
        };
        tracing::debug!(%error, ?wait, "the exchange failed");
        let deadline = Instant::now() + wait;
        let mut stream_has_failed = false;
        loop {
            let notification = tokio::select! {
                () = sleep_until(deadline) => return Ok(Reason::RemoteChange),
                () = self.shared.nudge.notified() => return Ok(Reason::RemoteChange),
                notification = self.notifications.next(), if !stream_has_failed => notification,
            };
            match notification {
                Ok(Notification::Changed) => return Ok(Reason::RemoteChange),
                Ok(Notification::Keys) => {
                    self.client.encryption.mark_unchecked();
                    return Ok(Reason::RemoteChange);
                }
                // The server can be reached again.
                Ok(Notification::Keepalive) if self.failures > 0 => return Ok(Reason::RemoteChange),
                Ok(Notification::Keepalive) => {}
                Err(_) => stream_has_failed = true,
            }
        }
    }
}
