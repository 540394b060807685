//! One open event stream.
//!
//! The library's own channel would queue events for a slow subscriber. Here an event is made when the connection asks
//! for one, from what the mailbox holds by then; so a stream takes the same memory whatever happens, and needs no
//! task of its own.

mod coalescing;
mod heartbeat;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web_lab::sse::{Data, Event};
use futures_util::Stream;
use tidelog_protocol::Cursor;
use tokio::time::{Instant, Sleep, sleep_until};

use self::coalescing::CoalescingWindow;
pub(super) use self::heartbeat::Heartbeat;
use crate::notify::{StreamEvent, Subscription};

/// Data of every event, which only says that there is something to pull.
const NO_DATA: &str = "{}";
/// The comment that keeps a stream alive.
const HEARTBEAT_COMMENT: &str = "heartbeat";

/// The events of a stream, made on demand.
pub(super) struct EventStream<C> {
    subscription: Subscription,
    heartbeat: Heartbeat,
    window: CoalescingWindow,
    /// Fires at the next heartbeat or at the end of the coalescing window, whichever comes first.
    timer: Pin<Box<Sleep>>,
    /// Makes the cursor of a seq, in the format of the app.
    cursor: C,
}

impl<C: Fn(i64) -> Cursor> EventStream<C> {
    pub(super) fn new(subscription: Subscription, heartbeat: Heartbeat, cursor: C) -> Self {
        let timer = Box::pin(sleep_until(heartbeat.next()));
        Self { subscription, heartbeat, window: CoalescingWindow::default(), timer, cursor }
    }

    fn event(&mut self, event: StreamEvent) -> Event {
        let data = Data::new(NO_DATA);
        match event {
            StreamEvent::Changed(summary) => {
                if let Some(end) = self.window.open_after(summary.pushes, Instant::now()) {
                    self.set_timer(end);
                }
                data.event("changed").id((self.cursor)(summary.newest_seq).to_string()).into()
            }
            StreamEvent::KeysChanged => data.event("keys").into(),
        }
    }

    fn set_timer(&mut self, deadline: Instant) {
        self.timer.as_mut().reset(deadline.min(self.heartbeat.next()));
    }
}

impl<C: Fn(i64) -> Cursor + Unpin> Stream for EventStream<C> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Poll::Ready(event) = self.subscription.poll_event(context, self.window.is_open()) {
                return Poll::Ready(event.map(|event| self.event(event)));
            }
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            let is_heartbeat = now >= self.heartbeat.next();
            if is_heartbeat && !self.heartbeat.advance(now) {
                return Poll::Ready(None);
            }
            let deadline = self.window.close_if_over(now).unwrap_or(self.heartbeat.next());
            self.set_timer(deadline);
            if is_heartbeat {
                return Poll::Ready(Some(Event::Comment(HEARTBEAT_COMMENT.into())));
            }
        }
    }
}
