//! Calls upkeep now and then.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::auth::Auth;
use crate::blobs::Sweeper;
use crate::clock::{Clock, MICROS_PER_SECOND};
use crate::error::Fault;
use crate::store::Store;

/// Pause between two rounds.
const PAUSE: Duration = Duration::from_secs(10);
/// Time between two looks at every object and every row of blobs, and from the start to the first, in microseconds: a day, and an
/// hour, so that a server which is started again every day looks too.
const SWEEP_US: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;
const FIRST_SWEEP_US: i64 = 60 * 60 * MICROS_PER_SECOND;

/// Starts a task that looks after a store and its blobs until it is aborted. Neither waits for the other: deleting many objects
/// of a bucket takes its time.
pub(super) fn start(store: Store, auth: Auth, sweeper: Option<Sweeper>, clock: Clock) -> JoinHandle<()> {
    tokio::spawn(async move {
        let blobs = async {
            if let Some(sweeper) = &sweeper {
                look_after_blobs(sweeper, &clock).await;
            }
        };
        tokio::join!(look_after_rows(&store, &auth), blobs);
    })
}

fn rounds() -> Interval {
    let mut rounds = interval(PAUSE);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds
}

async fn look_after_rows(store: &Store, auth: &Auth) {
    let mut rounds = rounds();
    loop {
        rounds.tick().await;
        if let Err(fault) = store.maintain().await {
            tracing::warn!(%fault, "a round of maintenance failed");
        }
        if let Err(fault) = auth.retire_keys().await {
            tracing::warn!(%fault, "old signing keys were not deleted");
        }
    }
}

async fn look_after_blobs(sweeper: &Sweeper, clock: &Clock) {
    let mut rounds = rounds();
    let mut next_sweep_us = clock.now_us() + FIRST_SWEEP_US;
    loop {
        rounds.tick().await;
        let is_time = clock.now_us() >= next_sweep_us;
        if is_time {
            next_sweep_us = clock.now_us() + SWEEP_US;
        }
        if let Err(fault) = look_after(sweeper, is_time).await {
            tracing::warn!(%fault, "a sweep of the blobs failed");
        }
    }
}

async fn look_after(sweeper: &Sweeper, all: bool) -> Result<(), Fault> {
    let report = if all { sweeper.sweep_all().await? } else { sweeper.sweep_rows().await? };
    if report.unknown_objects > 0 {
        tracing::info!(objects = report.unknown_objects, "found objects that no row refers to");
    }
    if report.missing_objects > 0 {
        tracing::error!(
            objects = report.missing_objects,
            "objects of blobs are missing, see `tidelog sweep`"
        );
    }
    Ok(())
}
