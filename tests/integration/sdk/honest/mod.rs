//! No false alarms: whatever happens with an honest server, network and users is not evidence.
//!
//! Random histories on a real server: pushes, pulls of every kind, lost requests and answers, restarts, reinstalled
//! programs, rotations, and superseded entries that are removed. Forty by default; `TIDELOG_HISTORIES` asks for more,
//! `TIDELOG_FIRST_HISTORY` says where to begin.

mod history;
mod log;
mod program;

use history::History;
use tidelog_test_kit::sdk::Fixture;

const HISTORIES: u64 = 40;
/// Histories that share a server, each with a user of its own.
const PER_SERVER: usize = 20;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn no_honest_history_gives_evidence() {
    let first = number("TIDELOG_FIRST_HISTORY", 0);
    let seeds: Vec<u64> = (first..first + number("TIDELOG_HISTORIES", HISTORIES)).collect();
    let mut heads = 0;
    for share in seeds.chunks(PER_SERVER) {
        let fixture = Fixture::new().await;
        for seed in share {
            let named = SeedOnPanic(*seed);
            heads += History::new(&fixture, *seed).await.run().await;
            drop(named);
        }
        eprintln!("histories {} to {}: no alarm", share[0], share[share.len() - 1]);
    }
    assert!(heads > 0 || seeds.len() < PER_SERVER, "statements about what writers had seen were compared");
}

/// Names the seed of a history that fails.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- TIDELOG_FIRST_HISTORY={} TIDELOG_HISTORIES=1", self.0);
        }
    }
}
