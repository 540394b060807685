//! So many attempts at once for each key, given back one by one.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::{Rate, TooMany};
use crate::clock::Clock;

/// Keys kept before those whose budget is whole again are dropped.
const SWEEP_AT: usize = 10_000;
/// Keys kept before all are forgotten. Some 60 bytes each.
const MAX_KEYS: usize = 200_000;

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, Ticks, StateInformationMiddleware>;

/// The server's clock, as the limiters read it.
#[derive(Clone)]
struct Ticks(Clock);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The budgets of many keys, alike for all of them.
pub(super) struct Budget<K: Hash + Eq + Clone> {
    counted: RwLock<Counted<K>>,
    rate: Rate,
    ticks: Ticks,
}

struct Counted<K: Hash + Eq + Clone> {
    limiter: Limiter<K>,
    sweep_at: usize,
}

impl<K: Hash + Eq + Clone> Counted<K> {
    fn new(rate: Rate, ticks: &Ticks) -> Self {
        // A period of nothing, which no setting gives, would be no bound at all.
        let quota = Quota::with_period(rate.period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN));
        let limiter = RateLimiter::dashmap_with_clock(quota.allow_burst(rate.burst), ticks.clone());
        Self { limiter: limiter.with_middleware(), sweep_at: SWEEP_AT }
    }
}

impl<K: Hash + Eq + Clone> Budget<K> {
    pub(super) fn new(rate: Rate, clock: Clock) -> Self {
        let ticks = Ticks(clock);
        Self { counted: RwLock::new(Counted::new(rate, &ticks)), rate, ticks }
    }

    /// Attempts at once.
    pub(super) fn limit(&self) -> u32 {
        self.rate.burst.get()
    }

    /// Takes as many as are asked for, and tells how many are left; or takes none.
    pub(super) fn take(&self, key: &K, attempts: u32) -> Result<u32, TooMany> {
        self.make_room();
        let attempts = NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN).min(self.rate.burst);
        let counted = self.counted.read().unwrap_or_else(PoisonError::into_inner);
        let wait = match counted.limiter.check_key_n(key, attempts) {
            Ok(Ok(state)) => return Ok(state.remaining_burst_capacity()),
            Ok(Err(refused)) => refused.wait_time_from(self.ticks.now()),
            Err(_) => self.rate.period,
        };
        Err(TooMany { limit: self.limit(), retry_after: wait.as_secs() + 1 })
    }

    fn make_room(&self) {
        {
            let counted = self.counted.read().unwrap_or_else(PoisonError::into_inner);
            if counted.limiter.len() <= counted.sweep_at {
                return;
            }
        }
        let mut counted = self.counted.write().unwrap_or_else(PoisonError::into_inner);
        counted.limiter.retain_recent();
        let kept = counted.limiter.len();
        if kept > MAX_KEYS {
            *counted = Counted::new(self.rate, &self.ticks);
        } else {
            // Not at every attempt again, where many are to stay.
            counted.sweep_at = SWEEP_AT.max(2 * kept).min(MAX_KEYS);
        }
    }
}
