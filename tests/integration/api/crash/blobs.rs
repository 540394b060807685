//! `kill -9` at every step of uploads, confirmations, deletions and sweeps: no confirmed blob is lost, two sweeps
//! delete every unreferenced object, and the totals match the rows.
//!
//! With a bucket, each step is a request, so the bucket kills the server immediately before or after a randomly
//! chosen request. This covers every step, without hooks in the server. On disk the instants are random. Days pass
//! between two crashes: timestamps in the database and of files are moved back while the server is down.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{CYCLES, SEED, Work, kill_during};
use tidelog_test_kit::{Bucket, Caller, SeededRng, Server, hash_of};

/// Number of different blobs: few, so that the same one is uploaded, removed and uploaded again.
const BLOBS: u64 = 8;
/// Size of the largest blob: more than one part on disk.
const MAX_BYTES: u64 = 600_000;
/// Maximum number of bucket steps before the kill: as many as a few blobs take.
const MAX_STEPS: u64 = 40;
/// Average number of steps per sweep: a sweep takes many requests, and crashes must hit the other steps as well.
const SWEEP_ONE_IN: u64 = 12;
/// Hours between two crashes: longer than an upload may stay pending, and sometimes longer than the grace time.
const HOURS: [i64; 3] = [1, 25, 200];

fn schedules() -> usize {
    std::env::var("TIDELOG_CRASH_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(CYCLES)
}

/// Returns the blob of this number, which determines its bytes.
fn blob(number: u64) -> Vec<u8> {
    SeededRng::new(number).bytes((number * MAX_BYTES / BLOBS) as usize)
}

/// State of a blob according to the responses so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlobState {
    Present,
    Deleted,
    /// The server was killed before it answered.
    Unknown,
}

/// A device that uploads, confirms, removes and downloads blobs.
struct Device {
    caller: Caller,
    rng: SeededRng,
    known: BTreeMap<u64, BlobState>,
}

impl Device {
    /// `None`: the server was killed.
    fn post(&self, path: &str, body: &Value) -> Option<Value> {
        Some(self.caller.try_call(Method::POST, path, Some(body)).ok()?.json())
    }

    /// Uploads or removes a blob. `None`: the server was killed.
    fn step(&mut self) -> Option<()> {
        let number = self.rng.below(BLOBS);
        match self.rng.below(4) {
            0 => self.remove(number),
            1 => self.leave_unconfirmed(number),
            _ => self.put(number),
        }
    }

    fn upload(&mut self, number: u64) -> Option<(String, usize)> {
        let bytes = blob(number);
        let (hash, size) = (hash_of(&bytes), bytes.len());
        let upload = self.post("/api/sync/blobs/upload", &json!({"hash": hash, "size_bytes": size}))?;
        let url = upload["upload_url"].as_str()?;
        if !url.is_empty() {
            self.caller
                .try_call_url(Method::PUT, url, Default::default(), Some(&bytes))
                .ok()?
                .expect_bytes(200);
        }
        Some((hash, size))
    }

    /// Uploads a blob without confirming it.
    fn leave_unconfirmed(&mut self, number: u64) -> Option<()> {
        self.upload(number).map(drop)
    }

    fn put(&mut self, number: u64) -> Option<()> {
        let (hash, size) = self.upload(number)?;
        if self.known.get(&number) != Some(&BlobState::Present) {
            self.known.insert(number, BlobState::Unknown);
        }
        let key = data_encoding::BASE64.encode(b"sealed");
        let body = json!({"hash": hash, "size_bytes": size, "wrapped_key": key});
        let confirmed = self.post("/api/sync/blobs/confirm", &body)?;
        assert_eq!(
            confirmed["verified"].as_bool().map(|_| &confirmed["hash"]),
            Some(&json!(hash)),
            "{confirmed}"
        );
        self.known.insert(number, BlobState::Present);
        Some(())
    }

    fn remove(&mut self, number: u64) -> Option<()> {
        self.known.insert(number, BlobState::Unknown);
        let path = format!("/api/sync/blobs/{}", hash_of(&blob(number)));
        let removed = self.caller.try_call(Method::DELETE, &path, None).ok()?;
        assert!(matches!(removed.status, 204 | 404), "{}", removed.text());
        self.known.insert(number, BlobState::Deleted);
        Some(())
    }

    /// Asserts that all acknowledged states hold, contents included, and records the states that were unknown.
    fn audit(&mut self) {
        for (number, known) in &mut self.known {
            let bytes = blob(*number);
            let hash = hash_of(&bytes);
            let is_there = self.caller.request_download(&hash).status == 200;
            if is_there {
                assert!(
                    self.caller.fetch_blob(&hash) == bytes,
                    "blob {number} differs from what was uploaded"
                );
            }
            let now = if is_there { BlobState::Present } else { BlobState::Deleted };
            assert!(
                *known == BlobState::Unknown || *known == now,
                "blob {number} should be {known:?}, is {now:?}"
            );
            *known = now;
        }
    }

    /// Returns the number of blobs and their total size.
    fn totals(&self) -> (usize, usize) {
        let there = self.known.iter().filter(|(_, known)| **known == BlobState::Present);
        there.fold((0, 0), |(count, bytes), (number, _)| (count + 1, bytes + blob(*number).len()))
    }
}

/// The server and its blob store.
struct Fixture {
    server: Server,
    bucket: Option<Bucket>,
}

impl Fixture {
    fn objects(&self) -> Vec<String> {
        self.bucket.as_ref().map_or_else(|| self.server.objects(), Bucket::objects)
    }

    /// Makes hours pass while the server is down.
    fn advance_hours(&self, hours: i64) {
        let micros = hours * 60 * 60 * 1_000_000;
        let file = Connection::open(self.server.data().join("tidelog.db")).expect("a database");
        file.execute(
            "UPDATE uploads SET granted_at = granted_at - ?1, expires_at = expires_at - ?1",
            [micros],
        )
        .and_then(|_| file.execute("UPDATE removed_objects SET removed_at = removed_at - ?1", [micros]))
        .expect("its times are moved");
        for object in self.objects() {
            let path = match &self.bucket {
                Some(bucket) => bucket.file(&object),
                None => self.server.data().join("blobs").join(&object),
            };
            let file = File::options().write(true).open(path).expect("an object");
            let modified = file.metadata().and_then(|found| found.modified()).expect("its time");
            let earlier = modified - Duration::from_secs(hours.unsigned_abs() * 60 * 60);
            file.set_times(FileTimes::new().set_modified(earlier)).expect("its time is moved");
        }
    }

    fn sweep(&self) -> Value {
        self.server.cli().run(&["sweep"]).json()
    }
}

/// Runs steps and occasional sweeps until the server is killed.
fn work(device: &mut Device, sweeper: &tidelog_test_kit::Cli, done: &AtomicUsize) {
    while device.step().is_some() {
        done.fetch_add(1, Ordering::SeqCst);
        if device.rng.below(SWEEP_ONE_IN) == 0 {
            // The server may be killed during it.
            let _ = sweeper.run(&["sweep"]);
        }
    }
}

fn crash(fixture: &mut Fixture, device: &mut Device, rng: &mut SeededRng) {
    let sweeper = fixture.server.cli();
    let Some(bucket) = &fixture.bucket else {
        let pieces: Vec<Work<'_>> = vec![Box::new(|done: &AtomicUsize| work(device, &sweeper, done))];
        return kill_during(&mut fixture.server, pieces, rng);
    };
    bucket.kill_at(fixture.server.pid(), rng.below(MAX_STEPS) as usize);
    work(device, &sweeper, &AtomicUsize::new(0));
    assert!(!bucket.cancel_kill(), "the server ended, but the bucket did not kill it");
    fixture.server.wait_until_killed();
}

fn nothing_is_lost_or_left(mut fixture: Fixture) {
    let caller = fixture.server.signed_in_caller();
    let mut device = Device { caller, rng: SeededRng::new(SEED), known: BTreeMap::new() };
    let mut rng = SeededRng::new(SEED + 1);
    for schedule in 0..schedules() {
        crash(&mut fixture, &mut device, &mut rng);
        fixture.advance_hours(*rng.pick(&HOURS));
        fixture.server.start_again();
        device.audit();
        assert_eq!(fixture.server.cli().run(&["check"]).json()["faults"], json!([]), "schedule {schedule}");
        assert_eq!(device.caller.blob_bytes(), device.totals().1, "schedule {schedule}");
        // The first sweep finds what a crash left; the second, days later, has deleted it.
        fixture.sweep();
        fixture.server.stop();
        fixture.advance_hours(HOURS[2]);
        fixture.server.start_again();
        let swept = fixture.sweep();
        assert_eq!(swept["missing_objects"], 0, "schedule {schedule}: {swept}");
        let objects = fixture.objects();
        assert_eq!(objects.len(), device.totals().0, "schedule {schedule}: {objects:?}");
        device.audit();
        assert_eq!(fixture.server.cli().run(&["check"]).json()["faults"], json!([]), "schedule {schedule}");
    }
}

#[test]
fn no_blob_is_lost_or_orphaned_when_the_server_is_killed_at_any_request_to_its_bucket() {
    let bucket = Bucket::start();
    let server = bucket.setup().start();
    nothing_is_lost_or_left(Fixture { server, bucket: Some(bucket) });
}

#[test]
fn no_blob_is_lost_or_orphaned_when_the_server_is_killed_during_a_transfer() {
    let bucket = Bucket::start();
    let server = bucket.setup().with("TIDELOG_BLOBS_S3_PROXY_TRANSFERS", "true").start();
    nothing_is_lost_or_left(Fixture { server, bucket: Some(bucket) });
}

#[test]
fn no_blob_is_lost_or_orphaned_when_the_server_is_killed_with_blobs_on_disk() {
    nothing_is_lost_or_left(Fixture { server: Server::start(), bucket: None });
}

#[test]
fn every_timestamp_column_of_blobs_is_moved_by_these_tests() {
    // A file whose time could not be changed would hide leftovers.
    let fixture = Fixture { server: Server::start(), bucket: None };
    let me = fixture.server.signed_in_caller();
    me.put_blob(b"aged");
    fixture.advance_hours(48);
    let file = fixture.server.data().join("blobs").join(&fixture.objects()[0]);
    let modified = file.metadata().and_then(|found| found.modified()).expect("its time");
    assert!(modified < SystemTime::now() - Duration::from_secs(47 * 60 * 60));
}
