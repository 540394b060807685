//! What a client has noticed about the server, and the state to go on watching from.

use super::SyncKitClient;
use crate::evidence::Evidence;
use crate::watch::WatchState;

impl SyncKitClient {
    /// Returns the evidence against the server that was found since this client was built, at most the first hundred
    /// pieces.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.watch.evidence()
    }

    /// Returns what this client has seen, to be stored together with the cursor; `None` before the first pull.
    pub fn watch_state(&self) -> Option<WatchState> {
        self.watch.state()
    }

    /// Goes on watching from where an earlier run ended. Call it before the first pull from the stored cursor.
    pub fn restore_watch(&self, state: WatchState) {
        self.watch.restore(state);
    }

    /// Forgets what was seen and found, for a user who decides to go on after
    /// [`Tampered`](crate::SyncKitError::Tampered).
    pub fn reset_watch(&self) {
        self.watch.reset();
    }
}
