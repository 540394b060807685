//! `kill -9` at random instants while four devices push: after every restart, acknowledged changes exist once and in
//! order.
//!
//! The instants come from a seed. 25 cycles by default; `TIDELOG_CRASH_CYCLES` sets another number.
mod blobs;
mod rotation;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use tidelog_test_kit::{Caller, SeededRng, Server, change, copy_database, fresh_id, text};

const PUSHERS: usize = 4;
const CYCLES: usize = 25;
const SEED: u64 = 9;
/// Maximum number of acknowledged pushes before the kill.
const MAX_PUSHES: u64 = 60;
/// Maximum time between the last of them and the kill: about as long as a push takes.
const MAX_MICROS: u64 = 3_000;
/// Maximum number of changes in a batch.
const MAX_CHANGES: u64 = 20;

/// A batch and the response to it.
struct Batch {
    body: Value,
    /// The cursor of the response; `None`: the server was killed first.
    acknowledged: Option<Value>,
}

/// A device that pushes batches and remembers all of them.
struct Pusher {
    name: String,
    caller: Caller,
    device: String,
    rng: SeededRng,
    batches: Vec<Batch>,
}

impl Pusher {
    fn new(caller: &Caller, number: usize) -> Self {
        let name = format!("pusher-{number}");
        let device = caller.device(&name);
        Self {
            name,
            caller: caller.clone(),
            device,
            rng: SeededRng::new(SEED + number as u64),
            batches: Vec::new(),
        }
    }

    /// Pushes new batches until the server is killed.
    fn push_until_killed(&mut self, acknowledged: &AtomicUsize) {
        loop {
            let number = self.batches.len();
            let count = 1 + self.rng.below(MAX_CHANGES);
            let rows: Vec<_> =
                (0..count).map(|row| change(&format!("{}/{number}/{row}", self.name))).collect();
            let body = json!({"device_id": self.device, "batch_id": fresh_id(), "changes": rows});
            let response = self.caller.try_call(Method::POST, "/api/sync/push", Some(&body));
            let cursor = response.ok().map(|response| response.ok()["cursor"].clone());
            let died = cursor.is_none();
            self.batches.push(Batch { body, acknowledged: cursor });
            if died {
                return;
            }
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Pushes the last batches again with new nonces. Acknowledged batches get the same response as before, all
    /// others are stored now.
    fn repeat_the_last(&mut self) {
        let recent = self.batches.len().saturating_sub(3);
        for batch in &mut self.batches[recent..] {
            let mut again = batch.body.clone();
            for change in again["changes"].as_array_mut().expect("a batch has changes") {
                change["data"] = json!("cmUtZW5jcnlwdGVk");
            }
            let response = self.caller.post("/api/sync/push", &again).ok();
            match &batch.acknowledged {
                Some(cursor) => assert_eq!(response["cursor"], *cursor, "a repetition got another response"),
                None => batch.acknowledged = Some(response["cursor"].clone()),
            }
        }
    }

    /// Returns the rows that the log must hold, in order.
    fn acknowledged_rows(&self) -> Vec<String> {
        let is_acknowledged = |batch: &&Batch| batch.acknowledged.is_some();
        let rows = |batch: &Batch| -> Vec<String> {
            let changes = batch.body["changes"].as_array().expect("a batch has changes");
            changes.iter().map(|change| text(&change["row_id"])).collect()
        };
        self.batches.iter().filter(is_acknowledged).flat_map(rows).collect()
    }
}

/// A device that pulls across all crashes.
struct Auditor {
    caller: Caller,
    request: Value,
    seen: Vec<Value>,
}

impl Auditor {
    fn new(caller: &Caller) -> Self {
        Self {
            request: json!({"device_id": caller.device("Auditor")}),
            caller: caller.clone(),
            seen: Vec::new(),
        }
    }

    fn pull_new(&mut self) {
        let news = self.caller.pull_pages(&mut self.request);
        self.seen.extend(news);
    }

    /// Returns the rows of each device, in the order of the log.
    fn rows_by_device(&self) -> HashMap<String, Vec<String>> {
        let mut rows: HashMap<String, Vec<String>> = HashMap::new();
        for entry in &self.seen {
            rows.entry(text(&entry["device_id"])).or_default().push(text(&entry["row_id"]));
        }
        rows
    }

    fn assert_in_order(&self) {
        let seqs: Vec<_> = self.seen.iter().map(|entry| entry["seq"].as_i64().expect("a seq")).collect();
        assert!(
            seqs.is_sorted_by(|one, next| one < next),
            "the log was returned out of order, or with an entry twice"
        );
    }
}

/// Returns the devices whose acknowledged rows are not a prefix of their rows in the log.
fn lost(pushers: &[Pusher], auditor: &Auditor) -> Vec<String> {
    let there = auditor.rows_by_device();
    let is_whole = |pusher: &&Pusher| {
        let (acknowledged, rows) = (pusher.acknowledged_rows(), there.get(&pusher.device));
        rows.map_or(acknowledged.is_empty(), |rows| rows.starts_with(&acknowledged))
    };
    pushers.iter().filter(|pusher| !is_whole(pusher)).map(|pusher| pusher.name.clone()).collect()
}

/// Runs the pushers, and kills the server at a random instant.
fn crash_during_pushes(server: &mut Server, pushers: &mut [Pusher], rng: &mut SeededRng) {
    let mut work: Vec<Work<'_>> = Vec::new();
    for pusher in pushers {
        work.push(Box::new(|acknowledged| pusher.push_until_killed(acknowledged)));
    }
    kill_during(server, work, rng);
}

/// Work that runs until the server is killed, and counts acknowledged requests.
type Work<'w> = Box<dyn FnOnce(&AtomicUsize) + Send + 'w>;

/// Runs all work concurrently, and kills the server at a random instant.
fn kill_during(server: &mut Server, work: Vec<Work<'_>>, rng: &mut SeededRng) {
    let acknowledged = AtomicUsize::new(0);
    let enough = 1 + rng.below(MAX_PUSHES) as usize;
    let beyond = Duration::from_micros(rng.below(MAX_MICROS));
    thread::scope(|scope| {
        let acknowledged = &acknowledged;
        let threads: Vec<_> =
            work.into_iter().map(|piece| scope.spawn(move || piece(acknowledged))).collect();
        while acknowledged.load(Ordering::SeqCst) < enough {
            assert!(
                threads.iter().any(|thread| !thread.is_finished()),
                "all work ended, but the server was not killed"
            );
            thread::yield_now();
        }
        let reached = Instant::now();
        while reached.elapsed() < beyond {
            std::hint::spin_loop();
        }
        server.kill();
    });
}

#[test]
fn no_acknowledged_push_is_lost_or_duplicated_when_the_server_is_killed() {
    let cycles =
        std::env::var("TIDELOG_CRASH_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(CYCLES);
    let mut server = Server::start();
    let caller = server.signed_in_caller();
    let mut pushers: Vec<_> = (0..PUSHERS).map(|number| Pusher::new(&caller, number)).collect();
    let mut auditor = Auditor::new(&caller);
    let mut rng = SeededRng::new(SEED);
    for cycle in 0..cycles {
        crash_during_pushes(&mut server, &mut pushers, &mut rng);
        server.start_again();
        // Checked before anything is repeated: what the killed server acknowledged must exist already.
        auditor.pull_new();
        assert_eq!(lost(&pushers, &auditor), [""; 0], "cycle {cycle}");
        pushers.iter_mut().for_each(Pusher::repeat_the_last);
        auditor.pull_new();
        auditor.assert_in_order();
        let expected: HashMap<_, _> =
            pushers.iter().map(|pusher| (pusher.device.clone(), pusher.acknowledged_rows())).collect();
        assert_eq!(
            auditor.rows_by_device(),
            expected,
            "cycle {cycle}: the log differs from what was acknowledged"
        );
        server.cli().run(&["check"]).json();
    }
    let from_the_start = caller.pull_everything(&caller.device("Late"));
    assert_eq!(from_the_start, auditor.seen, "a new client sees the same log");
    let pushed: usize = pushers.iter().map(|pusher| pusher.batches.len()).sum();
    eprintln!("{cycles} crashes, {pushed} batches, {} changes", auditor.seen.len());
}

#[test]
fn the_crash_test_detects_a_lost_batch() {
    let mut server = Server::start();
    let caller = server.signed_in_caller();
    let mut pushers: Vec<_> = (0..PUSHERS).map(|number| Pusher::new(&caller, number)).collect();
    let (device, before) = (caller.device("Auditor"), server.scratch_path("before"));
    server.stop();
    copy_database(&server.data(), &before);
    server.start_again();
    crash_during_pushes(&mut server, &mut pushers, &mut SeededRng::new(SEED));
    // Simulates a server that answers before it writes: the files stay as they were.
    copy_database(&before, &server.data());
    server.start_again();
    let mut auditor = Auditor { request: json!({"device_id": device}), caller, seen: Vec::new() };
    auditor.pull_new();
    let acknowledged = pushers.iter().filter(|pusher| !pusher.acknowledged_rows().is_empty());
    assert_eq!(lost(&pushers, &auditor).len(), acknowledged.count());
    assert!(!lost(&pushers, &auditor).is_empty());
}
