//! A simulation: whatever happens to the replicas of one database, they end up equal to each other, row by row, and
//! to a simple model.
//!
//! Two or five devices of a user, each with the Chinook music store and a few more tables, make random edits, are
//! offline, crash at any statement, and are restored from copies, as is the server. Requests and responses are lost,
//! and old requests arrive late. There are a hundred runs by default; `TIDELOG_CONVERGENCE_RUNS` sets another number,
//! `TIDELOG_FIRST_CONVERGENCE_RUN` the first seed.

mod checks;
mod chinook;
mod columns;
mod crash_switch;
mod device;
mod edits;
mod model;
mod schema;
mod simulation;
mod test_server;

use simulation::Simulation;
use test_server::TestServer;

const RUNS: u64 = 100;
/// The number of runs that share a server, each with its own user.
const RUNS_PER_SERVER: usize = 25;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn all_replicas_end_up_equal_whatever_happens_to_them() {
    let first = number("TIDELOG_FIRST_CONVERGENCE_RUN", 0);
    let seeds: Vec<u64> = (first..first + number("TIDELOG_CONVERGENCE_RUNS", RUNS)).collect();
    let mut predicted = 0;
    for share in seeds.chunks(RUNS_PER_SERVER) {
        let mut server = TestServer::start().await;
        for seed in share {
            // If a run hangs, this shows which one.
            eprint!("{seed} ");
            let seed_on_panic = SeedOnPanic(*seed);
            predicted += Simulation::begin(&mut server, *seed).await.run().await;
            drop(seed_on_panic);
        }
        server.stop().await;
        eprintln!("\nruns {} to {}: all replicas equal", share[0], share[share.len() - 1]);
    }
    assert!(predicted > 0 || seeds.len() < RUNS_PER_SERVER, "no row was compared with the model");
}

/// Prints the seed of a run that fails.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- TIDELOG_FIRST_CONVERGENCE_RUN={} TIDELOG_CONVERGENCE_RUNS=1", self.0);
        }
    }
}
