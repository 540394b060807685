//! Exponential backoff: a wait that doubles with each failure at one account from one network.
//!
//! Attempts that are still pending count as failures: otherwise a thousand of them sent at once would all pass as the
//! first.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::TooManyAttempts;
use super::expiring_map::ExpiringMap;
use super::keys::{AccountKey, NetworkKey};
use crate::clock::Clock;
use crate::model::audit::Credential;

/// The first wait. Each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long failures are remembered beyond the longest wait.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Where the count of failures stops; the wait is at its longest long before.
const MAX_FAILURES: u32 = 1_000_000;

pub(super) type Key = (Credential, AccountKey, NetworkKey);

#[derive(Clone, Copy, Default)]
struct Tally {
    failures: u32,
    pending: u32,
    failed_at: Duration,
}

pub(super) struct Backoff {
    tallies: Mutex<ExpiringMap<Key, Tally>>,
    free_failures: u32,
    longest_wait: Duration,
    clock: Clock,
}

impl Backoff {
    pub(super) fn new(free_failures: u32, longest_wait: Duration, clock: Clock) -> Self {
        let tallies = Mutex::new(ExpiringMap::new(LIFETIME.saturating_add(longest_wait)));
        Self { tallies, free_failures: free_failures.max(1), longest_wait, clock }
    }

    /// Failures that cause no wait.
    pub(super) fn free_failures(&self) -> u32 {
        self.free_failures
    }

    /// Begins an attempt. Returns how many more may begin right now.
    pub(super) fn begin(&self, key: Key) -> Result<u32, TooManyAttempts> {
        self.change(&key, |tally, now| {
            let used = tally.failures.saturating_add(tally.pending);
            if used >= self.free_failures {
                // Beyond the free ones, attempts are let through one at a time.
                let wait = match tally.pending {
                    0 => (tally.failed_at + self.wait_after(tally.failures)).saturating_sub(now),
                    _ => FIRST_WAIT,
                };
                if !wait.is_zero() {
                    let retry_after = wait.as_millis().div_ceil(1000) as u64;
                    return Err(TooManyAttempts { limit: self.free_failures, retry_after });
                }
            }
            tally.pending += 1;
            Ok(self.free_failures.saturating_sub(used + 1))
        })
    }

    /// Ends a pending attempt that made this many wrong guesses.
    pub(super) fn fail(&self, key: &Key, guesses: u32) {
        self.change(key, |tally, now| {
            tally.pending = tally.pending.saturating_sub(1);
            tally.failures = tally.failures.saturating_add(guesses).min(MAX_FAILURES);
            tally.failed_at = now;
        });
    }

    /// Ends a pending attempt as if it had not been made.
    pub(super) fn undo(&self, key: &Key) {
        self.change(key, |tally, _| tally.pending = tally.pending.saturating_sub(1));
    }

    /// Ends a pending attempt that was right: earlier failures were its owner's typos.
    pub(super) fn reset(&self, key: &Key) {
        self.change(key, |tally, _| {
            *tally = Tally { pending: tally.pending.saturating_sub(1), ..Tally::default() };
        });
    }

    fn wait_after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(self.free_failures);
        let wait = 1u32.checked_shl(doublings).and_then(|factor| FIRST_WAIT.checked_mul(factor));
        wait.unwrap_or(self.longest_wait).min(self.longest_wait)
    }

    fn change<T>(&self, key: &Key, change: impl FnOnce(&mut Tally, Duration) -> T) -> T {
        let now = self.clock.elapsed();
        let mut tallies = self.tallies();
        let mut tally = tallies.get(key, now).copied().unwrap_or_default();
        let result = change(&mut tally, now);
        if tally.failures == 0 && tally.pending == 0 {
            tallies.remove(key);
        } else {
            tallies.insert(*key, tally, now);
        }
        result
    }

    fn tallies(&self) -> MutexGuard<'_, ExpiringMap<Key, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tallies().len()
    }
}
