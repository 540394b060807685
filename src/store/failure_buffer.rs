//! Failed sign-ins, buffered on their way into the audit log.
//!
//! They arrive as fast as somebody guesses: with a row for each, a guesser could load the disk and push everything
//! else out of the audit log. So they are written every few seconds, one row for each account and IP, and the number
//! of rows is limited.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::MICROS_PER_SECOND;
use crate::model::audit::FailedSignIn;

/// Rows that may be written at once.
const BURST: u32 = 1_000;
/// Time in which one more row is allowed, in microseconds: some 400,000 in three months.
const PERIOD_US: i64 = 20 * MICROS_PER_SECOND;
/// Failed sign-ins that are not in the audit log yet.
pub(super) struct FailureBuffer(Mutex<Buffered>);

struct Buffered {
    /// How often each was seen.
    counts: HashMap<FailedSignIn, u32>,
    /// How many found no row left for them.
    dropped: u64,
    allowance: u32,
    refilled_at_us: i64,
}

impl Default for FailureBuffer {
    fn default() -> Self {
        let counts = HashMap::new();
        Self(Mutex::new(Buffered { counts, dropped: 0, allowance: BURST, refilled_at_us: i64::MIN }))
    }
}

impl FailureBuffer {
    /// Adds one failure, or counts it with equal ones.
    pub(super) fn add(&self, failure: FailedSignIn, now_us: i64) {
        self.lock().add(failure, now_us);
    }

    /// Takes out the failures with how often each was seen, and how many found no row left for them.
    pub(super) fn take(&self) -> (HashMap<FailedSignIn, u32>, u64) {
        let mut buffered = self.lock();
        (std::mem::take(&mut buffered.counts), std::mem::take(&mut buffered.dropped))
    }

    fn lock(&self) -> MutexGuard<'_, Buffered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffered {
    fn add(&mut self, failure: FailedSignIn, now_us: i64) {
        if let Some(count) = self.counts.get_mut(&failure) {
            *count = count.saturating_add(1);
            return;
        }
        self.refill(now_us);
        if self.allowance == 0 {
            self.dropped += 1;
            return;
        }
        self.allowance -= 1;
        self.counts.insert(failure, 1);
    }

    fn refill(&mut self, now_us: i64) {
        if self.refilled_at_us == i64::MIN {
            self.refilled_at_us = now_us;
        }
        let periods = (now_us - self.refilled_at_us).max(0) / PERIOD_US;
        self.refilled_at_us += periods * PERIOD_US;
        self.allowance = self.allowance.saturating_add(u32::try_from(periods).unwrap_or(BURST)).min(BURST);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::model::audit::Credential;

    fn failure(number: u32) -> FailedSignIn {
        let ip = IpAddr::V4(Ipv4Addr::from(number));
        FailedSignIn { account: "mia@example.com".into(), ip, credential: Credential::Password }
    }

    #[test]
    fn repeated_failures_share_a_row_and_the_number_of_rows_is_limited() {
        let failures = FailureBuffer::default();
        let mut buffered = failures.lock();
        for number in 0..2 * BURST {
            buffered.add(failure(number), 0);
            buffered.add(failure(0), 0);
        }
        assert_eq!(buffered.counts.len(), BURST as usize);
        assert_eq!(buffered.dropped, u64::from(BURST));
        assert_eq!(buffered.counts[&failure(0)], 2 * BURST + 1);
        buffered.add(failure(9_999), 3 * PERIOD_US);
        assert_eq!((buffered.allowance, buffered.counts.len()), (2, BURST as usize + 1));
    }
}
