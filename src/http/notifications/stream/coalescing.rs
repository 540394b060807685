//! Coalescing of pushes into events.
//!
//! A push causes an event at once. But where many push to a thousand subscribers, an event for each push and
//! subscriber would keep the server busy, when all a subscriber needs to know is that there is something to pull. So
//! while pushes pile up, each event opens a window in which further pushes gather, longer each time. Once they come
//! one at a time again, the windows get shorter and soon vanish.

use std::time::Duration;

use tokio::time::Instant;

/// First window, once an event has summarised more than one push.
const MIN_WINDOW: Duration = Duration::from_millis(5);
/// Longest that an event may be delayed.
const MAX_WINDOW: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct CoalescingWindow {
    length: Duration,
    ends_at: Option<Instant>,
}

impl CoalescingWindow {
    /// Opens a window after an event that summarised this many pushes, and returns its end; `None` if pushes need no
    /// window.
    pub(super) fn open_after(&mut self, pushes: usize, now: Instant) -> Option<Instant> {
        self.length = match pushes {
            0 | 1 => Some(self.length / 2).filter(|length| *length >= MIN_WINDOW).unwrap_or_default(),
            _ => (self.length * 2).clamp(MIN_WINDOW, MAX_WINDOW),
        };
        self.ends_at = (!self.length.is_zero()).then(|| now + self.length);
        self.ends_at
    }

    /// Whether a window is open.
    pub(super) fn is_open(&self) -> bool {
        self.ends_at.is_some()
    }

    /// Closes the window if it is over, and returns its end otherwise.
    pub(super) fn close_if_over(&mut self, now: Instant) -> Option<Instant> {
        self.ends_at = self.ends_at.filter(|end| now < *end);
        self.ends_at
    }
}
