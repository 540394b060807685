//! Bounds how often one address tries to sign in.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Keys kept before those that no longer matter are dropped.
const SWEEP_AT: usize = 10_000;

type ByAddress = DefaultKeyedRateLimiter<Address, StateInformationMiddleware>;

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
    by_address: ByAddress,
    burst: NonZeroU32,
}

impl Attempts {
    /// Lets `burst` attempts of one address through at once and `per_second` on average.
    pub fn new(burst: NonZeroU32, per_second: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self { by_address: RateLimiter::dashmap(quota).with_middleware(), burst }
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
                let wait = refused.wait_time_from(DefaultClock::default().now());
                Err(TooMany { limit: self.burst.get(), retry_after: wait.as_secs() + 1 })
            }
        }
    }
}
