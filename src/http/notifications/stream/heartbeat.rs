//! When a stream must show that it is alive, and when it ends.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Clock, MICROS_PER_SECOND};

pub(in crate::http::notifications) struct Heartbeat {
    clock: Clock,
    interval: Duration,
    token_expires_us: i64,
    next: Instant,
}

impl Heartbeat {
    /// The first heartbeat is due at once, which shows the subscriber that nothing on the way buffers events; then
    /// one after each interval, until the token expires, at a time in seconds since 1970.
    pub(in crate::http::notifications) fn new(
        clock: Clock,
        interval: Duration,
        token_expires_at: i64,
    ) -> Self {
        let token_expires_us = token_expires_at.saturating_mul(MICROS_PER_SECOND);
        Self { clock, interval, token_expires_us, next: Instant::now() }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Moves on to the next one. `false`: the token has expired.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        // Computed anew each time: while a machine sleeps, its clock goes on but its timers don't.
        let left_us = u64::try_from(self.token_expires_us - self.clock.now_us()).unwrap_or(0);
        self.next = now + self.interval.min(Duration::from_micros(left_us));
        left_us > 0
    }
}
