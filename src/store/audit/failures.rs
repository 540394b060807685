//! Failed sign-ins, buffered on their way into the audit log.
//!
//! They arrive as fast as somebody guesses: with a row for each, a guesser could load the disk and push everything else out of the
//! audit log. So they are written every few seconds, one row for each account and IP, and the number of rows is limited.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::params;
use uuid::Uuid;

use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;
use crate::model::audit::{Action, FailedSignIn};
use crate::store::Store;
use crate::store::group::WriteTx;

const INSERT: &str = "
    INSERT INTO audit_log (occurred_at, action, user, client_ip, detail)
    VALUES (?1, ?2, (SELECT uuid FROM users WHERE email = ?3 OR uuid = ?4), ?5, ?6)";

/// Rows that may be written at once.
const BURST: u32 = 1_000;
/// Time in which one more row is allowed, in microseconds: some 400,000 in three months.
const PERIOD_US: i64 = 20 * MICROS_PER_SECOND;
/// Longest name of an account, in characters. No account has a longer one.
const MAX_ACCOUNT_CHARS: usize = 254;

pub(in crate::store) struct FailureBuffer(Mutex<Buffered>);

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

fn write(tx: &WriteTx<'_>, counts: &[(FailedSignIn, u32)]) -> Result<(), Fault> {
    for (failure, count) in counts {
        let id = Uuid::parse_str(&failure.account).ok().map(Uuid::into_bytes);
        let credential = failure.credential.name();
        let detail = if *count == 1 { credential.to_owned() } else { format!("{credential}, {count} times") };
        let (action, ip) = (Action::SignInFailed.name(), failure.ip.to_string());
        tx.prepare_cached(INSERT)?.execute(params![tx.now_us, action, failure.account, id, ip, detail])?;
    }
    Ok(())
}

impl Store {
    /// Buffers a failed sign-in. It is in the audit log some seconds later.
    pub fn record_failure(&self, failure: FailedSignIn) {
        let name = failure.account.trim();
        let account =
            if name.chars().count() > MAX_ACCOUNT_CHARS { String::new() } else { name.to_lowercase() };
        let now_us = self.shared.clock.now_us();
        self.shared.failures.lock().add(FailedSignIn { account, ..failure }, now_us);
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// What was buffered is lost then.
    pub(in crate::store) async fn flush_failures(&self) -> Result<(), Fault> {
        let (counts, dropped) = {
            let mut buffered = self.shared.failures.lock();
            (std::mem::take(&mut buffered.counts), std::mem::take(&mut buffered.dropped))
        };
        if dropped > 0 {
            tracing::warn!(dropped, "more sign-ins failed than the audit log has room for");
        }
        if counts.is_empty() {
            return Ok(());
        }
        let counts: Vec<_> = counts.into_iter().collect();
        self.write(1, move |tx| write(tx, &counts)).await
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
