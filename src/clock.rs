//! The only place that asks what time it is, so that everything else can be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tidelog_protocol::Timestamp;

/// A source of the current time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// With the moment at which it was made.
    System(Instant),
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The operating system's clock.
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// A clock that stands at `start` until its hand moves it.
    pub fn manual(start: Timestamp) -> (Self, ClockHand) {
        let micros = Arc::new(AtomicI64::new(start.as_micros()));
        (Self(Source::Manual(micros.clone())), ClockHand(micros))
    }

    /// Microseconds since 1970, UTC.
    pub fn now_us(&self) -> i64 {
        match &self.0 {
            Source::System(_) => system_micros(),
            Source::Manual(micros) => micros.load(Ordering::SeqCst),
        }
    }

    /// Time since some moment before. It never goes back, also when somebody sets the machine's clock.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System(made) => made.elapsed(),
            Source::Manual(micros) => Duration::from_micros(micros.load(Ordering::SeqCst).unsigned_abs()),
        }
    }

    /// Whole seconds since 1970, UTC.
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

/// A clock set before 1970 reads as 1970: a wrong time must not stop a server.
#[allow(clippy::disallowed_methods, reason = "this is the place that may ask")]
fn system_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
