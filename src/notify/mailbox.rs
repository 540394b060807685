//! What one subscriber has not been told yet: a summary of fixed size, however slow the subscriber reads.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// An event for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// Others have pushed.
    Changed(PushSummary),
    /// A rotation of the master key began or ended.
    KeysChanged,
}

/// A summary of pushes to one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushSummary {
    /// The newest seq.
    pub newest_seq: i64,
    /// How many pushes are summarised.
    pub pushes: usize,
}

#[derive(Default)]
struct Contents {
    pushes: Option<PushSummary>,
    keys_changed: bool,
    closed: bool,
    /// The newest seq that the subscriber has been told of.
    told_seq: i64,
    /// Whether a coalescing window is open, in which pushes do not wake the subscriber.
    coalescing: bool,
    waker: Option<Waker>,
}

/// Holds events until the subscriber's connection asks for them.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<Contents>);

impl Mailbox {
    /// Adds pushes by others.
    pub(super) fn add_pushes(&self, summary: PushSummary) {
        self.update(|contents| {
            if summary.newest_seq <= contents.told_seq {
                return false;
            }
            let before = contents.pushes.map_or(0, |before| before.pushes);
            contents.pushes = Some(PushSummary { pushes: before + summary.pushes, ..summary });
            !contents.coalescing
        });
    }

    /// Records where the log was found to end, and whether the subscriber has missed something up to there.
    pub(super) fn start_at(&self, newest_seq: i64, has_missed: bool) {
        self.update(|contents| {
            let later = contents.pushes.filter(|summary| summary.newest_seq > newest_seq);
            contents.pushes = later.or(has_missed.then_some(PushSummary { newest_seq, pushes: 1 }));
            contents.told_seq = newest_seq;
            true
        });
    }

    /// Adds the beginning or end of a rotation.
    pub(super) fn add_key_change(&self) {
        self.update(|contents| {
            contents.keys_changed = true;
            true
        });
    }

    /// Ends the stream. Events that have not been taken out are dropped.
    pub(super) fn close(&self) {
        self.update(|contents| {
            contents.closed = true;
            true
        });
    }

    /// Takes out the next event; `None` at the end of the stream. While `coalescing`, pushes are neither returned nor
    /// wake the subscriber.
    pub(super) fn poll_event(
        &self,
        context: &mut Context<'_>,
        coalescing: bool,
    ) -> Poll<Option<StreamEvent>> {
        let mut contents = self.lock();
        contents.coalescing = coalescing;
        if contents.closed {
            return Poll::Ready(None);
        }
        if !coalescing && let Some(summary) = contents.pushes.take() {
            contents.told_seq = summary.newest_seq;
            return Poll::Ready(Some(StreamEvent::Changed(summary)));
        }
        if std::mem::take(&mut contents.keys_changed) {
            return Poll::Ready(Some(StreamEvent::KeysChanged));
        }
        match &mut contents.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Updates the contents, and wakes the subscriber if `change` returns that there is a reason to.
    fn update(&self, change: impl FnOnce(&mut Contents) -> bool) {
        let waker = {
            let mut contents = self.lock();
            if change(&mut contents) { contents.waker.take() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
