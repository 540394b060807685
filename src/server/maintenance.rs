//! Maintenance in the background.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::auth::Auth;
use crate::blobs::Sweeper;
use crate::clock::{Clock, MICROS_PER_SECOND};
use crate::error::Fault;
use crate::store::Store;

/// Interval between two rounds.
const INTERVAL: Duration = Duration::from_secs(10);
/// Interval between two full sweeps of the blob store, in microseconds: a day.
const FULL_SWEEP_INTERVAL_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;
/// Time from the start to the first full sweep, in microseconds: an hour, so that a server that is restarted daily
/// sweeps as well.
const FIRST_FULL_SWEEP_US: i64 = 60 * 60 * MICROS_PER_SECOND;

/// Starts a task that maintains the database and the blob store until it is aborted. Neither waits for the other:
/// deleting many objects from a bucket takes a while.
pub(super) fn start(store: Store, auth: Auth, sweeper: Option<Sweeper>, clock: Clock) -> JoinHandle<()> {
    tokio::spawn(async move {
        let blobs = async {
            if let Some(sweeper) = &sweeper {
                maintain_blobs(sweeper, &clock).await;
            }
        };
        tokio::join!(maintain_database(&store, &auth), blobs);
    })
}

fn rounds() -> Interval {
    let mut rounds = interval(INTERVAL);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds
}

async fn maintain_database(store: &Store, auth: &Auth) {
    let mut rounds = rounds();
    loop {
        rounds.tick().await;
        if let Err(fault) = store.maintain().await {
            tracing::warn!(%fault, "a round of maintenance failed");
        }
        if let Err(fault) = auth.retire_keys().await {
            tracing::warn!(%fault, "cannot delete old signing keys");
        }
    }
}

async fn maintain_blobs(sweeper: &Sweeper, clock: &Clock) {
    let mut rounds = rounds();
    let mut next_full_sweep_us = clock.now_us() + FIRST_FULL_SWEEP_US;
    loop {
        rounds.tick().await;
        let is_full = clock.now_us() >= next_full_sweep_us;
        if is_full {
            next_full_sweep_us = clock.now_us() + FULL_SWEEP_INTERVAL_US;
        }
        if let Err(fault) = sweep(sweeper, is_full).await {
            tracing::warn!(%fault, "a sweep of the blob store failed");
        }
    }
}

async fn sweep(sweeper: &Sweeper, is_full: bool) -> Result<(), Fault> {
    let report = if is_full { sweeper.sweep_all().await? } else { sweeper.sweep_rows().await? };
    if report.unknown_objects > 0 {
        tracing::info!(objects = report.unknown_objects, "found objects that no row refers to");
    }
    if report.missing_objects > 0 {
        tracing::error!(
            objects = report.missing_objects,
            "the data of blobs is missing, see `tidelog sweep`"
        );
    }
    Ok(())
}
