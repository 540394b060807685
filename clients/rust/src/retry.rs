//! When to retry, and how long to wait before it.
//!
//! Full jitter: a random wait between zero and an exponentially growing bound, so that a thousand clients that lost
//! the same server do not come back at the same moment.

use std::time::Duration;

/// Attempts after the first one.
const DEFAULT_RETRIES: u32 = 3;
/// Bound of the first wait; it doubles with each further one.
const DEFAULT_FIRST_WAIT: Duration = Duration::from_millis(200);
/// Bound of every wait that the client chooses.
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// The shortest wait of a loop that retries for ever.
const MIN_BACKOFF: Duration = Duration::from_millis(10);
/// The longest `Retry-After` that the client waits for; a longer one is left to the program.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// How often to retry, and with which waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    pub(crate) retries: u32,
    pub(crate) first_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: DEFAULT_RETRIES, first_wait: DEFAULT_FIRST_WAIT }
    }
}

impl RetryPolicy {
    /// Returns the wait before the next attempt; `None` to give up. `failed` counts the attempts so far, from 1.
    pub(crate) fn next_wait(&self, failed: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if failed > self.retries {
            return None;
        }
        let own = jittered(self.bound(failed));
        match retry_after {
            Some(asked) if asked > MAX_RETRY_AFTER => None,
            Some(asked) => Some(asked.max(own)),
            None => Some(own),
        }
    }

    fn bound(&self, failed: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(u32::BITS - 1);
        self.first_wait.saturating_mul(1 << doublings).min(MAX_BACKOFF)
    }
}

/// Returns a random wait after this many failures, at most `longest`. Never zero: a server that hangs up at once must
/// not be asked again at once.
pub(crate) fn backoff(first: Duration, failed: u32, longest: Duration) -> Duration {
    let doublings = failed.saturating_sub(1).min(u32::BITS - 1);
    let bound = first.max(MIN_BACKOFF).saturating_mul(1 << doublings).min(longest);
    jittered(bound).max(MIN_BACKOFF)
}

/// Returns a random wait up to `bound`; without randomness, half of it.
fn jittered(bound: Duration) -> Duration {
    let fraction = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    bound.mul_f64(fraction)
}

/// Whether this status means "not now" rather than "no".
pub(crate) fn is_temporary(status: u16) -> bool {
    status == 429 || (500..600).contains(&status)
}

/// Parses `Retry-After` in seconds; servers of this protocol do not send the date form.
pub(crate) fn parse_retry_after(header: Option<&str>) -> Option<Duration> {
    header?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { retries: 3, first_wait: Duration::from_millis(100) };

    #[test]
    fn a_wait_stays_under_a_bound_that_doubles_with_each_failure() {
        for failed in 1..=3 {
            let bound = Duration::from_millis(100 << (failed - 1));
            for _ in 0..100 {
                assert!(POLICY.next_wait(failed, None).is_some_and(|wait| wait <= bound));
            }
        }
    }

    #[test]
    fn the_bound_never_exceeds_the_cap_however_often_it_failed() {
        assert_eq!(RetryPolicy { retries: u32::MAX, ..POLICY }.bound(u32::MAX), MAX_BACKOFF);
    }

    #[test]
    fn after_the_last_retry_it_gives_up() {
        assert_eq!(POLICY.next_wait(4, None), None);
        assert_eq!(POLICY.next_wait(4, Some(Duration::ZERO)), None);
    }

    #[test]
    fn it_never_retries_before_the_server_asked_to() {
        let asked = Duration::from_secs(20);
        assert_eq!(POLICY.next_wait(1, Some(asked)), Some(asked));
    }

    #[test]
    fn a_server_that_asks_for_an_hour_is_not_waited_for() {
        assert_eq!(POLICY.next_wait(1, Some(Duration::from_secs(3600))), None);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_anything_else_is_ignored() {
        assert_eq!(parse_retry_after(Some(" 7 ")), Some(Duration::from_secs(7)));
        for other in [None, Some(""), Some("-1"), Some("Wed, 21 Oct 2026 07:28:00 GMT")] {
            assert_eq!(parse_retry_after(other), None);
        }
    }

    #[test]
    fn only_overload_and_server_errors_are_retried() {
        assert!([429, 500, 503, 507].into_iter().all(is_temporary));
        assert!(![200, 301, 400, 401, 404, 409, 413, 422].into_iter().any(is_temporary));
    }
}
