//! One open stream: its news, and a sign of life now and then.
//!
//! The library's own channel of events would be a backlog for a slow reader. Here an event is made when the connection asks for
//! one, out of what is untold by then; so a stream takes the same memory whatever happens, and has no task of its own.

mod pace;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web_lab::sse::{Data, Event};
use futures_util::Stream;
use tidelog_protocol::Cursor;
use tokio::time::{Instant, Sleep, sleep_until};

use self::pace::Pace;
use crate::clock::{Clock, MICROS_PER_SECOND};
use crate::notify::{News, Subscription};

/// What all events carry for data: the news is that there is some.
const NOTHING: &str = "{}";
/// The comment that keeps a stream alive.
const SIGN_OF_LIFE: &str = "heartbeat";

/// When a stream is to show that it is alive, and when it is to end.
pub(super) struct Rhythm {
    clock: Clock,
    heartbeat: Duration,
    token_expires_us: i64,
    next: Instant,
}

impl Rhythm {
    /// A beat at once, so that the reader sees that nothing on the way holds events back; then one after each `heartbeat`, until
    /// the token expires, at a time in seconds since 1970.
    pub(super) fn new(clock: Clock, heartbeat: Duration, token_expires_at: i64) -> Self {
        let token_expires_us = token_expires_at.saturating_mul(MICROS_PER_SECOND);
        Self { clock, heartbeat, token_expires_us, next: Instant::now() }
    }

    /// Beats: from now on, the next beat is the one after. `false`: the token has expired.
    fn beat(&mut self, now: Instant) -> bool {
        // Asked anew at each beat: while a machine sleeps, its clock goes on and its timers do not.
        let left_us = u64::try_from(self.token_expires_us - self.clock.now_us()).unwrap_or(0);
        self.next = now + self.heartbeat.min(Duration::from_micros(left_us));
        left_us > 0
    }
}

/// The events of a stream, made as they are asked for.
pub(super) struct EventStream<C> {
    subscription: Subscription,
    rhythm: Rhythm,
    pace: Pace,
    /// Until the next beat, or until changes have gathered for long enough.
    rest: Pin<Box<Sleep>>,
    /// The cursor of a seq, in the form that the app receives.
    cursor: C,
}

impl<C: Fn(i64) -> Cursor> EventStream<C> {
    /// Of this subscription.
    pub(super) fn new(subscription: Subscription, rhythm: Rhythm, cursor: C) -> Self {
        let rest = Box::pin(sleep_until(rhythm.next));
        Self { subscription, rhythm, pace: Pace::default(), rest, cursor }
    }

    fn event(&mut self, news: News) -> Event {
        let data = Data::new(NOTHING);
        match news {
            News::Changed(growth) => {
                if let Some(end) = self.pace.said(growth.pushes, Instant::now()) {
                    self.rest_until(end);
                }
                data.event("changed").id((self.cursor)(growth.seq).to_string()).into()
            }
            News::Keys => data.event("keys").into(),
        }
    }

    fn rest_until(&mut self, end: Instant) {
        self.rest.as_mut().reset(end.min(self.rhythm.next));
    }
}

impl<C: Fn(i64) -> Cursor + Unpin> Stream for EventStream<C> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Poll::Ready(news) = self.subscription.poll_news(context, self.pace.is_resting()) {
                return Poll::Ready(news.map(|news| self.event(news)));
            }
            ready!(self.rest.as_mut().poll(context));
            let now = Instant::now();
            let is_beat = now >= self.rhythm.next;
            if is_beat && !self.rhythm.beat(now) {
                return Poll::Ready(None);
            }
            let end = self.pace.rest_left(now).unwrap_or(self.rhythm.next);
            self.rest_until(end);
            if is_beat {
                return Poll::Ready(Some(Event::Comment(SIGN_OF_LIFE.into())));
            }
        }
    }
}
