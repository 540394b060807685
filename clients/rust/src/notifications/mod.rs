//! Being told that others have written, instead of asking.
//!
//! A stream tells that there is something, never what: the news is pulled like everything else. So nothing depends on it but
//! speed. A stream that breaks is opened again, from what was last heard, so that nothing is missed; one that says nothing for too
//! long is taken for dead; and where streams cannot be had, the server is asked now and then.

mod connect;
mod events;
mod polling;

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
use connect::Opened;
use events::{Parser, Said};

/// A stream that has said nothing for so long is dead: three times the server's heartbeat.
pub(crate) const DEFAULT_SILENCE: Duration = Duration::from_secs(45);
/// How often the server is asked where streams cannot be had.
pub(crate) const DEFAULT_POLL: Duration = Duration::from_secs(30);
/// Streams in a row that never said a word, before streams are given up: something on the way holds everything back.
const MUTE_STREAMS: u32 = 2;
/// The longest wait before a server that could not be reached is tried again.
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
    /// The server cannot be reached, or has no time.
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
    /// Streams in a row that never said a word.
    mute: u32,
    /// Nobody has listened for a while, so a word about keys may have been missed.
    has_gap: bool,
    /// As the last question found it; `None`: there was none since the last stream.
    key_version: Option<u32>,
}

/// What is being done. Kept between calls, so that a call which is given up loses nothing.
enum State<'c> {
    Waiting { until: Instant },
    Opening(Pin<Box<dyn Future<Output = Result<Opened>> + Send + 'c>>),
    Open(Box<Open>),
    Polling { next: Instant, left: u32 },
    Asking { answer: Pin<Box<dyn Future<Output = Result<StatusResponse>> + Send + 'c>>, left: u32 },
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
            has_gap: false,
            key_version: None,
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
    /// ([`SyncKitError::Unauthenticated`](crate::SyncKitError::Unauthenticated), [`SyncKitError::DeviceRevoked`](crate::SyncKitError::DeviceRevoked), [`SyncKitError::MembershipRequired`](crate::SyncKitError::MembershipRequired)), or the log was put
    /// back to an earlier state ([`SyncKitError::LogRewound`](crate::SyncKitError::LogRewound)). Pulling tells the same. A later call tries again.
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
                    self.wait();
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
                self.state = State::Asking { answer: Box::pin(self.client.status()), left: *left - 1 };
                Ok(())
            }
            State::Asking { answer, left } => {
                let (answer, left) = (answer.await, *left);
                self.answered(answer, left)
            }
        }
    }

    fn opened(&mut self, opened: Opened) {
        match opened {
            Opened::Stream(response) => {
                let dead_at = Instant::now() + self.client.patience.silence;
                let open = Open { response, parser: Parser::default(), dead_at, has_spoken: false };
                self.state = State::Open(Box::new(open));
                self.key_version = None;
                if std::mem::take(&mut self.has_gap) {
                    self.say(Notification::Keys);
                }
            }
            Opened::HeldBack => self.lost(true),
            Opened::OutOfReach => {
                self.show(Connection::Offline);
                self.wait();
            }
            Opened::Refused(retry_after) => self.poll_once(retry_after),
            Opened::NoStreams => self.poll_for_long(),
        }
    }

    /// Takes in what has come; `None`: the stream has ended, or is dead.
    fn hear(&mut self, bytes: Option<bytes::Bytes>) {
        let State::Open(open) = &mut self.state else { return };
        let Some(Ok(said)) = bytes.map(|bytes| open.parser.feed(&bytes)) else {
            let was_mute = !open.has_spoken;
            return self.lost(was_mute);
        };
        open.dead_at = Instant::now() + self.client.patience.silence;
        if said.is_empty() {
            return;
        }
        // A stream that is cut after its first sign of life has not shown yet that it holds.
        if open.has_spoken || said.iter().any(|one| matches!(one, Said::Event { .. })) {
            self.failed = 0;
        }
        (open.has_spoken, self.mute) = (true, 0);
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
            return self.poll_for_long();
        }
        self.show(Connection::Connecting);
        self.wait();
    }

    fn wait(&mut self) {
        self.failed = self.failed.saturating_add(1);
        let wait = backoff(self.client.transport.first_wait(), self.failed, MAX_WAIT);
        self.open_at(Instant::now() + wait);
    }

    fn open_at(&mut self, until: Instant) {
        self.has_gap = true;
        self.state = State::Waiting { until };
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
