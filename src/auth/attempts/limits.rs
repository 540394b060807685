//! How many attempts are allowed, and how one is refused.

use std::num::NonZeroU32;
use std::time::Duration;

/// How many attempts are allowed.
#[derive(Clone, Copy, Debug)]
pub struct AttemptLimits {
    /// From one client IP.
    pub per_ip: Rate,
    /// At the password of one account, from all IPs together that are not trusted.
    pub per_account: Rate,
    /// Likewise at its second factor.
    pub second_factor: Rate,
    /// Failures, at one account from one IP, that cause no wait.
    pub free_failures: u32,
    /// Where the wait after further failures stops growing.
    pub longest_wait: Duration,
}

/// A burst, and how fast it refills.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Attempts at once.
    pub burst: NonZeroU32,
    /// Time in which one attempt is given back.
    pub period: Duration,
}

/// A refused attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyAttempts {
    /// Attempts allowed at once.
    pub limit: u32,
    /// Seconds to wait, at least 1.
    pub retry_after: u64,
}
