//! Asking now and then, where streams cannot be had.
//!
//! It tells the two ways apart in which a stream fails: a server that answers questions but gives no stream is asked on, one
//! that does not answer either is gone, and a stream is the first thing to try when it is back.

use std::time::Duration;

use tidelog_protocol::StatusResponse;
use tokio::time::Instant;

use super::connect::is_passing;
use super::{Connection, MUTE_STREAMS, Notification, Notifications, State};
use crate::Result;

/// Where streams cannot be had, one is tried again after so many questions.
const POLLS_BEFORE_A_STREAM: u32 = 20;
/// The longest wait that is granted to a server which asks for one.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

impl Notifications<'_> {
    /// There are no streams, or they are held back.
    pub(super) fn poll_for_long(&mut self) {
        // The next stream that says nothing is believed at once.
        self.mute = MUTE_STREAMS - 1;
        self.state = State::Polling { next: Instant::now(), left: POLLS_BEFORE_A_STREAM };
    }

    /// There was no stream this time: one question instead, so that nobody waits for news that is there.
    pub(super) fn poll_once(&mut self, retry_after: Option<Duration>) {
        let next = Instant::now() + retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        self.state = State::Polling { next, left: 1 };
    }

    /// Takes in how far the log is. Pushes of this device count, too; pulling finds nothing then.
    ///
    /// # Errors
    /// What waiting would not mend.
    pub(super) fn answered(&mut self, answer: Result<StatusResponse>, left: u32) -> Result<()> {
        if answer.as_ref().is_err_and(is_passing) {
            self.show(Connection::Offline);
            self.wait();
            return Ok(());
        }
        let next = Instant::now() + self.client.patience.poll;
        match left {
            0 => self.open_at(next),
            left => self.state = State::Polling { next, left },
        }
        let status = answer?;
        self.failed = 0;
        self.show(Connection::Polling);
        let has_moved = std::mem::replace(&mut self.heard, status.latest_cursor) != status.latest_cursor;
        let same_keys = self.key_version.replace(status.key_version) == Some(status.key_version);
        if has_moved {
            self.say(Notification::Changed);
        }
        if !same_keys {
            self.say(Notification::Keys);
        }
        if !has_moved && same_keys {
            self.say(Notification::Keepalive);
        }
        Ok(())
    }
}
