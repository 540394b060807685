//! Failed sign-ins on their way into the audit log.
//!
//! They come as fast as somebody guesses, so a row of its own for each would let a guesser load the disk and push everything else out
//! of the log. They are gathered, and written every few seconds: one row for each account and address, and only so many.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Action, note};
use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::audit::Failure;
use crate::store::group::WriteTx;
use crate::store::{Store, users};

/// Rows that may be written at once.
const BURST: u32 = 1_000;
/// Time in which another one is given back, in microseconds: some 400,000 in three months.
const PERIOD_US: i64 = 20 * MICROS_PER_SECOND;
/// Characters of what can be the name of an account. Longer ones are nobody's.
const MAX_ACCOUNT_CHARS: usize = 254;

/// What is gathered.
pub(in crate::store) struct Failures(Mutex<Gathered>);

struct Gathered {
    /// With how often each was seen.
    seen: HashMap<Failure, u32>,
    /// Those for which there was no row left.
    left_out: u64,
    allowance: u32,
    refilled_at_us: i64,
}

impl Default for Failures {
    fn default() -> Self {
        let seen = HashMap::new();
        Self(Mutex::new(Gathered { seen, left_out: 0, allowance: BURST, refilled_at_us: i64::MIN }))
    }
}

impl Failures {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn add(&mut self, failure: Failure, now_us: i64) {
        if let Some(times) = self.seen.get_mut(&failure) {
            *times = times.saturating_add(1);
            return;
        }
        self.refill(now_us);
        if self.allowance == 0 {
            self.left_out += 1;
            return;
        }
        self.allowance -= 1;
        self.seen.insert(failure, 1);
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

fn write(tx: &WriteTx<'_>, seen: &[(Failure, u32)]) -> Result<(), Fault> {
    for (failure, times) in seen {
        let user = users::find(tx, &failure.account)?.map(|(_, user)| user.id);
        let guessed = failure.guessed.name();
        let detail = if *times == 1 { guessed.to_owned() } else { format!("{guessed}, {times} times") };
        note(tx, Actor::Client(failure.ip), Action::SignInFailed, (user, None), Some(&detail))?;
    }
    Ok(())
}

impl Store {
    /// Takes note of a failed sign-in. It is in the audit log some seconds later.
    pub fn note_failure(&self, failure: Failure) {
        let name = failure.account.trim();
        let account =
            if name.chars().count() > MAX_ACCOUNT_CHARS { String::new() } else { name.to_lowercase() };
        let now_us = self.shared.clock.now_us();
        self.shared.failures.lock().add(Failure { account, ..failure }, now_us);
    }

    /// Writes what is gathered.
    ///
    /// # Errors
    /// A fault of the database; what was gathered is lost.
    pub(in crate::store) async fn flush_failures(&self) -> Result<(), Fault> {
        let (seen, left_out) = {
            let mut gathered = self.shared.failures.lock();
            (std::mem::take(&mut gathered.seen), std::mem::take(&mut gathered.left_out))
        };
        if left_out > 0 {
            tracing::warn!(left_out, "more sign-ins failed than the audit log has room for");
        }
        if seen.is_empty() {
            return Ok(());
        }
        let seen: Vec<_> = seen.into_iter().collect();
        self.write(1, move |tx| write(tx, &seen)).await
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::model::audit::Guessed;

    fn failure(number: u32) -> Failure {
        let ip = IpAddr::V4(Ipv4Addr::from(number));
        Failure { account: "mia@example.com".into(), ip, guessed: Guessed::Password }
    }

    #[test]
    fn the_same_again_takes_no_further_row_and_a_flood_is_left_out() {
        let failures = Failures::default();
        let mut gathered = failures.lock();
        for number in 0..2 * BURST {
            gathered.add(failure(number), 0);
            gathered.add(failure(0), 0);
        }
        assert_eq!(gathered.seen.len(), BURST as usize);
        assert_eq!(gathered.left_out, u64::from(BURST));
        assert_eq!(gathered.seen[&failure(0)], 2 * BURST + 1);
        gathered.add(failure(9_999), 3 * PERIOD_US);
        assert_eq!((gathered.allowance, gathered.seen.len()), (2, BURST as usize + 1));
    }
}
