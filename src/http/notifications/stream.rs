//! One open stream: its news, and a sign of life now and then.
//!
//! The library's own channel of events would be a backlog for a slow reader. Here an event is made when the connection asks for
//! one, out of what is untold by then; so a stream takes the same memory whatever happens, and has no task of its own.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web_lab::sse::{Data, Event};
use futures_util::Stream;
use tidelog_protocol::Cursor;
use tokio::time::{Instant, Sleep, sleep};

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
    /// Until the next of the two.
    rest: Pin<Box<Sleep>>,
}

enum Beat {
    Alive,
    Expired,
}

impl Rhythm {
    /// A beat at once, so that the reader sees that nothing on the way holds events back; then one after each `heartbeat`, until
    /// the token expires, at a time in seconds since 1970.
    pub(super) fn new(clock: Clock, heartbeat: Duration, token_expires_at: i64) -> Self {
        let token_expires_us = token_expires_at.saturating_mul(MICROS_PER_SECOND);
        Self { clock, heartbeat, token_expires_us, rest: Box::pin(sleep(Duration::ZERO)) }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Beat> {
        if self.rest.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        // Asked anew at each beat: while a machine sleeps, its clock goes on and its timers do not.
        let left_us = u64::try_from(self.token_expires_us - self.clock.now_us()).unwrap_or(0);
        if left_us == 0 {
            return Poll::Ready(Beat::Expired);
        }
        let pause = self.heartbeat.min(Duration::from_micros(left_us));
        self.rest.as_mut().reset(Instant::now() + pause);
        Poll::Ready(Beat::Alive)
    }
}

/// The events of a stream, made as they are asked for.
pub(super) struct EventStream<C> {
    subscription: Subscription,
    rhythm: Rhythm,
    /// The cursor of a seq, in the form that the app receives.
    cursor: C,
}

impl<C: Fn(i64) -> Cursor> EventStream<C> {
    /// Of this subscription.
    pub(super) fn new(subscription: Subscription, rhythm: Rhythm, cursor: C) -> Self {
        Self { subscription, rhythm, cursor }
    }

    fn event(&self, news: News) -> Event {
        let data = Data::new(NOTHING);
        match news {
            News::Changed(seq) => data.event("changed").id((self.cursor)(seq).to_string()).into(),
            News::Keys => data.event("keys").into(),
        }
    }
}

impl<C: Fn(i64) -> Cursor + Unpin> Stream for EventStream<C> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Poll::Ready(news) = self.subscription.poll_news(context) {
            return Poll::Ready(news.map(|news| self.event(news)));
        }
        self.rhythm.poll(context).map(|beat| match beat {
            Beat::Alive => Some(Event::Comment(SIGN_OF_LIFE.into())),
            Beat::Expired => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tidelog_protocol::Timestamp;
    use tokio::time::timeout;

    use super::*;
    use crate::clock::ClockHand;

    const HEARTBEAT: Duration = Duration::from_secs(15);

    fn rhythm(token_seconds: i64) -> (Rhythm, ClockHand) {
        let (clock, hand) = Clock::manual(Timestamp::EPOCH);
        (Rhythm::new(clock, HEARTBEAT, token_seconds), hand)
    }

    async fn next(rhythm: &mut Rhythm) -> Beat {
        poll_fn(|context| rhythm.poll(context)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_beats_at_once_and_then_each_time_that_its_heartbeat_has_passed() {
        let (mut rhythm, _hand) = rhythm(3_600);
        let began = Instant::now();
        for beat in 0..4 {
            assert!(matches!(next(&mut rhythm).await, Beat::Alive));
            assert_eq!(began.elapsed().as_secs(), beat * HEARTBEAT.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_its_token_expires_and_not_at_the_next_beat() {
        let (mut rhythm, hand) = rhythm(20);
        let began = Instant::now();
        assert!(matches!(next(&mut rhythm).await, Beat::Alive));
        assert!(timeout(HEARTBEAT - Duration::from_secs(1), next(&mut rhythm)).await.is_err());
        hand.advance(15);
        assert!(matches!(next(&mut rhythm).await, Beat::Alive));
        hand.advance(5);
        assert!(matches!(next(&mut rhythm).await, Beat::Expired));
        assert_eq!(began.elapsed().as_secs(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_expired_while_the_machine_slept_ends_its_stream_at_the_next_beat() {
        let (mut rhythm, hand) = rhythm(3_600);
        assert!(matches!(next(&mut rhythm).await, Beat::Alive));
        hand.advance(7_200);
        assert!(matches!(next(&mut rhythm).await, Beat::Expired));
    }
}
