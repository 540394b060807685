//! Waits that double with each failure, for one account from one address.
//!
//! Attempts that are under way count like failures until they are decided: a thousand that come at once are not a thousand that were
//! each the first.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::account::Account;
use super::address::Address;
use super::recent::Recent;
use super::{Factor, TooMany};
use crate::clock::Clock;

/// The first wait. Each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long failures are remembered beyond the longest wait.
const MEMORY: Duration = Duration::from_secs(60 * 60);
/// Failures that make a difference; the wait is at its longest long before.
const MAX_FAILURES: u32 = 1_000_000;

pub(super) type Key = (Factor, Account, Address);

#[derive(Clone, Copy, Default)]
struct Tally {
    failures: u32,
    under_way: u32,
    failed_at: Duration,
}

pub(super) struct BackOff {
    tallies: Mutex<Recent<Key, Tally>>,
    free_failures: u32,
    longest_wait: Duration,
    clock: Clock,
}

impl BackOff {
    pub(super) fn new(free_failures: u32, longest_wait: Duration, clock: Clock) -> Self {
        let tallies = Mutex::new(Recent::new(MEMORY.saturating_add(longest_wait)));
        Self { tallies, free_failures: free_failures.max(1), longest_wait, clock }
    }

    /// Failures after which nobody waits.
    pub(super) fn free_failures(&self) -> u32 {
        self.free_failures
    }

    /// Begins an attempt, and tells how many more may begin at once.
    pub(super) fn begin(&self, key: Key) -> Result<u32, TooMany> {
        self.change(&key, |tally, now| {
            let taken = tally.failures.saturating_add(tally.under_way);
            if taken >= self.free_failures {
                // Beyond the free ones they come one by one.
                let wait = match tally.under_way {
                    0 => (tally.failed_at + self.wait_after(tally.failures)).saturating_sub(now),
                    _ => FIRST_WAIT,
                };
                if !wait.is_zero() {
                    let retry_after = wait.as_millis().div_ceil(1000) as u64;
                    return Err(TooMany { limit: self.free_failures, retry_after });
                }
            }
            tally.under_way += 1;
            Ok(self.free_failures.saturating_sub(taken + 1))
        })
    }

    /// One that was begun was so many wrong guesses.
    pub(super) fn failed(&self, key: &Key, guesses: u32) {
        self.change(key, |tally, now| {
            tally.under_way = tally.under_way.saturating_sub(1);
            tally.failures = tally.failures.saturating_add(guesses).min(MAX_FAILURES);
            tally.failed_at = now;
        });
    }

    /// One that was begun was none.
    pub(super) fn undo(&self, key: &Key) {
        self.change(key, |tally, _| tally.under_way = tally.under_way.saturating_sub(1));
    }

    /// One that was begun was right: what failed before was its owner's slip.
    pub(super) fn forget(&self, key: &Key) {
        self.change(key, |tally, _| {
            *tally = Tally { under_way: tally.under_way.saturating_sub(1), ..Tally::default() };
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
        let outcome = change(&mut tally, now);
        if tally.failures == 0 && tally.under_way == 0 {
            tallies.remove(key);
        } else {
            tallies.put(*key, tally, now);
        }
        outcome
    }

    fn tallies(&self) -> MutexGuard<'_, Recent<Key, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tallies().len()
    }
}
