//! Notifications: the server tells that others have written, so that nobody has to poll.
//!
//! A notification says that there is something, never what: it is pulled like everything else. So nothing but speed
//! depends on notifications. A stream that breaks is opened again from where it was, so nothing is missed; one that
//! is silent for too long is considered dead; and where streams are not available, the server is polled.

mod connect;
mod polling;
mod sse;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::Response;
use tidelog_protocol::{Cursor, StatusResponse};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

use crate::retry::backoff;
use crate::{Result, SyncKitClient};
use connect::StreamAttempt;
use sse::{SseItem, SseParser};

/// Streams in a row without a single byte, after which the client polls: something in between holds streams back.
const MAX_SILENT_STREAMS: u32 = 2;
/// The longest wait before an unreachable server is tried again.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Something to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notification {
    /// Others may have written: pull.
    Changed,
    /// The key may have been replaced, or is about to be. The next pull or push follows it.
    Keys,
    /// Nothing has happened, but the stream is alive.
    Keepalive,
}

/// How notifications come, for a program to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// A stream is being opened.
    Connecting,
    /// Through an event stream.
    Streaming,
    /// By polling the server.
    Polling,
    /// Not at all: the server cannot be reached, or is overloaded.
    Offline,
}

/// The notifications for one device; see [`SyncKitClient::subscribe_notifications`].
pub struct Notifications<'c> {
    client: &'c SyncKitClient,
    device_id: Uuid,
    /// Pushes of others up to here were notified.
    heard: Cursor,
    state: StreamState<'c>,
    ready: VecDeque<Notification>,
    connection: watch::Sender<ConnectionState>,
    /// Attempts in a row that failed.
    failed: u32,
    /// Streams in a row without a single byte.
    silent_streams: u32,
    /// No stream was open for a while, so a notification about keys may have been missed.
    has_gap: bool,
    /// According to the last poll; `None` if there was none since the last stream.
    key_version: Option<u32>,
}

/// What is being waited for. Kept between calls, so that a cancelled call loses nothing.
enum StreamState<'c> {
    Waiting { until: Instant },
    Opening(Pin<Box<dyn Future<Output = Result<StreamAttempt>> + Send + 'c>>),
    Open(Box<OpenStream>),
    Polling { next: Instant, left: u32 },
    PollSent { answer: Pin<Box<dyn Future<Output = Result<StatusResponse>> + Send + 'c>>, left: u32 },
}

struct OpenStream {
    response: Response,
    parser: SseParser,
    dead_at: Instant,
    /// Whether anything has come through it.
    is_alive: bool,
}

impl SyncKitClient {
    /// Subscribes to notifications of what others write beyond `cursor`, and of rotations.
    ///
    /// Pushes of this device are not notified. Pass the cursor of the last pull: what was written since is notified
    /// at once.
    pub fn subscribe_notifications(&self, device_id: Uuid, cursor: impl Into<Cursor>) -> Notifications<'_> {
        Notifications {
            client: self,
            device_id,
            heard: cursor.into(),
            state: StreamState::Waiting { until: Instant::now() },
            ready: VecDeque::new(),
            connection: watch::Sender::new(ConnectionState::Connecting),
            failed: 0,
            silent_streams: 0,
            has_gap: false,
            key_version: None,
        }
    }
}

impl Notifications<'_> {
    /// Waits for the next notification. A cancelled call, as by `select!`, loses nothing.
    ///
    /// Broken connections, overload and an unreachable server are waited out here.
    ///
    /// # Errors
    /// Those that waiting does not cure: [`Unauthenticated`](crate::SyncKitError::Unauthenticated),
    /// [`DeviceRevoked`](crate::SyncKitError::DeviceRevoked),
    /// [`MembershipRequired`](crate::SyncKitError::MembershipRequired), and
    /// [`LogRewound`](crate::SyncKitError::LogRewound). Pulling fails with the same error. A later call tries again.
    pub async fn next(&mut self) -> Result<Notification> {
        loop {
            if let Some(notification) = self.ready.pop_front() {
                return Ok(notification);
            }
            self.advance().await?;
        }
    }

    /// Watches how notifications come.
    pub fn connection(&self) -> watch::Receiver<ConnectionState> {
        self.connection.subscribe()
    }

    async fn advance(&mut self) -> Result<()> {
        match &mut self.state {
            StreamState::Waiting { until } => {
                sleep_until(*until).await;
                let opening = self.client.open_stream(self.device_id, self.heard);
                self.state = StreamState::Opening(Box::pin(opening));
                Ok(())
            }
            StreamState::Opening(opening) => match opening.await {
                Ok(attempt) => {
                    self.stream_opened(attempt);
                    Ok(())
                }
                Err(error) => {
                    self.back_off();
                    Err(error)
                }
            },
            StreamState::Open(stream) => {
                let chunk = timeout_at(stream.dead_at, stream.response.chunk()).await;
                self.bytes_received(chunk.ok().and_then(Result::ok).flatten());
                Ok(())
            }
            StreamState::Polling { next, left } => {
                sleep_until(*next).await;
                let left = *left - 1;
                self.state = StreamState::PollSent { answer: Box::pin(self.client.status()), left };
                Ok(())
            }
            StreamState::PollSent { answer, left } => {
                let (answer, left) = (answer.await, *left);
                self.poll_answered(answer, left)
            }
        }
    }

    fn stream_opened(&mut self, attempt: StreamAttempt) {
        match attempt {
            StreamAttempt::Open(response) => {
                let dead_at = Instant::now() + self.client.notification_timeouts.silence;
                let stream = OpenStream { response, parser: SseParser::default(), dead_at, is_alive: false };
                self.state = StreamState::Open(Box::new(stream));
                self.key_version = None;
                if std::mem::take(&mut self.has_gap) {
                    self.queue(Notification::Keys);
                }
            }
            StreamAttempt::HeldBack => self.stream_lost(true),
            StreamAttempt::Unreachable => {
                self.show(ConnectionState::Offline);
                self.back_off();
            }
            StreamAttempt::Refused(retry_after) => self.poll_once(retry_after),
            StreamAttempt::Unsupported => self.poll_for_long(),
        }
    }

    /// Takes bytes of the stream; `None` if it has ended or is dead.
    fn bytes_received(&mut self, bytes: Option<bytes::Bytes>) {
        let StreamState::Open(stream) = &mut self.state else { return };
        let Some(Ok(items)) = bytes.map(|bytes| stream.parser.feed(&bytes)) else {
            let was_silent = !stream.is_alive;
            return self.stream_lost(was_silent);
        };
        stream.dead_at = Instant::now() + self.client.notification_timeouts.silence;
        if items.is_empty() {
            return;
        }
        // A stream that is cut after its first heartbeat has not proved yet that it lasts.
        if stream.is_alive || items.iter().any(|item| matches!(item, SseItem::Event { .. })) {
            self.failed = 0;
        }
        (stream.is_alive, self.silent_streams) = (true, 0);
        self.show(ConnectionState::Streaming);
        for item in items {
            match item {
                SseItem::Event { name, id } => self.event_received(&name, id.as_deref()),
                SseItem::Comment => self.queue(Notification::Keepalive),
                // The client's own back-off spreads clients out, which is the purpose of the server's hint.
                SseItem::Retry(_) => {}
            }
        }
    }

    fn event_received(&mut self, name: &str, id: Option<&str>) {
        if let Some(cursor) = id.and_then(|id| id.parse().ok()) {
            self.heard = cursor;
        }
        match name {
            "changed" => self.queue(Notification::Changed),
            "keys" => self.queue(Notification::Keys),
            _ => {}
        }
    }

    /// Queues a notification, unless the same one is waiting already.
    fn queue(&mut self, notification: Notification) {
        if !self.ready.contains(&notification) {
            self.ready.push_back(notification);
        }
    }

    fn stream_lost(&mut self, was_silent: bool) {
        self.silent_streams = if was_silent { self.silent_streams + 1 } else { 0 };
        if self.silent_streams >= MAX_SILENT_STREAMS {
            return self.poll_for_long();
        }
        self.show(ConnectionState::Connecting);
        self.back_off();
    }

    fn back_off(&mut self) {
        self.failed = self.failed.saturating_add(1);
        let wait = backoff(self.client.transport.first_wait(), self.failed, MAX_WAIT);
        self.reopen_at(Instant::now() + wait);
    }

    fn reopen_at(&mut self, until: Instant) {
        self.has_gap = true;
        self.state = StreamState::Waiting { until };
    }

    fn show(&self, connection: ConnectionState) {
        self.connection.send_if_modified(|shown| std::mem::replace(shown, connection) != connection);
    }
}

impl fmt::Debug for Notifications<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = *self.connection.borrow();
        out.debug_struct("Notifications").field("connection", &connection).finish_non_exhaustive()
    }
}
