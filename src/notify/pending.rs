//! Pushes that have not been dispatched to subscribers yet, and which subscribers they concern.

use uuid::Uuid;

use super::hub::Pushed;
use super::mailbox::PushSummary;

/// Authors that are told apart among the pending pushes of a log. With more, every subscriber is notified.
const MAX_AUTHORS: usize = 16;

/// Who reads an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The log.
    pub log: i64,
    /// The session that opened the stream.
    pub session: Uuid,
    /// The device, if the request named one.
    pub device: Option<Uuid>,
}

impl Subscriber {
    fn is_author(&self, author: &Author) -> bool {
        self.session == author.session || self.device == Some(author.device)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Author {
    session: Uuid,
    device: Uuid,
}

/// Pushes to one log that have not been dispatched yet.
#[derive(Default)]
pub(super) struct PendingPushes {
    pub(super) summary: PushSummary,
    authors: Vec<Author>,
    has_more_authors: bool,
}

impl PendingPushes {
    pub(super) fn add(&mut self, pushed: &Pushed) {
        self.summary.newest_seq = self.summary.newest_seq.max(pushed.seq);
        self.summary.pushes += 1;
        let author = Author { session: pushed.session, device: pushed.device };
        if self.authors.contains(&author) {
            return;
        }
        if self.authors.len() < MAX_AUTHORS {
            self.authors.push(author);
        } else {
            self.has_more_authors = true;
        }
    }

    /// Whether somebody else than the subscriber pushed.
    pub(super) fn concern(&self, subscriber: &Subscriber) -> bool {
        self.has_more_authors || self.authors.iter().any(|author| !subscriber.is_author(author))
    }
}
