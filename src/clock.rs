//! The current time. Nothing else reads the system clock, so that tests can set the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tidelog_protocol::Timestamp;

/// A source of the current time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// With the instant at which it was created.
    System(Instant),
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The operating system's clock.
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// A clock that stands still at `start` until its hand moves it.
    pub fn manual(start: Timestamp) -> (Self, ClockHand) {
        let micros = Arc::new(AtomicI64::new(start.as_micros()));
        (Self(Source::Manual(micros.clone())), ClockHand(micros))
    }

    /// Returns the microseconds since 1970, UTC.
    pub fn now_us(&self) -> i64 {
        match &self.0 {
            Source::System(_) => system_micros(),
            Source::Manual(micros) => micros.load(Ordering::SeqCst),
        }
    }

    /// Returns the time since some fixed moment. It never decreases, even if the system clock is set.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System(created) => created.elapsed(),
            Source::Manual(micros) => Duration::from_micros(micros.load(Ordering::SeqCst).unsigned_abs()),
        }
    }

    /// Returns the whole seconds since 1970, UTC.
    pub fn now_seconds(&self) -> i64 {
        self.now_us().div_euclid(MICROS_PER_SECOND)
    }
}

/// Moves a manual clock.
pub struct ClockHand(Arc<AtomicI64>);

impl ClockHand {
    /// Moves the clock forward.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * MICROS_PER_SECOND, Ordering::SeqCst);
    }
}

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// A system clock set before 1970 reads as 1970: a wrong time must not stop a server.
#[allow(clippy::disallowed_methods, reason = "only this file reads the system clock")]
fn system_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
