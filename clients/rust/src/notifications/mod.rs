//! Being told that others have written, instead of asking.
//!
//! A stream tells that there is something, never what: the news is pulled like everything else. So nothing depends on it but
//! speed. A stream that breaks is opened again, from what was last heard, so that nothing is missed; one that says nothing for too
//! long is taken for dead; and where streams cannot be had at all, the server is asked now and then.

mod connect;
mod events;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::Response;
use tidelog_protocol::Cursor;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

use crate::retry::backoff;
use crate::{Result, SyncKitClient, SyncKitError};
use connect::Opened;
use events::{Parser, Said};

/// A stream that has said nothing for so long is dead: three times the server's heartbeat.
pub(crate) const DEFAULT_SILENCE: Duration = Duration::from_secs(45);
/// How often the server is asked where streams cannot be had.
pub(crate) const DEFAULT_POLL: Duration = Duration::from_secs(30);
/// Where streams cannot be had, one is tried again after so many questions.
const POLLS_BEFORE_A_STREAM: u32 = 20;
/// Streams in a row that never said a word, before streams are given up: something on the way holds everything back.
const MUTE_STREAMS: u32 = 2;
/// The longest wait before a stream is opened again, whatever the server asks for.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Something to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notification {
    /// Others may have written: pull.
    Changed,
    /// The key may have been replaced, or is about to be. The next pull or push follows it.
    Keys,
    /// Nothing, but the stream lives.
    Keepalive,
}

/// How notifications come, for a program to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// A stream is being opened.
    Connecting,
    /// By a stream.
    Streaming,
    /// The server is asked now and then.
    Polling,
    /// The server cannot be reached.
    Offline,
}

/// How long things may take; from [`ClientBuilder`](crate::ClientBuilder).
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) silence: Duration,
    pub(crate) poll: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: DEFAULT_SILENCE, poll: DEFAULT_POLL }
    }
}

/// Notifications for one device; see [`SyncKitClient::subscribe_notifications`].
pub struct Notifications<'c> {
    client: &'c SyncKitClient,
    device_id: Uuid,
    /// Others' pushes up to here were told.
    heard: Cursor,
    state: State<'c>,
    ready: VecDeque<Notification>,
    shown: watch::Sender<Connection>,
    /// Attempts in a row that failed.
    failed: u32,
    mute: u32,
    /// Whether a stream was open before, so that a word about keys may have been missed.
    was_open: bool,
}

/// What is being done. Kept between calls, so that a call which is given up loses nothing.
enum State<'c> {
    Waiting { until: Instant },
    Opening(Pin<Box<dyn Future<Output = Result<Opened>> + Send + 'c>>),
    Open(Box<Open>),
    Polling { next: Instant, left: u32 },
}

/// A stream that is open.
struct Open {
    response: Response,
    parser: Parser,
    dead_at: Instant,
    has_spoken: bool,
}

impl SyncKitClient {
    /// Notifications of what others write beyond `cursor`, and of rotations, for as long as they are asked for.
    ///
    /// Pushes of this device are not told. Give the cursor that was last pulled from: what was written since is told at once.
    pub fn subscribe_notifications(&self, device_id: Uuid, cursor: impl Into<Cursor>) -> Notifications<'_> {
        Notifications {
            client: self,
            device_id,
            heard: cursor.into(),
            state: State::Waiting { until: Instant::now() },
            ready: VecDeque::new(),
            shown: watch::Sender::new(Connection::Connecting),
            failed: 0,
            mute: 0,
            was_open: false,
        }
    }
}

impl Notifications<'_> {
    /// The next notification. A call that is given up, as by `select!`, loses nothing.
    ///
    /// Broken connections, overload and a server that cannot be reached are waited out here.
    ///
    /// # Errors
    /// What waiting does not mend: the session has ended, the device was removed, a membership is wanted
    /// ([`SyncKitError::Unauthenticated`], [`SyncKitError::DeviceRevoked`], [`SyncKitError::MembershipRequired`]), or the log was put
    /// back to an earlier state ([`SyncKitError::LogRewound`]). Pulling tells the same. A later call tries again.
    pub async fn next(&mut self) -> Result<Notification> {
        loop {
            if let Some(notification) = self.ready.pop_front() {
                return Ok(notification);
            }
            self.step().await?;
        }
    }

    /// How notifications come, now and from now on.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.shown.subscribe()
    }

    async fn step(&mut self) -> Result<()> {
        match &mut self.state {
            State::Waiting { until } => {
                sleep_until(*until).await;
                self.state = State::Opening(Box::pin(self.client.open_stream(self.device_id, self.heard)));
                Ok(())
            }
            State::Opening(opening) => match opening.await {
                Ok(opened) => {
                    self.opened(opened);
                    Ok(())
                }
                Err(error) => {
                    self.wait(None);
                    Err(error)
                }
            },
            State::Open(open) => {
                let heard = timeout_at(open.dead_at, open.response.chunk()).await;
                self.hear(heard.ok().and_then(Result::ok).flatten());
                Ok(())
            }
            State::Polling { next, left } => {
                sleep_until(*next).await;
                (*next, *left) = (Instant::now() + self.client.patience.poll, left.saturating_sub(1));
                let is_last = *left == 0;
                let outcome = self.poll().await;
                if is_last {
                    (self.mute, self.state) = (0, State::Waiting { until: Instant::now() });
                }
                outcome
            }
        }
    }

    fn opened(&mut self, opened: Opened) {
        match opened {
            Opened::Stream(response) => {
                let dead_at = Instant::now() + self.client.patience.silence;
                let open = Open { response, parser: Parser::default(), dead_at, has_spoken: false };
                self.state = State::Open(Box::new(open));
                if std::mem::replace(&mut self.was_open, true) {
                    self.ready.push_back(Notification::Keys);
                }
            }
            Opened::NotNow(retry_after) => {
                self.show(Connection::Offline);
                self.wait(retry_after);
            }
            Opened::NoStreams => self.begin_to_poll(),
        }
    }

    /// Takes in what has come; `None`: the stream has ended, or is dead.
    fn hear(&mut self, bytes: Option<bytes::Bytes>) {
        let State::Open(open) = &mut self.state else { return };
        let Some(Ok(said)) = bytes.map(|bytes| open.parser.feed(&bytes)) else {
            let was_mute = !open.has_spoken;
            return self.lost(was_mute);
        };
        (open.has_spoken, open.dead_at) = (true, Instant::now() + self.client.patience.silence);
        (self.failed, self.mute) = (0, 0);
        self.show(Connection::Streaming);
        for one in said {
            match one {
                Said::Event { name, id } => self.take(&name, id.as_deref()),
                Said::Comment => self.say(Notification::Keepalive),
                // The client's own back-off spreads clients out, which is what the hint is for.
                Said::Retry(_) => {}
            }
        }
    }

    fn take(&mut self, name: &str, id: Option<&str>) {
        if let Some(cursor) = id.and_then(|id| id.parse().ok()) {
            self.heard = cursor;
        }
        match name {
            "changed" => self.say(Notification::Changed),
            "keys" => self.say(Notification::Keys),
            _ => {}
        }
    }

    /// Saying the same twice before anybody has listened says nothing more.
    fn say(&mut self, notification: Notification) {
        if !self.ready.contains(&notification) {
            self.ready.push_back(notification);
        }
    }

    fn lost(&mut self, was_mute: bool) {
        self.mute = if was_mute { self.mute + 1 } else { 0 };
        if self.mute >= MUTE_STREAMS {
            return self.begin_to_poll();
        }
        self.show(Connection::Connecting);
        self.wait(None);
    }

    fn wait(&mut self, asked: Option<Duration>) {
        self.failed = self.failed.saturating_add(1);
        let own = backoff(self.client.transport.first_wait(), self.failed, MAX_WAIT);
        let wait = asked.unwrap_or_default().max(own).min(MAX_WAIT);
        self.state = State::Waiting { until: Instant::now() + wait };
    }

    fn begin_to_poll(&mut self) {
        self.show(Connection::Polling);
        self.state = State::Polling { next: Instant::now(), left: POLLS_BEFORE_A_STREAM };
    }

    /// Asks the server how far the log is. Pushes of this device count, too; pulling finds nothing then.
    async fn poll(&mut self) -> Result<()> {
        match self.client.status().await {
            Ok(status) => {
                self.show(Connection::Polling);
                let has_moved = status.latest_cursor != self.heard;
                self.heard = status.latest_cursor;
                self.say(if has_moved { Notification::Changed } else { Notification::Keepalive });
                Ok(())
            }
            Err(SyncKitError::Network(_) | SyncKitError::RateLimited { .. } | SyncKitError::BadAnswer(_)) => {
                self.show(Connection::Offline);
                Ok(())
            }
            Err(SyncKitError::Server { status, .. }) if status >= 500 => {
                self.show(Connection::Offline);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn show(&self, connection: Connection) {
        self.shown.send_if_modified(|shown| std::mem::replace(shown, connection) != connection);
    }
}

impl fmt::Debug for Notifications<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = *self.shown.borrow();
        out.debug_struct("Notifications").field("connection", &connection).finish_non_exhaustive()
    }
}
