//! How long notifications may be silent, and how often the server is polled instead.

use std::time::Duration;

/// A stream that is silent for this long is dead: three times the server's heartbeat.
const DEFAULT_SILENCE: Duration = Duration::from_secs(45);
/// How often the server is polled where streams are not available.
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(30);

/// The timeouts set in [`ClientBuilder`](crate::ClientBuilder).
#[derive(Clone, Copy)]
pub(crate) struct NotificationTimeouts {
    pub(crate) silence: Duration,
    pub(crate) poll_interval: Duration,
}

impl Default for NotificationTimeouts {
    fn default() -> Self {
        Self { silence: DEFAULT_SILENCE, poll_interval: DEFAULT_POLL_INTERVAL }
    }
}
