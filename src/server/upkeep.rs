//! Calls upkeep now and then.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::store::Store;

/// Pause between two rounds.
const PAUSE: Duration = Duration::from_secs(10);

/// Starts a task that looks after a store until it is aborted.
pub(super) fn start(store: Store) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut rounds = interval(PAUSE);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            if let Err(fault) = store.upkeep().await {
                tracing::warn!(%fault, "a round of upkeep failed");
            }
        }
    })
}
