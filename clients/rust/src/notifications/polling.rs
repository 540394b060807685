//! Polling, where event streams are not available.
//!
//! Polls tell the two ways apart in which a stream fails: a server that answers polls but gives no stream is polled
//! further; one that does not answer either is gone, and a stream is the first thing to try once it is back.

use std::time::Duration;

use tidelog_protocol::StatusResponse;
use tokio::time::Instant;

use super::connect::is_temporary;
use super::{ConnectionState, MAX_SILENT_STREAMS, Notification, Notifications, StreamState};
use crate::Result;

/// Polls after which a stream is tried again.
const POLLS_BEFORE_A_STREAM: u32 = 20;
/// The longest `Retry-After` that is respected.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

impl Notifications<'_> {
    /// Polls for a while: streams are not supported, or held back.
    pub(super) fn poll_for_long(&mut self) {
        // The next silent stream counts at once.
        self.silent_streams = MAX_SILENT_STREAMS - 1;
        self.state = StreamState::Polling { next: Instant::now(), left: POLLS_BEFORE_A_STREAM };
    }

    /// Polls once in place of a stream that was refused, so that changes are noticed meanwhile.
    pub(super) fn poll_once(&mut self, retry_after: Option<Duration>) {
        let next = Instant::now() + retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        self.state = StreamState::Polling { next, left: 1 };
    }

    /// Takes the answer to a poll. Pushes of this device count as changes, too; pulling finds nothing then.
    ///
    /// # Errors
    /// Only those that waiting does not cure.
    pub(super) fn poll_answered(&mut self, answer: Result<StatusResponse>, left: u32) -> Result<()> {
        if answer.as_ref().is_err_and(is_temporary) {
            self.show(ConnectionState::Offline);
            self.back_off();
            return Ok(());
        }
        let next = Instant::now() + self.client.notification_timeouts.poll_interval;
        match left {
            0 => self.reopen_at(next),
            left => self.state = StreamState::Polling { next, left },
        }
        let status = answer?;
        self.failed = 0;
        self.show(ConnectionState::Polling);
        let has_moved = std::mem::replace(&mut self.heard, status.latest_cursor) != status.latest_cursor;
        let same_keys = self.key_version.replace(status.key_version) == Some(status.key_version);
        if has_moved {
            self.queue(Notification::Changed);
        }
        if !same_keys {
            self.queue(Notification::Keys);
        }
        if !has_moved && same_keys {
            self.queue(Notification::Keepalive);
        }
        Ok(())
    }
}
