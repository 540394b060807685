//! Who pushed what is yet to be told, and whom that concerns.

use uuid::Uuid;

use super::{Growth, Pushed};

/// Authors of one note that are told apart. Of a note with more, everybody hears.
const MAX_AUTHORS: usize = 16;

/// For whom a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The log that it listens to.
    pub log: i64,
    /// The session that opened it.
    pub session: Uuid,
    /// The device that it names, if it names one.
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

/// Pushes to one log that have yet to be told.
#[derive(Default)]
pub(super) struct Note {
    /// What they have come to.
    pub(super) growth: Growth,
    authors: Vec<Author>,
    crowded: bool,
}

impl Note {
    /// Adds a push.
    pub(super) fn add(&mut self, pushed: &Pushed) {
        self.growth.seq = self.growth.seq.max(pushed.seq);
        self.growth.pushes += 1;
        let author = Author { session: pushed.session, device: pushed.device };
        if self.authors.contains(&author) {
            return;
        }
        if self.authors.len() < MAX_AUTHORS {
            self.authors.push(author);
        } else {
            self.crowded = true;
        }
    }

    /// Whether somebody else pushed.
    pub(super) fn concerns(&self, subscriber: &Subscriber) -> bool {
        self.crowded || self.authors.iter().any(|author| !subscriber.is_author(author))
    }
}
