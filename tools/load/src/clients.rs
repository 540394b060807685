//! Clients that send their next request right after the answer to the last, many to a thread.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::server::Server;
use crate::wire::{self, Wire};
use crate::work::Work;
use crate::{Result, process};

/// What comes before this is not counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// How often to look at the server's memory.
const LOOK: Duration = Duration::from_millis(50);

/// The time in which requests count.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Window {
    /// This long, after a warm-up that begins now.
    pub(crate) fn after_warm_up(seconds: f64) -> Self {
        let begin = Instant::now() + WARM_UP;
        Self { begin, end: begin + Duration::from_secs_f64(seconds) }
    }

    /// Whether something that began and ended then counts.
    pub(crate) fn holds(&self, began: Instant, ended: Instant) -> bool {
        began >= self.begin && ended <= self.end
    }

    /// Waits for its beginning, then for its end, and looks around in between.
    pub(crate) fn watch(&self, at_begin: impl FnOnce(), mut meanwhile: impl FnMut()) {
        sleep(self.begin.saturating_duration_since(Instant::now()));
        at_begin();
        while Instant::now() < self.end {
            sleep(LOOK.min(self.end.saturating_duration_since(Instant::now())));
            meanwhile();
        }
    }
}

/// What was measured of a server under load.
pub(crate) struct Load {
    /// Of every request that counts, in microseconds, the shortest first.
    pub(crate) latencies: Vec<u32>,
    /// CPU seconds of the server.
    pub(crate) cpu: f64,
    /// CPU seconds of this process.
    pub(crate) own_cpu: f64,
    /// The server's memory at its largest, in bytes.
    pub(crate) rss: u64,
}

/// Lets clients work for a while, each over a connection of its own.
pub(crate) fn drive(server: &Server, work: Vec<Work>, threads: usize, seconds: f64) -> Result<Load> {
    let mut hands: Vec<Vec<_>> = (0..threads.clamp(1, work.len())).map(|_| Vec::new()).collect();
    for (client, work) in work.into_iter().enumerate() {
        let hand = client % hands.len();
        hands[hand].push((wire::connect(server.address())?, work));
    }
    let window = Window::after_warm_up(seconds);
    let pid = server.pid();
    std::thread::scope(|scope| {
        let running: Vec<_> =
            hands.into_iter().map(|clients| scope.spawn(move || run(clients, window))).collect();
        let mut rss = 0;
        let cpu = || Ok((process::cpu_seconds(&pid)?, process::cpu_seconds("self")?));
        let mut before: Result<(f64, f64)> = Err("not measured".into());
        window.watch(|| before = cpu(), || rss = rss.max(server.rss().unwrap_or(0)));
        let after = cpu();
        let mut latencies = Vec::new();
        for thread in running {
            latencies.append(&mut thread.join().map_err(|_| "a client panicked")??);
        }
        latencies.sort_unstable();
        let (before, after) = (before?, after?);
        Ok(Load { latencies, cpu: after.0 - before.0, own_cpu: after.1 - before.1, rss })
    })
}

/// Runs these clients on this thread.
fn run(clients: Vec<(TcpStream, Work)>, window: Window) -> Result<Vec<u32>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for (stream, work) in clients {
            running.spawn(client(Wire::new(stream)?, work, window));
        }
        let mut latencies = Vec::new();
        while let Some(done) = running.join_next().await {
            latencies.append(&mut done??);
        }
        Ok(latencies)
    })
}

async fn client(mut wire: Wire, mut work: Work, window: Window) -> Result<Vec<u32>> {
    let mut latencies = Vec::with_capacity(1 << 16);
    loop {
        let request = work.request();
        let began = Instant::now();
        if began >= window.end {
            return Ok(latencies);
        }
        let body = wire.ask(request).await?;
        let ended = Instant::now();
        if window.holds(began, ended) {
            latencies.push((ended - began).as_micros() as u32);
        }
        work.answered(body)?;
    }
}
