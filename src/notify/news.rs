//! What one stream has yet to say. There is never more of it than this: whatever happens while a reader is slow is folded
//! into the same few words.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Something for a stream to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Others have pushed.
    Changed(Growth),
    /// A rotation of the key began or ended.
    Keys,
}

/// How a log has grown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Its newest seq.
    pub seq: i64,
    /// Pushes that are folded into this.
    pub pushes: usize,
}

#[derive(Default)]
struct Untold {
    changed: Option<Growth>,
    /// The newest seq that the reader knows of.
    known_seq: i64,
    keys: bool,
    ended: bool,
    /// Changes are to gather, and wake nobody.
    gathering: bool,
    reader: Option<Waker>,
}

/// Between those who have news and the one stream that says them.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<Untold>);

impl Mailbox {
    /// Others have pushed.
    pub(super) fn changed(&self, growth: Growth) {
        self.put(|untold| {
            if growth.seq <= untold.known_seq {
                return false;
            }
            let before = untold.changed.map_or(0, |before| before.pushes);
            untold.changed = Some(Growth { pushes: before + growth.pushes, ..growth });
            !untold.gathering
        });
    }

    /// The log was found to end here; `has_missed`: with something that the reader has not got.
    pub(super) fn catch_up(&self, newest_seq: i64, has_missed: bool) {
        self.put(|untold| {
            let later = untold.changed.filter(|growth| growth.seq > newest_seq);
            untold.changed = later.or(has_missed.then_some(Growth { seq: newest_seq, pushes: 1 }));
            untold.known_seq = newest_seq;
            true
        });
    }

    /// A rotation of the key began or ended.
    pub(super) fn keys(&self) {
        self.put(|untold| {
            untold.keys = true;
            true
        });
    }

    /// The stream is over. What it has not said by now it will not say.
    pub(super) fn end(&self) {
        self.put(|untold| {
            untold.ended = true;
            true
        });
    }

    /// What to say next. `None`: the stream is over. While changes are `gathering`, they are neither given nor wake the reader.
    pub(super) fn poll(&self, context: &mut Context<'_>, gathering: bool) -> Poll<Option<News>> {
        let mut untold = self.lock();
        untold.gathering = gathering;
        if untold.ended {
            return Poll::Ready(None);
        }
        if !gathering && let Some(growth) = untold.changed.take() {
            untold.known_seq = growth.seq;
            return Poll::Ready(Some(News::Changed(growth)));
        }
        if std::mem::take(&mut untold.keys) {
            return Poll::Ready(Some(News::Keys));
        }
        match &mut untold.reader {
            Some(reader) => reader.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Changes what is untold, and wakes the reader if that is told to be worth it.
    fn put(&self, change: impl FnOnce(&mut Untold) -> bool) {
        let reader = {
            let mut untold = self.lock();
            if change(&mut untold) { untold.reader.take() } else { None }
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
