//! Bounds how often one address tries to sign in.

use std::net::IpAddr;
use std::num::NonZeroU32;

use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::Clock;

/// Keys kept before those that no longer matter are dropped.
const SWEEP_AT: usize = 10_000;

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

/// Who is counted together: an IPv4 address, or the /64 in which an IPv6 host can pick any address it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Address([u8; 8]);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let mut key = [0; 8];
        match address.to_canonical() {
            IpAddr::V4(address) => key[4..].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => key.copy_from_slice(&address.octets()[..8]),
        }
        Self(key)
    }
}

/// A refused attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Attempts that are let through at once.
    pub limit: u32,
    /// Seconds to wait, at least 1.
    pub retry_after: u64,
}

/// Counts attempts.
pub struct Attempts {
    by_address: Limiter<Address>,
    ticks: Ticks,
    burst: NonZeroU32,
}

impl Attempts {
    /// Lets `burst` attempts of one address through at once and `per_second` on average.
    pub fn new(burst: NonZeroU32, per_second: NonZeroU32, clock: Clock) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let ticks = Ticks(clock);
        let by_address = RateLimiter::dashmap_with_clock(quota, ticks.clone()).with_middleware();
        Self { by_address, ticks, burst }
    }

    /// Attempts that are let through at once.
    pub fn limit(&self) -> u32 {
        self.burst.get()
    }

    /// Counts one attempt of an address, and tells how many more it has at once.
    ///
    /// # Errors
    /// It has none left.
    pub fn count(&self, address: IpAddr) -> Result<u32, TooMany> {
        if self.by_address.len() > SWEEP_AT {
            self.by_address.retain_recent();
        }
        match self.by_address.check_key(&address.into()) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(refused) => {
                let wait = refused.wait_time_from(self.ticks.now());
                Err(TooMany { limit: self.burst.get(), retry_after: wait.as_secs() + 1 })
            }
        }
    }
}
