//! Guessers and owners, on a clock that the test advances.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::clock::ClockHand;

const MIA: &str = "mia@example.com";
const FREE: u32 = 5;

fn rate(burst: u32, seconds: u64) -> Rate {
    Rate { burst: NonZeroU32::new(burst).expect("not 0"), period: Duration::from_secs(seconds) }
}

fn limits() -> AttemptLimits {
    AttemptLimits {
        per_ip: rate(1000, 1),
        per_account: rate(30, 10),
        second_factor: rate(10, 300),
        free_failures: FREE,
        longest_wait: Duration::from_secs(900),
    }
}

fn attempts() -> (Attempts, ClockHand) {
    let now = tidelog_protocol::Timestamp::from_micros(1_700_000_000_000_000).expect("a time");
    let (clock, hand) = Clock::manual(now);
    (Attempts::new(limits(), None, clock), hand)
}

fn ip(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}

async fn fail(attempts: &Attempts, account: &str, ip: IpAddr) -> Result<u32, TooManyAttempts> {
    let permit = attempts.begin(account, ip).await?;
    let remaining = permit.remaining();
    permit.failed();
    Ok(remaining)
}

async fn succeed(attempts: &Attempts, account: &str, ip: IpAddr) {
    attempts.begin(account, ip).await.expect("allowed").succeeded();
}

/// Seconds to wait before the next attempt.
async fn wait(attempts: &Attempts, account: &str, ip: IpAddr) -> u64 {
    attempts.begin(account, ip).await.err().map_or(0, |refused| refused.retry_after)
}

#[tokio::test]
async fn after_the_free_failures_each_doubles_the_wait() {
    let (attempts, hand) = attempts();
    for left in (0..FREE).rev() {
        assert_eq!(fail(&attempts, MIA, ip(1)).await, Ok(left));
    }
    let mut waits = Vec::new();
    for _ in 0..12 {
        let seconds = wait(&attempts, MIA, ip(1)).await;
        waits.push(seconds);
        hand.advance(seconds as i64 - 1);
        assert_eq!(wait(&attempts, MIA, ip(1)).await, 1, "too early");
        hand.advance(1);
        fail(&attempts, MIA, ip(1)).await.expect("the wait is over");
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
}

#[tokio::test]
async fn failures_make_neither_other_ips_nor_other_accounts_wait() {
    let (attempts, _hand) = attempts();
    for _ in 0..FREE {
        fail(&attempts, MIA, ip(1)).await.expect("free");
    }
    assert!(wait(&attempts, MIA, ip(1)).await > 0);
    assert_eq!(wait(&attempts, MIA, ip(2)).await, 0, "the same account from another IP");
    assert_eq!(wait(&attempts, "ada@example.com", ip(1)).await, 0, "another account from the same IP");
}

#[tokio::test]
async fn an_account_counts_however_it_is_typed_and_an_ipv6_network_counts_as_one_address() {
    let (attempts, _hand) = attempts();
    let v6 = |host: u128| IpAddr::from(Ipv6Addr::from(0x2001_0db8_0000_0000_0000_0000_0000_0000 + host));
    for host in 0..u128::from(FREE) {
        fail(&attempts, " Mia@Example.com ", v6(host)).await.expect("free");
    }
    assert!(wait(&attempts, MIA, v6(99)).await > 0);
    assert_eq!(wait(&attempts, MIA, v6(1 << 64)).await, 0);
}

#[tokio::test]
async fn failures_are_forgotten_after_a_success_and_after_two_hours() {
    let (attempts, hand) = attempts();
    for _ in 0..FREE - 1 {
        fail(&attempts, MIA, ip(1)).await.expect("free");
    }
    succeed(&attempts, MIA, ip(1)).await;
    assert_eq!(fail(&attempts, MIA, ip(1)).await, Ok(FREE - 1));
    for _ in 0..FREE - 1 {
        fail(&attempts, MIA, ip(1)).await.expect("free");
    }
    assert!(wait(&attempts, MIA, ip(1)).await > 0);
    hand.advance(2 * 60 * 60);
    assert_eq!(fail(&attempts, MIA, ip(1)).await, Ok(FREE - 1));
}

#[tokio::test]
async fn pending_attempts_count_as_failures_and_undecided_ones_do_not_count() {
    let (attempts, hand) = attempts();
    let mut pending = Vec::new();
    for _ in 0..FREE {
        pending.push(attempts.begin(MIA, ip(1)).await.expect("free"));
    }
    assert_eq!(wait(&attempts, MIA, ip(1)).await, 1);
    pending.clear();
    assert_eq!(attempts.0.backoff.len(), 0);
    for _ in 0..FREE {
        fail(&attempts, MIA, ip(1)).await.expect("free again");
    }
    hand.advance(1);
    let one = attempts.begin(MIA, ip(1)).await.expect("the wait is over");
    assert_eq!(wait(&attempts, MIA, ip(1)).await, 1, "beyond the free ones only one at a time");
    one.succeeded();
    assert_eq!(wait(&attempts, MIA, ip(1)).await, 0);
}

#[tokio::test]
async fn a_guesser_with_many_ips_is_slowed_down_and_the_owner_is_not() {
    let (attempts, hand) = attempts();
    succeed(&attempts, MIA, ip(1)).await;
    // One was the owner's first sign-in.
    for number in 0..29 {
        fail(&attempts, MIA, ip(1000 + number)).await.expect("within the limit");
    }
    let refused = fail(&attempts, MIA, ip(2000)).await.expect_err("the limit is used up");
    assert_eq!(refused.limit, 30);
    assert!((1..=11).contains(&refused.retry_after), "{refused:?}");
    for _ in 0..100 {
        succeed(&attempts, MIA, ip(1)).await;
    }
    assert_eq!(wait(&attempts, "ada@example.com", ip(2000)).await, 0, "another account");
    hand.advance(11);
    fail(&attempts, MIA, ip(2000)).await.expect("one is given back");
    fail(&attempts, MIA, ip(2001)).await.expect_err("one, not two");
    // Trust expires.
    hand.advance(31 * 24 * 60 * 60);
    for number in 0..30 {
        fail(&attempts, MIA, ip(3000 + number)).await.expect("within the limit");
    }
    fail(&attempts, MIA, ip(1)).await.expect_err("no longer trusted");
}

#[tokio::test]
async fn second_factors_have_their_own_limits_and_a_right_password_alone_makes_no_ip_trusted() {
    let (attempts, hand) = attempts();
    let guess = async |number| match attempts.begin_second_factor(MIA, ip(number)).await {
        Ok(permit) => {
            permit.failed();
            true
        }
        Err(_) => false,
    };
    for number in 0..10 {
        attempts.begin(MIA, ip(number)).await.expect("allowed").passed();
        assert!(guess(number).await, "guess {number}");
    }
    assert!(!guess(0).await, "knowing the password is not enough to be trusted");
    assert!(!guess(10).await);
    succeed(&attempts, MIA, ip(11)).await;
    for _ in 0..FREE {
        assert!(guess(11).await, "the owner's IP");
    }
    assert!(!guess(11).await, "trusted IPs wait after failures, too");
    hand.advance(301);
    assert!(guess(12).await);
    assert!(!guess(13).await);
}

#[tokio::test]
async fn an_attempt_that_one_limit_refuses_does_not_count_against_the_others() {
    let (attempts, hand) = attempts();
    for _ in 0..FREE {
        fail(&attempts, MIA, ip(1)).await.expect("free");
    }
    for _ in 0..100 {
        fail(&attempts, MIA, ip(1)).await.expect_err("has to wait");
    }
    hand.advance(1);
    for number in 0..25 {
        fail(&attempts, MIA, ip(1000 + number)).await.expect("the account's limit was not touched");
    }
    for _ in 0..FREE + 3 {
        fail(&attempts, MIA, ip(2000)).await.expect_err("the account's limit is used up");
    }
    hand.advance(600);
    for _ in 0..FREE {
        fail(&attempts, MIA, ip(2000)).await.expect("refused attempts are no failures");
    }
}

#[tokio::test]
async fn a_request_that_guesses_twice_counts_twice() {
    let (attempts, _hand) = attempts();
    for _ in 0..FREE.div_ceil(2) {
        attempts.begin_guesses(MIA, ip(1), 2).await.expect("free").failed();
    }
    assert!(wait(&attempts, MIA, ip(1)).await > 0);
    for number in 0..(30 - 6) / 2 {
        attempts.begin_guesses(MIA, ip(2 + number), 2).await.expect("within the limit").failed();
    }
    assert!(wait(&attempts, MIA, ip(999)).await > 0);
    let strict = AttemptLimits { per_ip: rate(1, 1), per_account: rate(1, 1), ..limits() };
    let strict = Attempts::new(strict, None, Clock::system());
    strict.begin_guesses(MIA, ip(1), 2).await.expect("a burst of one is enough for one request").failed();
}

#[test]
fn requests_without_a_sign_in_cause_one_mail_to_an_account_in_ten_minutes() {
    let (attempts, hand) = attempts();
    assert!(attempts.may_mail(MIA));
    assert!(!attempts.may_mail(" MIA@example.com") && attempts.may_mail("ada@example.com"));
    hand.advance(10 * 60 - 1);
    assert!(!attempts.may_mail(MIA));
    hand.advance(1);
    assert!(attempts.may_mail(MIA) && !attempts.may_mail(MIA));
}
