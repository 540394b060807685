//! However replicas of one database are treated, they end up equal: row for row, and to what a plain model says.
//!
//! Two or five devices of a user, each with the Chinook music store and a few tables more, edit at random, are offline, crash
//! at any statement, are put back from copies, and so is the server; requests and answers are lost, and old requests arrive
//! late. A hundred such stories by default; `TIDELOG_CONVERGENCE_RUNS` asks for more, `TIDELOG_FIRST_CONVERGENCE_RUN` says
//! where to begin.

mod chinook;
mod columns;
mod device;
mod edits;
mod host;
mod model;
mod schema;
mod story;
mod tripwire;
mod verdict;

use host::Host;
use story::Story;

const RUNS: u64 = 100;
/// Stories that share a server, each with a user of its own.
const PER_SERVER: usize = 25;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn all_replicas_end_equal_whatever_befalls_them() {
    let first = number("TIDELOG_FIRST_CONVERGENCE_RUN", 0);
    let seeds: Vec<u64> = (first..first + number("TIDELOG_CONVERGENCE_RUNS", RUNS)).collect();
    let mut foreseen = 0;
    for share in seeds.chunks(PER_SERVER) {
        let mut host = Host::start().await;
        for seed in share {
            // Where one hangs, this is all that is known of it.
            eprint!("{seed} ");
            let named = SeedOnPanic(*seed);
            foreseen += Story::begin(&mut host, *seed).await.run().await;
            drop(named);
        }
        host.stop().await;
        eprintln!("\nruns {} to {}: all replicas equal", share[0], share[share.len() - 1]);
    }
    assert!(foreseen > 0 || seeds.len() < PER_SERVER, "rows were compared with the model of single writes");
}

/// Names the seed of a story that fails.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- TIDELOG_FIRST_CONVERGENCE_RUN={} TIDELOG_CONVERGENCE_RUNS=1", self.0);
        }
    }
}
