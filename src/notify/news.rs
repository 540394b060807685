//! What one stream has yet to say. There is never more of it than this: whatever happens while a reader is slow is folded
//! into the same few words.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Something for a stream to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Others have pushed; the newest seq of the log.
    Changed(i64),
    /// A rotation of the key began or ended.
    Keys,
}

#[derive(Default)]
struct Untold {
    changed: Option<i64>,
    /// The newest seq that the reader knows of.
    known_seq: i64,
    keys: bool,
    ended: bool,
    reader: Option<Waker>,
}

/// Between those who have news and the one stream that says them.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<Untold>);

impl Mailbox {
    /// Others have pushed up to this seq.
    pub(super) fn changed(&self, seq: i64) {
        self.put(|untold| {
            if seq > untold.known_seq {
                untold.changed = untold.changed.max(Some(seq));
            }
        });
    }

    /// The log was found to end here; `has_missed`: with something that the reader has not got.
    pub(super) fn catch_up(&self, newest_seq: i64, has_missed: bool) {
        self.put(|untold| {
            let later = untold.changed.filter(|seq| *seq > newest_seq);
            untold.changed = later.or(has_missed.then_some(newest_seq));
            untold.known_seq = newest_seq;
        });
    }

    /// A rotation of the key began or ended.
    pub(super) fn keys(&self) {
        self.put(|untold| untold.keys = true);
    }

    /// The stream is over. What it has not said by now it will not say.
    pub(super) fn end(&self) {
        self.put(|untold| untold.ended = true);
    }

    /// What to say next. `None`: the stream is over.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<News>> {
        let mut untold = self.lock();
        if untold.ended {
            return Poll::Ready(None);
        }
        if let Some(seq) = untold.changed.take() {
            untold.known_seq = seq;
            return Poll::Ready(Some(News::Changed(seq)));
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

    fn put(&self, change: impl FnOnce(&mut Untold)) {
        let reader = {
            let mut untold = self.lock();
            change(&mut untold);
            untold.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
