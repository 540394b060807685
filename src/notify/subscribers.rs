//! Who listens to which log.
//!
//! A push must not wait for its audience. On the writer's thread it costs one look-up, and one more note if anybody listens to
//! its log; a task of its own spreads the notes. A note says who pushed and how far the log has got, so pushes that come
//! faster than they are spread become one. Endings and keys are rare, and told at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Notify;

use super::news::Mailbox;
use super::notes::{Note, Subscriber};
use super::{Event, News, Pushed};

/// How many streams there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of one log.
    pub log: usize,
    /// Of all logs.
    pub server: usize,
}

/// Why there is no room for another stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The log has as many as it may have.
    Log,
    /// The server has.
    Server,
    /// The server is stopping.
    Stopping,
}

struct Place {
    subscriber: Subscriber,
    mailbox: Arc<Mailbox>,
}

#[derive(Default)]
struct Logs {
    by_log: HashMap<i64, Vec<Place>>,
    streams: usize,
    stopping: bool,
}

struct Inner {
    caps: Caps,
    logs: Mutex<Logs>,
    notes: Mutex<HashMap<i64, Note>>,
    noted: Notify,
}

/// The streams of a server. Cheap to clone.
#[derive(Clone)]
pub struct Subscribers(Arc<Inner>);

impl Subscribers {
    /// Nobody yet.
    pub fn new(caps: Caps) -> Self {
        let (logs, notes, noted) = Default::default();
        Self(Arc::new(Inner { caps, logs, notes, noted }))
    }

    /// A place for one more, who hears of everything that is committed from now on.
    ///
    /// # Errors
    /// There is no room.
    pub fn subscribe(&self, subscriber: Subscriber) -> Result<Subscription, Full> {
        let mut logs = self.logs();
        if logs.stopping {
            return Err(Full::Stopping);
        }
        if logs.streams >= self.0.caps.server {
            return Err(Full::Server);
        }
        if logs.by_log.get(&subscriber.log).map_or(0, Vec::len) >= self.0.caps.log {
            return Err(Full::Log);
        }
        let mailbox = Arc::<Mailbox>::default();
        logs.streams += 1;
        logs.by_log.entry(subscriber.log).or_default().push(Place { subscriber, mailbox: mailbox.clone() });
        Ok(Subscription { subscribers: self.clone(), log: subscriber.log, mailbox })
    }

    /// Takes note of an event. For [`super::Hub::listen`].
    pub fn hear(&self, event: &Event) {
        match event {
            Event::Pushed(pushed) => self.note(pushed),
            Event::KeysChanged { log } => self.each_of(*log, |_| true).iter().for_each(|to| to.keys()),
            Event::SessionsEnded(sessions) => {
                for ended in sessions {
                    self.end(ended.log, |subscriber| subscriber.session == ended.session);
                }
            }
            Event::DeviceRemoved { log, device } => {
                self.end(*log, |subscriber| subscriber.device == Some(*device));
            }
            Event::Reopened => self.end_all(),
            Event::SessionsChanged | Event::AppsChanged => {}
        }
    }

    /// Spreads the word of pushes, for ever.
    pub async fn spread(self) {
        loop {
            self.0.noted.notified().await;
            let notes = std::mem::take(&mut *self.notes());
            for (log, note) in notes {
                let concerned = self.each_of(log, |subscriber| note.concerns(subscriber));
                concerned.iter().for_each(|to| to.changed(note.growth));
            }
        }
    }

    /// Ends every stream, and lets nobody open another.
    pub fn stop(&self) {
        self.logs().stopping = true;
        self.end_all();
    }

    fn note(&self, pushed: &Pushed) {
        if self.logs().by_log.contains_key(&pushed.log) {
            self.notes().entry(pushed.log).or_default().add(pushed);
            self.0.noted.notify_one();
        }
    }

    fn end(&self, log: i64, whom: impl Fn(&Subscriber) -> bool) {
        self.each_of(log, whom).iter().for_each(|to| to.end());
    }

    fn end_all(&self) {
        let all: Vec<_> = self.logs().by_log.values().flatten().map(|place| place.mailbox.clone()).collect();
        all.iter().for_each(|to| to.end());
    }

    /// Taken out under the lock and woken outside of it: the writer may be waiting for it.
    fn each_of(&self, log: i64, whom: impl Fn(&Subscriber) -> bool) -> Vec<Arc<Mailbox>> {
        let logs = self.logs();
        let places = logs.by_log.get(&log).map_or(&[][..], Vec::as_slice);
        places.iter().filter(|place| whom(&place.subscriber)).map(|place| place.mailbox.clone()).collect()
    }

    fn leave(&self, log: i64, mailbox: &Arc<Mailbox>) {
        let mut logs = self.logs();
        let Some(places) = logs.by_log.get_mut(&log) else { return };
        let Some(place) = places.iter().position(|place| Arc::ptr_eq(&place.mailbox, mailbox)) else {
            return;
        };
        places.swap_remove(place);
        if places.is_empty() {
            logs.by_log.remove(&log);
        }
        logs.streams -= 1;
    }

    fn logs(&self) -> MutexGuard<'_, Logs> {
        self.0.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<i64, Note>> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the subscribers, given up when dropped.
pub struct Subscription {
    subscribers: Subscribers,
    log: i64,
    mailbox: Arc<Mailbox>,
}

impl Subscription {
    /// Tells how the log was found, now that news of it is being kept: where it ends, and whether there is something that
    /// the reader has not got. News of what was found is none.
    pub fn catch_up(&self, newest_seq: i64, has_missed: bool) {
        self.mailbox.catch_up(newest_seq, has_missed);
    }

    /// What to say next. `None`: the stream is over. While changes are `gathering`, they are neither given nor wake the reader.
    pub fn poll_news(&self, context: &mut Context<'_>, gathering: bool) -> Poll<Option<News>> {
        self.mailbox.poll(context, gathering)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.subscribers.leave(self.log, &self.mailbox);
    }
}
