//! Which event streams are open, by log.
//!
//! A push must not wait for its subscribers. On the writer's thread it costs one look-up, and one update of the log's
//! pending pushes if the log has subscribers; a separate task dispatches them. Pushes that come faster than they are
//! dispatched are summarised. Ends of streams and key changes are rare and are delivered at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Notify;

use super::hub::{Event, Pushed};
use super::mailbox::{Mailbox, StreamEvent};
use super::pending::{PendingPushes, Subscriber};

/// How many streams may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Per log.
    pub per_log: usize,
    /// On the whole server.
    pub total: usize,
}

/// Why no stream was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// The log has as many as it may have.
    LogLimit,
    /// The server has as many as it may have.
    ServerLimit,
    /// The server is shutting down.
    ShuttingDown,
}

struct OpenStream {
    subscriber: Subscriber,
    mailbox: Arc<Mailbox>,
}

#[derive(Default)]
struct Streams {
    by_log: HashMap<i64, Vec<OpenStream>>,
    count: usize,
    shutting_down: bool,
}

struct Inner {
    limits: StreamLimits,
    streams: Mutex<Streams>,
    pending: Mutex<HashMap<i64, PendingPushes>>,
    has_pending: Notify,
}

/// The open event streams of a server. Cheap to clone.
#[derive(Clone)]
pub struct Subscribers(Arc<Inner>);

impl Subscribers {
    /// Starts without any.
    pub fn new(limits: StreamLimits) -> Self {
        let (streams, pending, has_pending) = Default::default();
        Self(Arc::new(Inner { limits, streams, pending, has_pending }))
    }

    /// Opens a stream, which gets everything that is committed from now on.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn subscribe(&self, subscriber: Subscriber) -> Result<Subscription, SubscribeError> {
        let mut streams = self.streams();
        if streams.shutting_down {
            return Err(SubscribeError::ShuttingDown);
        }
        if streams.count >= self.0.limits.total {
            return Err(SubscribeError::ServerLimit);
        }
        if streams.by_log.get(&subscriber.log).map_or(0, Vec::len) >= self.0.limits.per_log {
            return Err(SubscribeError::LogLimit);
        }
        let mailbox = Arc::<Mailbox>::default();
        streams.count += 1;
        let stream = OpenStream { subscriber, mailbox: mailbox.clone() };
        streams.by_log.entry(subscriber.log).or_default().push(stream);
        Ok(Subscription { subscribers: self.clone(), log: subscriber.log, mailbox })
    }

    /// Handles a committed event. For [`super::Hub::listen`].
    pub fn handle(&self, event: &Event) {
        match event {
            Event::Pushed(pushed) => self.add_pending(pushed),
            Event::KeysChanged { log } => {
                self.mailboxes(*log, |_| true).iter().for_each(|mailbox| mailbox.add_key_change());
            }
            Event::SessionsEnded(sessions) => {
                for ended in sessions {
                    self.close(ended.log, |subscriber| subscriber.session == ended.session);
                }
            }
            Event::DeviceRemoved { log, device } => {
                self.close(*log, |subscriber| subscriber.device == Some(*device));
            }
            Event::Reopened => self.close_all(),
            Event::SessionsChanged | Event::AppsChanged => {}
        }
    }

    /// Dispatches pushes to the subscribers that they concern. Never returns.
    pub async fn dispatch_pushes(self) {
        loop {
            self.0.has_pending.notified().await;
            let pending = std::mem::take(&mut *self.pending());
            for (log, pushes) in pending {
                let mailboxes = self.mailboxes(log, |subscriber| pushes.concern(subscriber));
                mailboxes.iter().for_each(|mailbox| mailbox.add_pushes(pushes.summary));
            }
        }
    }

    /// Ends every stream and opens no more.
    pub fn shut_down(&self) {
        self.streams().shutting_down = true;
        self.close_all();
    }

    fn add_pending(&self, pushed: &Pushed) {
        if self.streams().by_log.contains_key(&pushed.log) {
            self.pending().entry(pushed.log).or_default().add(pushed);
            self.0.has_pending.notify_one();
        }
    }

    fn close(&self, log: i64, matches: impl Fn(&Subscriber) -> bool) {
        self.mailboxes(log, matches).iter().for_each(|mailbox| mailbox.close());
    }

    fn close_all(&self) {
        let all: Vec<_> =
            self.streams().by_log.values().flatten().map(|stream| stream.mailbox.clone()).collect();
        all.iter().for_each(|mailbox| mailbox.close());
    }

    /// Collects mailboxes under the lock, to be woken outside of it: the writer may be waiting for the lock.
    fn mailboxes(&self, log: i64, matches: impl Fn(&Subscriber) -> bool) -> Vec<Arc<Mailbox>> {
        let streams = self.streams();
        let of_log = streams.by_log.get(&log).map_or(&[][..], Vec::as_slice);
        of_log
            .iter()
            .filter(|stream| matches(&stream.subscriber))
            .map(|stream| stream.mailbox.clone())
            .collect()
    }

    fn unsubscribe(&self, log: i64, mailbox: &Arc<Mailbox>) {
        let mut streams = self.streams();
        let Some(of_log) = streams.by_log.get_mut(&log) else { return };
        let Some(index) = of_log.iter().position(|stream| Arc::ptr_eq(&stream.mailbox, mailbox)) else {
            return;
        };
        of_log.swap_remove(index);
        if of_log.is_empty() {
            streams.by_log.remove(&log);
        }
        streams.count -= 1;
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<i64, PendingPushes>> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open stream. It is unsubscribed when dropped.
pub struct Subscription {
    subscribers: Subscribers,
    log: i64,
    mailbox: Arc<Mailbox>,
}

impl Subscription {
    /// Records where the log ended when it was read after subscribing, and whether the subscriber has missed
    /// something up to there. Pushes up to that seq no longer cause an event.
    pub fn start_at(&self, newest_seq: i64, has_missed: bool) {
        self.mailbox.start_at(newest_seq, has_missed);
    }

    /// Takes out the next event; `None` at the end of the stream. While `coalescing`, pushes are neither returned nor
    /// wake the task.
    pub fn poll_event(&self, context: &mut Context<'_>, coalescing: bool) -> Poll<Option<StreamEvent>> {
        self.mailbox.poll_event(context, coalescing)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.subscribers.unsubscribe(self.log, &self.mailbox);
    }
}
