//! How far an exchange has got.

use tidelog_protocol::Cursor;
use tokio::sync::watch;

use super::status::Status;
use crate::SyncKitClient;

/// Smaller exchanges are over before anybody could read about them.
const MIN_CHANGES_SHOWN: u64 = 50;

pub(super) struct Progress {
    status: watch::Sender<Status>,
    done: u64,
    total: u64,
    /// Whether `total` includes what there is to pull.
    counts_pull: bool,
}

impl Progress {
    /// Begins an exchange with this many changes to push.
    pub(super) fn new(status: watch::Sender<Status>, to_push: u64) -> Self {
        let progress = Self { status, done: 0, total: to_push, counts_pull: false };
        progress.show();
        progress
    }

    pub(super) fn add_pushed(&mut self, changes: usize) {
        self.done += changes as u64;
        self.show();
    }

    /// Adds a page that was pulled. The first time that more is to follow, this asks the server how much. That is an
    /// estimate, because the numbers of entries have gaps where other users write.
    pub(super) async fn add_pulled(
        &mut self,
        client: &SyncKitClient,
        from: Cursor,
        to: Cursor,
        has_more: bool,
    ) {
        let distance = |to: Cursor| u64::try_from(to.seq().saturating_sub(from.seq())).unwrap_or_default();
        if has_more && !self.counts_pull {
            self.counts_pull = true;
            if let Ok(status) = client.status().await {
                self.total += distance(status.latest_cursor).min(status.total_changes);
            }
        }
        if self.counts_pull {
            self.done += distance(to);
        }
        self.show();
    }

    fn show(&self) {
        if self.total >= MIN_CHANGES_SHOWN {
            let total = self.total.max(self.done);
            self.status.send_replace(Status::Syncing { done: self.done, total });
        }
    }
}
