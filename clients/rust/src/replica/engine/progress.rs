//! How far an exchange is.

use tidelog_protocol::Cursor;
use tokio::sync::watch;

use super::status::Status;
use crate::SyncKitClient;

/// Exchanges below this size are over before anybody has read about them.
const WORTH_SHOWING: u64 = 50;

pub(crate) struct Progress {
    shown: watch::Sender<Status>,
    done: u64,
    total: u64,
    /// Whether it was asked how much there is to pull.
    asked: bool,
}

impl Progress {
    /// With so many changes to push.
    pub(crate) fn new(shown: watch::Sender<Status>, to_push: u64) -> Self {
        let progress = Self { shown, done: 0, total: to_push, asked: false };
        progress.show();
        progress
    }

    pub(crate) fn pushed(&mut self, changes: usize) {
        self.done += changes as u64;
        self.show();
    }

    /// A page was pulled that leads from one position to another. The first time that there is more, the server is asked how
    /// much: the numbers of entries have gaps where others write, so this is a guess.
    pub(crate) async fn pulled(&mut self, client: &SyncKitClient, from: Cursor, to: Cursor, has_more: bool) {
        let distance = |to: Cursor| u64::try_from(to.seq().saturating_sub(from.seq())).unwrap_or_default();
        if has_more && !self.asked {
            self.asked = true;
            if let Ok(status) = client.status().await {
                self.total += distance(status.latest_cursor).min(status.total_changes);
            }
        }
        if self.asked {
            self.done += distance(to);
        }
        self.show();
    }

    fn show(&self) {
        if self.total >= WORTH_SHOWING {
            let total = self.total.max(self.done);
            self.shown.send_replace(Status::Syncing { done: self.done, total });
        }
    }
}
