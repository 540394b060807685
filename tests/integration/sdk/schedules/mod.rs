//! Rotations, pushes, pulls and crashes of either end, in every order that a seed comes up with.
//!
//! Whatever happens: in the end every entry opens with the key that a device gets for the passphrase, all of them are
//! under that one key, no acknowledged change is lost or there twice, every device has the same rows, and nothing
//! speaks against the server, which was honest all the time.
//!
//! Fifty schedules by default; `TIDELOG_SCHEDULES` asks for more, `TIDELOG_FIRST_SCHEDULE` says where to begin.
mod device;
mod simulation;

use simulation::Simulation;
use tidelog_test_kit::SeededRng;
use tidelog_test_kit::proxy::Proxy;

const SCHEDULES: u64 = 50;

/// Schedules that share a server: starting one costs more than a schedule does.
const PER_SERVER: u64 = 25;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn random_schedules_of_rotations_pushes_and_crashes_lose_and_duplicate_nothing() {
    let first = number("TIDELOG_FIRST_SCHEDULE", 0);
    let seeds: Vec<u64> = (first..first + number("TIDELOG_SCHEDULES", SCHEDULES)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for share in seeds.chunks(PER_SERVER as usize) {
        let mut server = tidelog_test_kit::Server::start();
        let app = server.new_app("Notes");
        for seed in share {
            let seen = SeedOnPanic(*seed);
            let proxy = runtime.block_on(Proxy::in_front_of(&server.url()));
            let mut simulation = Simulation::new(&mut server, proxy, &app, *seed);
            runtime.block_on(simulation.run(&mut SeededRng::new(*seed)));
            drop(seen);
        }
        server.cli().run(&["check"]).json();
        eprintln!("schedules {} to {} hold", share[0], share[share.len() - 1]);
    }
}

/// Names the seed of a schedule that fails.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- schedule {} failed: TIDELOG_FIRST_SCHEDULE={} TIDELOG_SCHEDULES=1",
                self.0, self.0
            );
        }
    }
}
