//! Sealed keys of blobs during a key rotation.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{Fixture, bytes};
use tidelog_test_kit::{Caller, hash_of};

fn encode(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

fn put_sealed(me: &Caller, length: usize, key: &str, version: Option<u32>) -> String {
    let blob = bytes(length);
    let hash = hash_of(&blob);
    me.send_blob(&me.upload_url(&hash, length as u64), &blob).expect_bytes(200);
    let body =
        json!({"hash": hash, "size_bytes": length, "wrapped_key": encode(key), "key_version": version});
    me.post("/api/sync/blobs/confirm", &body).ok();
    hash
}

/// Returns a caller with a key, three blobs sealed under it, and one without a sealed key.
fn caller_with_blobs(fixture: &Fixture) -> (Caller, Vec<String>) {
    let me = fixture.server.signed_in_caller();
    me.put("/api/sync/keys", &json!({"encrypted_key": encode("key 1")})).ok();
    let mut hashes: Vec<_> =
        (1..=3).map(|length| put_sealed(&me, length, &format!("old {length}"), Some(1))).collect();
    hashes.sort();
    me.put_blob(&bytes(9));
    (me, hashes)
}

fn begin(me: &Caller) -> Value {
    me.post("/api/sync/keys/rotate/begin", &json!({"new_encrypted_key": encode("key 2")})).ok()
}

fn rotate(me: &Caller, blobs: &Value) -> Value {
    me.post("/api/sync/keys/rotate/blobs/batch", &json!({"blobs": blobs})).ok()
}

fn left(me: &Caller) -> Vec<String> {
    let page = me.post("/api/sync/keys/rotate/blobs", &json!({})).ok();
    let blobs = page["blobs"].as_array().expect("blobs").iter();
    let names: Vec<_> = blobs.map(|blob| blob["hash"].as_str().expect("a hash").to_owned()).collect();
    assert_eq!(page["remaining"], names.len());
    names
}

fn sealed_key(me: &Caller, hash: &str) -> (Value, Value) {
    let download = me.request_download(hash).ok();
    (download["wrapped_key"].clone(), download["key_version"].clone())
}

#[test]
fn a_rotation_completes_once_every_wrapped_key_is_replaced_or_kept() {
    let fixture = Fixture::on_disk();
    let (me, hashes) = caller_with_blobs(&fixture);
    let objects = fixture.objects();
    me.post("/api/sync/keys/rotate/blobs", &json!({})).expect_error(409, "no_rotation");
    begin(&me);
    assert_eq!(left(&me), hashes);
    let page = me.post("/api/sync/keys/rotate/blobs", &json!({"after": hashes[0], "limit": 1})).ok();
    assert_eq!((&page["blobs"][0]["hash"], &page["has_more"]), (&json!(hashes[1]), &json!(true)));
    let complete = || me.post("/api/sync/keys/rotate/complete", &json!({"key_version": 2}));
    assert_eq!(complete().expect_error(409, "rotation_incomplete")["remaining"], 3);
    let new = |hash: &String| json!({"hash": hash, "wrapped_key": encode("new")});
    assert_eq!(rotate(&me, &json!([new(&hashes[0])])), json!({"updated": 1, "remaining": 2}));
    assert_eq!(rotate(&me, &json!([new(&hashes[0])])), json!({"updated": 0, "remaining": 2}));
    let kept = json!([{"hash": hashes[1], "keep": true}, new(&hashes[2])]);
    assert_eq!(rotate(&me, &kept), json!({"updated": 2, "remaining": 0}));
    assert_eq!(left(&me), [""; 0]);
    complete().ok();
    assert_eq!(sealed_key(&me, &hashes[0]), (json!(encode("new")), json!(2)));
    assert_eq!(sealed_key(&me, &hashes[1]).1, 1);
    assert_eq!(fixture.objects(), objects, "the bytes of blobs are not touched");
    fixture.server.cli().run(&["check"]).json();
}

#[test]
fn blobs_added_and_removed_during_a_rotation_are_counted() {
    let fixture = Fixture::on_disk();
    let (me, hashes) = caller_with_blobs(&fixture);
    begin(&me);
    me.post("/api/sync/keys/rotate/cancel", &json!({})).expect(204);
    me.post("/api/sync/keys/rotate/begin", &json!({"new_encrypted_key": encode("key 3")})).ok();
    let state = || me.get("/api/sync/keys/rotate").ok()["pending"].clone();
    assert_eq!((&state()["remaining"], &state()["started"]), (&json!(3), &json!(false)));
    put_sealed(&me, 20, "old", None);
    assert_eq!(state()["remaining"], 4);
    put_sealed(&me, 21, "new", Some(3));
    assert_eq!((&state()["remaining"], &state()["started"]), (&json!(4), &json!(true)));
    me.post("/api/sync/keys/rotate/cancel", &json!({})).expect_error(409, "rotation_started");
    let remove = |hash: &str| me.delete(&format!("/api/sync/blobs/{hash}")).expect(204);
    rotate(&me, &json!([{"hash": hashes[0], "keep": true}]));
    remove(&hashes[0]);
    assert_eq!(state()["remaining"], 3);
    remove(&hashes[1]);
    assert_eq!(state()["remaining"], 2);
    // The same hash returns with another sealed key, not the one that was kept.
    let length = (1..=3).find(|length| hash_of(&bytes(*length)) == hashes[0]).expect("one of them");
    put_sealed(&me, length, "again", Some(1));
    assert_eq!((state()["remaining"].clone(), left(&me).len()), (json!(3), 3));
    assert_eq!(fixture.server.cli().run(&["check"]).json()["faults"], json!([]));
}

#[test]
fn an_invalid_batch_of_wrapped_keys_changes_nothing_and_lists_every_error() {
    let fixture = Fixture::on_disk();
    let (me, hashes) = caller_with_blobs(&fixture);
    let stranger =
        fixture.server.sign_in(&fixture.server.new_user("bob@example.org"), &fixture.server.new_app("Tasks"));
    stranger.put("/api/sync/keys", &json!({"encrypted_key": encode("key 1")})).ok();
    stranger.put_blob(&bytes(33));
    begin(&me);
    let batch = |blobs: Value| me.post("/api/sync/keys/rotate/blobs/batch", &json!({"blobs": blobs}));
    let good = json!({"hash": hashes[0], "wrapped_key": encode("new")});
    for (bad, field) in [
        (json!({"hash": hash_of(&bytes(33)), "keep": true}), "hash"),
        (json!({"hash": hash_of(&bytes(9)), "keep": true}), "hash"),
        (json!({"hash": "../x", "keep": true}), "hash"),
        (json!({"hash": hashes[1]}), "blob"),
        (json!({"hash": hashes[1], "keep": true, "wrapped_key": encode("x")}), "blob"),
        (json!({"hash": hashes[1], "wrapped_key": "?"}), "wrapped_key"),
        (good.clone(), "hash"),
    ] {
        let refused = batch(json!([good, bad])).expect_error(422, "invalid_change");
        assert_eq!(
            (&refused["changes"][0]["index"], &refused["changes"][0]["field"]),
            (&json!(1), &json!(field))
        );
    }
    batch(json!([])).expect_error(422, "invalid_field");
    batch(json!(vec![good.clone(); 501])).expect_error(422, "too_many_changes");
    let other = json!({"key_version": 7, "blobs": [good]});
    me.post("/api/sync/keys/rotate/blobs/batch", &other).expect_error(409, "no_rotation");
    assert_eq!(left(&me), hashes);
}

#[test]
fn undoing_a_rotation_restores_wrapped_keys() {
    let fixture = Fixture::on_disk();
    let (me, hashes) = caller_with_blobs(&fixture);
    let before: Vec<_> = hashes.iter().map(|hash| sealed_key(&me, hash)).collect();
    begin(&me);
    let new: Vec<_> = hashes.iter().map(|hash| json!({"hash": hash, "wrapped_key": encode("new")})).collect();
    rotate(&me, &json!(new));
    me.post("/api/sync/keys/rotate/complete", &json!({})).ok();
    // Removed and uploaded again since then: this one is left unchanged.
    me.delete(&format!("/api/sync/blobs/{}", hashes[2])).expect(204);
    let length = (1..=3).find(|length| hash_of(&bytes(*length)) == hashes[2]).expect("one of them");
    put_sealed(&me, length, "later", Some(2));
    let undone = fixture.server.cli().run(&["rotation", "undo", "ada@example.org", "--app", "Notes"]).json();
    assert_eq!((&undone["key_version"], &undone["blob_keys_put_back"]), (&json!(1), &json!(2)));
    assert_eq!(undone["blob_keys_left_under_newer_keys"], 1);
    for (hash, before) in hashes.iter().zip(&before).take(2) {
        assert_eq!(sealed_key(&me, hash), *before);
    }
    assert_eq!(sealed_key(&me, &hashes[2]), (json!(encode("later")), json!(2)));
    assert_eq!(fixture.server.cli().run(&["check"]).json()["faults"], json!([]));
}
