//! Sweeping: unreferenced objects are deleted after their grace time, referenced ones stay.

use std::fs;

use serde_json::{Value, json};
use tidelog::server::commands::{Command, SweepCommand, UserCommand};

use super::{Fixture, absent, bytes, on_each_store};
use tidelog_test_kit::{Bucket, Caller, ManualClockServer, hash_of};

const DAY_HOURS: i64 = 24;
const GRACE_HOURS: i64 = 7 * DAY_HOURS;

fn remove(me: &Caller, hash: &str) {
    me.delete(&format!("/api/sync/blobs/{hash}")).expect(204);
}

fn counts(swept: &Value) -> [u64; 4] {
    ["expired_uploads", "deleted_objects", "unknown_objects", "missing_objects"]
        .map(|field| swept[field].as_u64().expect("a count"))
}

#[test]
fn an_upload_that_is_not_confirmed_within_a_day_is_deleted() {
    let server = ManualClockServer::start(&[("blobs.user_quota_bytes", "1000")]);
    let me = server.signed_in_caller();
    let blob = bytes(900);
    me.send_blob(&me.upload_url(&hash_of(&blob), 900), &blob).expect_bytes(200);
    server.advance_hours(DAY_HOURS - 1);
    assert_eq!(counts(&server.sweep()), [0, 0, 0, 0]);
    me.request_upload(&absent(), 200).expect_error(402, "quota_exceeded");
    server.advance_hours(2);
    // Expired even before it is swept.
    me.confirm(&hash_of(&blob), 900).expect_error(409, "not_uploaded");
    let look = server.command(Command::Sweep(SweepCommand { dry_run: true }));
    assert_eq!((counts(&look), server.objects().len()), ([1, 0, 0, 0], 1));
    assert_eq!(counts(&server.sweep()), [1, 1, 0, 0]);
    assert_eq!(server.objects(), [""; 0]);
    me.upload_url(&absent(), 200);
    server.assert_consistent();
}

#[test]
fn the_object_of_a_removed_blob_is_deleted_after_the_grace_time() {
    let server = ManualClockServer::start(&[]);
    let me = server.signed_in_caller();
    let (kept, removed) = (me.put_blob(&bytes(10)), me.put_blob(&bytes(20)));
    remove(&me, &removed);
    server.advance_hours(GRACE_HOURS - 1);
    assert_eq!((counts(&server.sweep()), server.objects().len()), ([0, 0, 0, 0], 2));
    server.advance_hours(1);
    assert_eq!((counts(&server.sweep()), server.objects().len()), ([0, 1, 0, 0], 1));
    assert_eq!(counts(&server.sweep()), [0, 0, 0, 0]);
    assert_eq!(me.fetch_blob(&kept), bytes(10));
    server.assert_consistent();
}

#[test]
fn an_orphaned_object_is_deleted_and_foreign_files_are_kept() {
    let server = ManualClockServer::start(&[]);
    let me = server.signed_in_caller();
    let kept = me.put_blob(&bytes(10));
    let pending = server.blobs().join("pending");
    let shelf = server.blobs().join("blobs").join("ab");
    fs::create_dir_all(&shelf).expect("a shelf");
    let id = "ab0a0a0000004000800000000000000a";
    fs::write(pending.join(id), "late").expect("a file");
    fs::write(shelf.join(id), "nobody's").expect("a file");
    fs::write(pending.join("notes.txt"), "an operator's").expect("a file");
    // A new object may belong to an upload in progress.
    assert_eq!(counts(&server.sweep()), [0, 0, 0, 0]);
    server.advance_hours(DAY_HOURS + 1);
    assert_eq!(counts(&server.command(Command::Sweep(SweepCommand { dry_run: true }))), [0, 0, 2, 0]);
    // One of the two names protects both, as they may be the same object being moved.
    let swept = server.sweep();
    assert!(swept["unknown_objects"].as_u64().expect("a count") >= 1, "{swept}");
    server.advance_hours(GRACE_HOURS + 1);
    server.sweep();
    let left = server.objects();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&"pending/notes.txt".to_owned()), "{left:?}");
    assert_eq!(me.fetch_blob(&kept), bytes(10));
    server.assert_consistent();
}

#[test]
fn an_object_uploaded_after_confirmation_is_deleted_and_the_blob_is_kept() {
    let bucket = Bucket::start();
    let server = ManualClockServer::start(&bucket.settings());
    let me = server.signed_in_caller();
    let blob = bytes(30);
    let url = me.upload_url(&hash_of(&blob), 30);
    me.send_blob(&url, &blob).expect_bytes(200);
    me.confirm(&hash_of(&blob), 30).ok();
    me.send_blob(&url, &[9; 30]).expect_bytes(200);
    assert_eq!(bucket.objects().len(), 2);
    assert_eq!(counts(&server.sweep()), [0, 0, 0, 0]);
    server.advance_hours(DAY_HOURS + 1);
    assert_eq!(counts(&server.command(Command::Sweep(SweepCommand { dry_run: true }))), [0, 0, 1, 0]);
    assert_eq!(counts(&server.sweep()), [0, 0, 1, 0]);
    assert_eq!(bucket.objects().len(), 1);
    assert_eq!(counts(&server.sweep()), [0, 0, 0, 0]);
    server.assert_consistent();
    drop(server);
    assert!(bucket.objects()[0].starts_with("blobs/"));
}

#[test]
fn a_blob_whose_object_is_missing_is_reported_and_kept() {
    let server = ManualClockServer::start(&[]);
    let me = server.signed_in_caller();
    let lost = me.put_blob(&bytes(10));
    let whole = me.put_blob(&bytes(20));
    let size = |name: &String| fs::metadata(server.blobs().join(name)).expect("a file").len();
    let object = server.objects().into_iter().find(|name| size(name) == 10).expect("an object");
    fs::remove_file(server.blobs().join(&object)).expect("it is lost");
    let swept = server.sweep();
    assert_eq!(counts(&swept), [0, 0, 0, 1]);
    assert_eq!(swept["missing"], json!([format!("user {} in dev: {lost}", server.user_id())]));
    assert_eq!(me.get("/api/sync/blobs").ok()["blobs"].as_array().map(Vec::len), Some(2));
    assert_eq!(me.fetch_blob(&whole), bytes(20));
    server.assert_consistent();
}

#[test]
fn the_next_sweep_deletes_the_blobs_of_a_deleted_user() {
    let server = ManualClockServer::start(&[]);
    let me = server.signed_in_caller();
    for length in 1..=5 {
        me.put_blob(&bytes(length));
    }
    me.send_blob(&me.upload_url(&hash_of(b"abc"), 3), b"abc").expect_bytes(200);
    server.command(Command::User(UserCommand::Delete { email: server.email().into() }));
    server.assert_consistent();
    assert_eq!(counts(&server.sweep()), [0, 6, 0, 0]);
    assert_eq!(server.objects(), [""; 0]);
}

#[test]
fn the_sweep_command_works_with_and_without_a_running_server() {
    on_each_store(|fixture| {
        let me = fixture.server.signed_in_caller();
        me.put_blob(&bytes(10));
        assert_eq!(counts(&fixture.server.cli().run(&["sweep", "--dry-run"]).json()), [0, 0, 0, 0]);
        assert_eq!(counts(&fixture.server.cli().run(&["sweep"]).json()), [0, 0, 0, 0]);
        let object = fixture.objects().remove(0);
        let file = match &fixture.bucket {
            Some(bucket) => bucket.file(&object),
            None => fixture.server.data().join("blobs").join(&object),
        };
        fs::remove_file(file).expect("it is lost");
        let complaint = fixture.server.cli().run(&["sweep"]).expect_failure();
        assert!(complaint.contains("is missing"), "{complaint}");
    });
    let mut fixture = Fixture::on_disk();
    fixture.server.signed_in_caller().put_blob(&bytes(10));
    fixture.server.stop();
    // What a killed server was receiving at that time.
    let unfinished = fixture.server.data().join("blobs/pending/0a0a0a00000040008000000000000000#1");
    fs::write(&unfinished, "half").expect("a file");
    assert_eq!(counts(&fixture.server.cli().run(&["sweep", "--dry-run"]).json()), [0, 0, 0, 0]);
    assert!(unfinished.exists());
    assert_eq!(counts(&fixture.server.cli().run(&["sweep"]).json()), [0, 0, 0, 0]);
    assert!(!unfinished.exists());
    fs::write(&unfinished, "half").expect("a file");
    fixture.server.start_again();
    assert!(!unfinished.exists());
    assert_eq!(fixture.objects().len(), 1);
}
