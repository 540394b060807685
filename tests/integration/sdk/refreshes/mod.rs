//! Two processes of one program refresh the same session at the same time, over a network that loses requests and
//! answers, asleep for seconds or for months in between, and dying before they could save what they got.
//!
//! Whatever happens, nobody is signed out, until somebody presents a token that no honest process holds any more:
//! that ends the session for everybody.
//!
//! A hundred races by default; `TIDELOG_REFRESH_RACES` asks for more, `TIDELOG_FIRST_REFRESH_RACE` says where to begin.
mod install;

use install::Install;
use tidelog_test_kit::{ManualClockServer, SeededRng};

const RACES: u64 = 100;

/// Races that one session goes through before it is ended.
const PER_SESSION: u64 = 20;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn no_race_of_two_refreshes_ends_a_session_and_reuse_of_an_old_token_does() {
    let first = number("TIDELOG_FIRST_REFRESH_RACE", 0);
    let races = number("TIDELOG_REFRESH_RACES", RACES);
    let server = ManualClockServer::start(&[
        ("auth.rate_limit.ip_burst", "1000000"),
        ("auth.rate_limit.ip_per_second", "100000"),
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut answered = 0;
    for seed in (first..first + races).step_by(PER_SESSION as usize) {
        let seen = SeedOnPanic(seed);
        runtime.block_on(async {
            let (mut rng, mut install) = (SeededRng::new(seed), Install::new(&server).await);
            for _ in 0..PER_SESSION.min(first + races - seed) {
                answered += install.race(&mut rng).await;
            }
            install.end_by_an_old_token().await;
        });
        drop(seen);
    }
    eprintln!("{races} races, {answered} of {} refreshes were answered, nobody was signed out", 2 * races);
    assert!(answered as u64 > races, "most of them are answered in the end");
}

/// Names the seed of a session that fails.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- races from {} on failed: TIDELOG_FIRST_REFRESH_RACE={} TIDELOG_REFRESH_RACES={PER_SESSION}",
                self.0, self.0
            );
        }
    }
}
