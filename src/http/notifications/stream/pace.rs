//! How fast a stream speaks.
//!
//! A push is told at once. But where many push at once, and to a thousand readers, telling each push to each of them would be all
//! that a server did; and all that they want to know is that there is something. So while pushes pile up, a stream rests after
//! each event, longer each time, and lets them gather. As soon as they come one at a time again, it rests less, and soon not at all.

use std::time::Duration;

use tokio::time::Instant;

/// First rest of a stream that has found more than one push to tell.
const SHORTEST: Duration = Duration::from_millis(5);
/// Longest that news may wait.
const LONGEST: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Pace {
    rest: Duration,
    until: Option<Instant>,
}

impl Pace {
    /// So many pushes were told in one event. Until when to rest, if at all.
    pub(super) fn said(&mut self, pushes: usize, now: Instant) -> Option<Instant> {
        self.rest = match pushes {
            0 | 1 => Some(self.rest / 2).filter(|rest| *rest >= SHORTEST).unwrap_or_default(),
            _ => (self.rest * 2).clamp(SHORTEST, LONGEST),
        };
        self.until = (!self.rest.is_zero()).then(|| now + self.rest);
        self.until
    }

    /// Whether changes are to gather.
    pub(super) fn is_resting(&self) -> bool {
        self.until.is_some()
    }

    /// Until when, still. `None`: it is over.
    pub(super) fn rest_left(&mut self, now: Instant) -> Option<Instant> {
        self.until = self.until.filter(|until| now < *until);
        self.until
    }
}
