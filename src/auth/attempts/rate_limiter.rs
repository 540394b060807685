//! Limits the rate of attempts for each key: a burst at once, then one more every period.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::{Rate, TooManyAttempts};
use crate::clock::Clock;

/// Keys at which those that have their whole burst again are dropped.
const SWEEP_AT: usize = 10_000;
/// Keys beyond which all are dropped. Some 60 bytes each.
const MAX_KEYS: usize = 200_000;

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, GovernorClock, StateInformationMiddleware>;

/// The server's clock, as governor reads it.
#[derive(Clone)]
struct GovernorClock(Clock);

impl governor::clock::Clock for GovernorClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Limits many keys to the same rate.
pub(super) struct KeyedRateLimiter<K: Hash + Eq + Clone> {
    swept: RwLock<SweptLimiter<K>>,
    rate: Rate,
    clock: GovernorClock,
}

struct SweptLimiter<K: Hash + Eq + Clone> {
    limiter: Limiter<K>,
    sweep_at: usize,
}

impl<K: Hash + Eq + Clone> SweptLimiter<K> {
    fn new(rate: Rate, clock: &GovernorClock) -> Self {
        // A period of zero, which no setting allows, would be no limit at all.
        let quota = Quota::with_period(rate.period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN));
        let limiter = RateLimiter::dashmap_with_clock(quota.allow_burst(rate.burst), clock.clone());
        Self { limiter: limiter.with_middleware(), sweep_at: SWEEP_AT }
    }
}

impl<K: Hash + Eq + Clone> KeyedRateLimiter<K> {
    pub(super) fn new(rate: Rate, clock: Clock) -> Self {
        let clock = GovernorClock(clock);
        Self { swept: RwLock::new(SweptLimiter::new(rate, &clock)), rate, clock }
    }

    /// Attempts at once.
    pub(super) fn burst(&self) -> u32 {
        self.rate.burst.get()
    }

    /// Takes this many attempts, or none. Returns how many are left.
    pub(super) fn take(&self, key: &K, attempts: u32) -> Result<u32, TooManyAttempts> {
        self.sweep();
        let attempts = NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN).min(self.rate.burst);
        let swept = self.swept.read().unwrap_or_else(PoisonError::into_inner);
        let wait = match swept.limiter.check_key_n(key, attempts) {
            Ok(Ok(state)) => return Ok(state.remaining_burst_capacity()),
            Ok(Err(refused)) => refused.wait_time_from(self.clock.now()),
            Err(_) => self.rate.period,
        };
        Err(TooManyAttempts { limit: self.burst(), retry_after: wait.as_secs() + 1 })
    }

    fn sweep(&self) {
        {
            let swept = self.swept.read().unwrap_or_else(PoisonError::into_inner);
            if swept.limiter.len() <= swept.sweep_at {
                return;
            }
        }
        let mut swept = self.swept.write().unwrap_or_else(PoisonError::into_inner);
        swept.limiter.retain_recent();
        let kept = swept.limiter.len();
        if kept > MAX_KEYS {
            *swept = SweptLimiter::new(self.rate, &self.clock);
        } else {
            // Not at every attempt when many keys are in use.
            swept.sweep_at = SWEEP_AT.max(2 * kept).min(MAX_KEYS);
        }
    }
}
