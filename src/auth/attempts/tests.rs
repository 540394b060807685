//! Guessers and owners, with a clock that they share.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::clock::ClockHand;

const MIA: &str = "mia@example.com";
const FREE: u32 = 5;

fn rate(burst: u32, seconds: u64) -> Rate {
    Rate { burst: NonZeroU32::new(burst).expect("not 0"), period: Duration::from_secs(seconds) }
}

fn bounds() -> Bounds {
    Bounds {
        address: rate(1000, 1),
        account: rate(30, 10),
        second_factor: rate(10, 300),
        free_failures: FREE,
        longest_wait: Duration::from_secs(900),
    }
}

fn attempts() -> (Attempts, ClockHand) {
    let now = tidelog_protocol::Timestamp::from_micros(1_700_000_000_000_000).expect("a time");
    let (clock, hand) = Clock::manual(now);
    (Attempts::new(bounds(), clock), hand)
}

fn host(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}

async fn fail(attempts: &Attempts, account: &str, address: IpAddr) -> Result<u32, TooMany> {
    let turn = attempts.begin(account, address).await?;
    let remaining = turn.remaining();
    turn.failed();
    Ok(remaining)
}

async fn succeed(attempts: &Attempts, account: &str, address: IpAddr) {
    attempts.begin(account, address).await.expect("let through").succeeded();
}

/// Seconds that somebody has to wait.
async fn wait(attempts: &Attempts, account: &str, address: IpAddr) -> u64 {
    attempts.begin(account, address).await.err().map_or(0, |refused| refused.retry_after)
}

#[tokio::test]
async fn after_some_failures_each_makes_one_wait_twice_as_long() {
    let (attempts, hand) = attempts();
    for left in (0..FREE).rev() {
        assert_eq!(fail(&attempts, MIA, host(1)).await, Ok(left));
    }
    let mut waits = Vec::new();
    for _ in 0..12 {
        let seconds = wait(&attempts, MIA, host(1)).await;
        waits.push(seconds);
        hand.advance(seconds as i64 - 1);
        assert_eq!(wait(&attempts, MIA, host(1)).await, 1, "before its time");
        hand.advance(1);
        fail(&attempts, MIA, host(1)).await.expect("the wait is over");
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
}

#[tokio::test]
async fn nobody_waits_for_what_others_got_wrong() {
    let (attempts, _hand) = attempts();
    for _ in 0..FREE {
        fail(&attempts, MIA, host(1)).await.expect("free");
    }
    assert!(wait(&attempts, MIA, host(1)).await > 0);
    assert_eq!(wait(&attempts, MIA, host(2)).await, 0, "the same account from elsewhere");
    assert_eq!(wait(&attempts, "ada@example.com", host(1)).await, 0, "another account from there");
}

#[tokio::test]
async fn an_account_is_the_same_however_it_is_typed_and_a_network_of_ipv6_is_one_address() {
    let (attempts, _hand) = attempts();
    let v6 = |host: u128| IpAddr::from(Ipv6Addr::from(0x2001_0db8_0000_0000_0000_0000_0000_0000 + host));
    for host in 0..u128::from(FREE) {
        fail(&attempts, " Mia@Example.com ", v6(host)).await.expect("free");
    }
    assert!(wait(&attempts, MIA, v6(99)).await > 0);
    assert_eq!(wait(&attempts, MIA, v6(1 << 64)).await, 0);
}

#[tokio::test]
async fn a_success_forgets_the_failures_and_so_does_time() {
    let (attempts, hand) = attempts();
    for _ in 0..FREE - 1 {
        fail(&attempts, MIA, host(1)).await.expect("free");
    }
    succeed(&attempts, MIA, host(1)).await;
    assert_eq!(fail(&attempts, MIA, host(1)).await, Ok(FREE - 1));
    for _ in 0..FREE - 1 {
        fail(&attempts, MIA, host(1)).await.expect("free");
    }
    assert!(wait(&attempts, MIA, host(1)).await > 0);
    hand.advance(2 * 60 * 60);
    assert_eq!(fail(&attempts, MIA, host(1)).await, Ok(FREE - 1));
}

#[tokio::test]
async fn attempts_at_once_count_before_they_are_decided_and_those_without_a_verdict_count_for_nothing() {
    let (attempts, hand) = attempts();
    let mut under_way = Vec::new();
    for _ in 0..FREE {
        under_way.push(attempts.begin(MIA, host(1)).await.expect("free"));
    }
    assert_eq!(wait(&attempts, MIA, host(1)).await, 1);
    under_way.clear();
    assert_eq!(attempts.0.back_off.len(), 0);
    for _ in 0..FREE {
        fail(&attempts, MIA, host(1)).await.expect("free again");
    }
    hand.advance(1);
    let one = attempts.begin(MIA, host(1)).await.expect("the wait is over");
    assert_eq!(wait(&attempts, MIA, host(1)).await, 1, "beyond the free ones they come one by one");
    one.succeeded();
    assert_eq!(wait(&attempts, MIA, host(1)).await, 0);
}

#[tokio::test]
async fn a_guesser_with_many_addresses_is_slowed_and_the_owner_is_not() {
    let (attempts, hand) = attempts();
    succeed(&attempts, MIA, host(1)).await;
    // One was the owner's first sign-in.
    for number in 0..29 {
        fail(&attempts, MIA, host(1000 + number)).await.expect("within the budget");
    }
    let refused = fail(&attempts, MIA, host(2000)).await.expect_err("the budget is used up");
    assert_eq!(refused.limit, 30);
    assert!((1..=11).contains(&refused.retry_after), "{refused:?}");
    for _ in 0..100 {
        succeed(&attempts, MIA, host(1)).await;
    }
    assert_eq!(wait(&attempts, "ada@example.com", host(2000)).await, 0, "another account");
    hand.advance(11);
    fail(&attempts, MIA, host(2000)).await.expect("one is given back");
    fail(&attempts, MIA, host(2001)).await.expect_err("one, not two");
    // What was familiar is so no more.
    hand.advance(31 * 24 * 60 * 60);
    for number in 0..30 {
        fail(&attempts, MIA, host(3000 + number)).await.expect("within the budget");
    }
    fail(&attempts, MIA, host(1)).await.expect_err("a stranger by now");
}

#[tokio::test]
async fn second_factors_have_bounds_of_their_own_and_a_right_password_is_not_enough_to_be_familiar() {
    let (attempts, hand) = attempts();
    let guess = async |number| match attempts.begin_second_factor(MIA, host(number)).await {
        Ok(turn) => {
            turn.failed();
            true
        }
        Err(_) => false,
    };
    for number in 0..10 {
        attempts.begin(MIA, host(number)).await.expect("let through").passed();
        assert!(guess(number).await, "guess {number}");
    }
    assert!(!guess(0).await, "who knew the password is still a stranger");
    assert!(!guess(10).await);
    succeed(&attempts, MIA, host(11)).await;
    for _ in 0..FREE {
        assert!(guess(11).await, "the owner's address");
    }
    assert!(!guess(11).await, "which waits all the same");
    hand.advance(301);
    assert!(guess(12).await);
    assert!(!guess(13).await);
}

#[tokio::test]
async fn what_one_bound_refuses_takes_nothing_of_the_others() {
    let (attempts, hand) = attempts();
    for _ in 0..FREE {
        fail(&attempts, MIA, host(1)).await.expect("free");
    }
    for _ in 0..100 {
        fail(&attempts, MIA, host(1)).await.expect_err("has to wait");
    }
    hand.advance(1);
    for number in 0..25 {
        fail(&attempts, MIA, host(1000 + number)).await.expect("the account's budget was not touched");
    }
    for _ in 0..FREE + 3 {
        fail(&attempts, MIA, host(2000)).await.expect_err("the account's budget is used up");
    }
    hand.advance(600);
    for _ in 0..FREE {
        fail(&attempts, MIA, host(2000)).await.expect("what was refused was no failure");
    }
}

#[tokio::test]
async fn a_request_that_guesses_twice_counts_twice() {
    let (attempts, _hand) = attempts();
    for _ in 0..FREE.div_ceil(2) {
        attempts.begin_guesses(MIA, host(1), 2).await.expect("free").failed();
    }
    assert!(wait(&attempts, MIA, host(1)).await > 0);
    for number in 0..(30 - 6) / 2 {
        attempts.begin_guesses(MIA, host(2 + number), 2).await.expect("within the budget").failed();
    }
    assert!(wait(&attempts, MIA, host(999)).await > 0);
    let strict = Bounds { address: rate(1, 1), account: rate(1, 1), ..bounds() };
    let strict = Attempts::new(strict, Clock::system());
    strict.begin_guesses(MIA, host(1), 2).await.expect("a budget of one suffices for one request").failed();
}

#[test]
fn strangers_cause_one_mail_to_an_account_in_ten_minutes_however_they_type_it() {
    let (attempts, hand) = attempts();
    assert!(attempts.may_mail(MIA));
    assert!(!attempts.may_mail(" MIA@example.com") && attempts.may_mail("ada@example.com"));
    hand.advance(10 * 60 - 1);
    assert!(!attempts.may_mail(MIA));
    hand.advance(1);
    assert!(attempts.may_mail(MIA) && !attempts.may_mail(MIA));
}
