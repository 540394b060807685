//! `kill -9` while the master key is rotated and devices push: no acknowledged step is lost, every entry is encrypted
//! under the key that its key version names, and the rotation can be completed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};

use super::{CYCLES, SEED, Work, kill_during};
use tidelog_test_kit::{ApiResponse, Caller, SeededRng, Server, change, fresh_id, text};

const WRITERS: usize = 3;
/// Maximum number of changes in a batch.
const MAX_CHANGES: u64 = 3;
/// Entries per rotation batch: few, so that a rotation takes many steps and most rotations meet a crash.
const ROTATED_AT_ONCE: u64 = 20;
/// Cycles after which the pending rotation is completed before the next crash.
const FINISH_EVERY: usize = 4;

fn sealed(row: &str, key_version: u64) -> String {
    BASE64.encode(format!("{row} under key {key_version}").as_bytes())
}

/// `None`: the server was killed.
fn send_request(caller: &Caller, method: Method, path: &str, body: Option<Value>) -> Option<ApiResponse> {
    caller.try_call(method, path, body.as_ref()).ok()
}

/// A device that seals changes under the current key, and names its version in the data.
struct Writer {
    name: String,
    caller: Caller,
    device: String,
    rng: SeededRng,
    /// Id and rows of the batch in progress, kept until it is acknowledged, as clients do.
    under_way: Option<(String, Vec<String>)>,
    batches: usize,
    acknowledged: Vec<String>,
}

impl Writer {
    fn new(caller: &Caller, number: usize) -> Self {
        let name = format!("writer-{number}");
        let device = caller.device(&name);
        let rng = SeededRng::new(SEED + number as u64);
        let caller = caller.clone();
        Self { name, caller, device, rng, under_way: None, batches: 0, acknowledged: Vec::new() }
    }

    /// Pushes the batch in progress, or a new one. `None`: the server was killed.
    fn push(&mut self) -> Option<()> {
        if self.under_way.is_none() {
            self.batches += 1;
            let rows = (0..1 + self.rng.below(MAX_CHANGES))
                .map(|row| format!("{}/{}/{row}", self.name, self.batches))
                .collect();
            self.under_way = Some((fresh_id(), rows));
        }
        let (id, rows) = self.under_way.as_ref()?;
        loop {
            let key = send_request(&self.caller, Method::GET, "/api/sync/keys", None)?.ok();
            let version = key["key_version"].as_u64().expect("a version");
            let changes = rows.iter().map(|row| {
                let mut change = change(row);
                change["data"] = json!(sealed(row, version));
                change["key_version"] = json!(version);
                change
            });
            let changes: Vec<_> = changes.collect();
            let batch = json!({"device_id": self.device, "batch_id": id, "changes": changes});
            let response = send_request(&self.caller, Method::POST, "/api/sync/push", Some(batch))?;
            if response.status == 200 {
                break;
            }
            // The rotation was completed in between: seal the batch again under the same id.
            response.expect_error(409, "key_version_conflict");
        }
        self.acknowledged.extend(self.under_way.take().into_iter().flat_map(|(_, rows)| rows));
        Some(())
    }
}

/// The rotating client, and what was acknowledged.
struct Rotator {
    caller: Caller,
    /// The newest key version of each entry.
    rotated: BTreeMap<i64, u64>,
    /// Where the last page ended.
    cursor: Value,
    begun: u64,
    completed: u64,
}

impl Rotator {
    /// Takes the next step of the pending rotation, or begins a new one. `None`: the server was killed.
    fn step(&mut self) -> Option<()> {
        let state = send_request(&self.caller, Method::GET, "/api/sync/keys/rotate", None)?.ok();
        let Some(version) = state["pending"]["key_version"].as_u64() else {
            let version = state["next_key_version"].as_u64().expect("a version");
            return self.begin(version);
        };
        let page = json!({"limit": ROTATED_AT_ONCE, "cursor": self.cursor});
        let page =
            send_request(&self.caller, Method::POST, "/api/sync/keys/rotate/entries", Some(page))?.ok();
        let entries = page["entries"].as_array().expect("entries");
        self.cursor = page["cursor"].clone();
        if entries.is_empty() { self.complete(version) } else { self.rotate(entries, version) }
    }

    fn begin(&mut self, version: u64) -> Option<()> {
        let envelope = BASE64.encode(format!("key {version}").as_bytes());
        let body = json!({"new_encrypted_key": envelope, "key_version": version});
        send_request(&self.caller, Method::POST, "/api/sync/keys/rotate/begin", Some(body))?.ok();
        (self.begun, self.cursor) = (version, Value::Null);
        Some(())
    }

    fn rotate(&mut self, entries: &[Value], version: u64) -> Option<()> {
        let rotated =
            |entry: &Value| json!({"seq": entry["seq"], "data": sealed(&text(&entry["row_id"]), version)});
        let body = json!({"entries": entries.iter().map(rotated).collect::<Vec<_>>()});
        send_request(&self.caller, Method::POST, "/api/sync/keys/rotate/batch", Some(body))?.ok();
        self.rotated.extend(entries.iter().map(|entry| (entry["seq"].as_i64().expect("a seq"), version)));
        Some(())
    }

    fn complete(&mut self, version: u64) -> Option<()> {
        let body = json!({"key_version": version});
        let response =
            send_request(&self.caller, Method::POST, "/api/sync/keys/rotate/complete", Some(body))?;
        match response.status {
            200 => self.completed = version,
            // Some entries were skipped: the crash lost a batch whose page had been read already.
            _ => {
                response.expect_error(409, "rotation_incomplete");
                self.cursor = Value::Null;
            }
        }
        Some(())
    }

    /// Begins a rotation unless one is pending, and completes it.
    fn finish(&mut self) {
        let before = self.completed;
        while self.completed == before {
            self.step().expect("the server lives");
        }
    }

    /// Asserts that each entry is sealed under the key version it names, and that nothing acknowledged is undone.
    fn assert_nothing_is_lost(&self, log: &[Value]) {
        for entry in log {
            let (seq, row) = (entry["seq"].as_i64().expect("a seq"), text(&entry["row_id"]));
            let version = entry["key_version"].as_u64().expect("a version");
            assert_eq!(
                entry["data"],
                json!(sealed(&row, version)),
                "entry {seq} is not sealed under its key version"
            );
            let acknowledged = self.rotated.get(&seq).copied().unwrap_or_default();
            assert!(
                version >= acknowledged,
                "entry {seq} is under key version {version}, but {acknowledged} was acknowledged"
            );
        }
        let state = self.caller.get("/api/sync/keys/rotate").ok();
        let current = state["key_version"].as_u64().expect("a version");
        let newest = state["pending"]["key_version"].as_u64().unwrap_or(current);
        assert!(current >= self.completed && newest >= self.begun, "{state}");
        let left = log.iter().filter(|entry| entry["key_version"] != newest).count();
        assert!(
            state["pending"].is_null() || state["pending"]["remaining"] == left,
            "{left} remain: {state}"
        );
    }
}

fn rows_by_device(log: &[Value]) -> HashMap<String, Vec<String>> {
    let mut rows: HashMap<String, Vec<String>> = HashMap::new();
    for entry in log {
        rows.entry(text(&entry["device_id"])).or_default().push(text(&entry["row_id"]));
    }
    rows
}

/// Runs all devices, and kills the server at a random instant.
fn crash_during_work(
    server: &mut Server,
    writers: &mut [Writer],
    rotator: &mut Rotator,
    rng: &mut SeededRng,
) {
    let mut work: Vec<Work<'_>> = Vec::new();
    for writer in writers {
        work.push(Box::new(|done| {
            while writer.push().is_some() {
                done.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    work.push(Box::new(|done| {
        while rotator.step().is_some() {
            done.fetch_add(1, Ordering::SeqCst);
        }
    }));
    kill_during(server, work, rng);
}

#[test]
fn no_acknowledged_step_is_lost_when_the_server_is_killed_during_a_rotation() {
    let cycles =
        std::env::var("TIDELOG_CRASH_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(CYCLES);
    let mut server = Server::start();
    let caller = server.signed_in_caller();
    caller.put("/api/sync/keys", &json!({"encrypted_key": BASE64.encode(b"key 1")})).ok();
    let reader = caller.device("Reader");
    let mut writers: Vec<_> = (0..WRITERS).map(|number| Writer::new(&caller, number)).collect();
    let mut rotator = Rotator {
        caller: caller.clone(),
        rotated: BTreeMap::new(),
        cursor: Value::Null,
        begun: 1,
        completed: 1,
    };
    let mut rng = SeededRng::new(SEED);
    for cycle in 0..cycles {
        crash_during_work(&mut server, &mut writers, &mut rotator, &mut rng);
        server.start_again();
        let log = caller.pull_everything(&reader);
        rotator.assert_nothing_is_lost(&log);
        let there = rows_by_device(&log);
        for writer in &mut writers {
            let rows = there.get(&writer.device).map_or(&[][..], Vec::as_slice);
            assert!(rows.starts_with(&writer.acknowledged), "cycle {cycle}: {} lost something", writer.name);
            if writer.under_way.is_some() {
                writer.push().expect("the server lives");
            }
        }
        if cycle % FINISH_EVERY == FINISH_EVERY - 1 {
            rotator.finish();
        }
        let log = caller.pull_everything(&reader);
        rotator.assert_nothing_is_lost(&log);
        let expected: HashMap<_, _> =
            writers.iter().map(|writer| (writer.device.clone(), writer.acknowledged.clone())).collect();
        assert_eq!(
            rows_by_device(&log),
            expected,
            "cycle {cycle}: the log differs from what was acknowledged"
        );
        assert_eq!(server.cli().run(&["check"]).json()["faults"], json!([]), "cycle {cycle}");
    }
    rotator.finish();
    let log = caller.pull_everything(&reader);
    assert!(log.iter().all(|entry| entry["key_version"] == rotator.completed));
    let (rotations, changes) = (rotator.completed - 1, log.len());
    eprintln!(
        "{cycles} crashes, {rotations} rotations, {} entries rotated, {changes} changes",
        rotator.rotated.len()
    );
}
