//! `rotation undo` restores replaced data and the key that it was encrypted under.

use serde_json::json;

use super::*;

fn undo(server: &Server) -> Value {
    server.cli().run(&["rotation", "undo", "ada@example.org", "--app", "Notes"]).json()
}

fn undone(put_back: u64, left: u64, key_version: u32) -> Value {
    json!({"email": "ada@example.org", "app": "Notes", "key_version": key_version, "entries_put_back": put_back,
        "entries_left_under_newer_keys": left, "blob_keys_put_back": 0, "blob_keys_left_under_newer_keys": 0})
}

#[test]
fn undoing_a_completed_rotation_keeps_later_writes() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    let mut rows = sealed_rows("row", "one", 3);
    rows[1]["data"] = json!("not base64, and of another length");
    me.push(&device, rows);
    let before = me.contents(&device);
    me.begin_rotation("second").ok();
    me.push_under(&device, &sealed_rows("during", "two", 1), 2).ok();
    let left = me.entries_to_rotate();
    me.post(BATCH, &json!({"entries": [{"seq": left[0]["seq"], "keep": true}]})).ok();
    me.rotate_all("two");
    me.complete_rotation().ok();
    me.push(&device, sealed_rows("after", "two", 2));
    assert_eq!(undo(&server), undone(2, 3, 1));
    let contents = me.contents(&device);
    assert_eq!(contents[..3], before);
    assert!(contents[3..].iter().all(|(_, version, _)| *version == 2));
    let envelope_now = json!({"encrypted_key": envelope("first"), "key_version": 1, "revision": 3});
    assert_eq!(me.get(KEYS).ok(), envelope_now);
    assert_consistent(&server, &me, &device);
    // The newer key version is refused from now on, and never assigned again.
    me.push_under(&device, &sealed_rows("late", "two", 1), 2).expect_error(409, "key_version_conflict");
    me.push(&device, sealed_rows("again", "one", 1));
    me.begin_rotation("second").expect_error(409, "key_version_conflict");
    assert_eq!(me.begin_rotation("third").ok(), json!({"key_version": 3}));
    assert_eq!(me.remaining(), 7, "also those that stayed under the newer key");
    assert_consistent(&server, &me, &device);
}

#[test]
fn a_running_rotation_is_undone_with_the_server_stopped() {
    let mut server = Server::start();
    let (me, device) = caller_with_key(&server);
    for batch in 0..3 {
        me.push(&device, sealed_rows(&format!("row-{batch}"), "one", 500));
    }
    let before = me.contents(&device);
    me.begin_rotation("second").ok();
    me.entries_to_rotate()[..1_200].chunks(500).for_each(|some| drop(me.rotate(some, "two").ok()));
    server.stop();
    assert_eq!(undo(&server), undone(1_200, 0, 1));
    server.start_again();
    assert_eq!(me.get(STATE).ok(), json!({"key_version": 1, "next_key_version": 3, "pending": null}));
    assert_eq!(me.contents(&device), before);
    assert_no_rotation(&me);
    assert_eq!(me.get(KEYS).ok()["revision"], 1, "the envelope was never replaced");
    assert_consistent(&server, &me, &device);
}

#[test]
fn rotations_are_undone_newest_first() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 2));
    let mut past = vec![me.contents(&device)];
    for (version, key) in [(2, "two"), (3, "three")] {
        me.begin_rotation(key).ok();
        me.rotate_all(key);
        assert_eq!(me.complete_rotation().ok()["key_version"], version);
        past.push(me.contents(&device));
    }
    for version in [2, 1] {
        assert_eq!(undo(&server), undone(2, 0, version));
        past.pop();
        assert_eq!(Some(&me.contents(&device)), past.last());
        assert_consistent(&server, &me, &device);
    }
    let complaint =
        server.cli().run(&["rotation", "undo", "ada@example.org", "--app", "Notes"]).expect_refusal();
    assert!(complaint.contains("no rotation"), "{complaint}");
}

#[test]
fn a_rotation_whose_key_was_replaced_since_is_not_undone() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 1));
    me.begin_rotation("second").ok();
    me.rotate_all("two");
    me.complete_rotation().ok();
    me.put(KEYS, &json!({"encrypted_key": envelope("another"), "key_version": 3})).ok();
    let complaint =
        server.cli().run(&["rotation", "undo", "ada@example.org", "--app", "Notes"]).expect_refusal();
    assert!(complaint.contains("replaced"), "{complaint}");
    assert_eq!(me.contents(&device)[0].1, 2);
}

#[test]
fn an_unknown_rotation_cannot_be_undone() {
    let server = Server::start();
    let (me, _) = caller_with_key(&server);
    let refusal = |email: &str, app: &str| {
        server.cli().run(&["rotation", "undo", email, "--app", app]).expect_refusal()
    };
    assert!(refusal("ada@example.org", "Nothing").contains("no app"));
    assert!(refusal("bob@example.org", "Notes").contains("no log"));
    assert!(refusal("ada@example.org", "Notes").contains("no rotation"));
    me.begin_rotation("second").ok();
    me.post(CANCEL, &json!({})).expect(204);
    assert!(refusal("ada@example.org", "Notes").contains("no rotation"), "nor a cancelled one");
}

#[test]
fn rotations_are_listed_with_their_state() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    let states = || {
        let rows = server.cli().run(&["rotation", "list"]).json();
        let of = |row: &Value| (row["state"].clone(), row["remaining"].clone(), row["ended_at"].is_null());
        rows.as_array().expect("a list").iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(states(), []);
    me.push(&device, sealed_rows("row", "one", 2));
    me.begin_rotation("second").ok();
    me.post(CANCEL, &json!({})).expect(204);
    me.begin_rotation("third").ok();
    assert_eq!(states(), [(json!("cancelled"), json!(2), false), (json!("running"), json!(2), true)]);
    me.rotate_all("three");
    me.complete_rotation().ok();
    assert_eq!(states()[1], (json!("completed"), json!(0), false));
    undo(&server);
    assert_eq!(states()[1], (json!("undone"), json!(0), false));
    let listed = server.cli().run_plain(&["rotation", "list"]).text();
    assert!(listed.contains("ada@example.org") && !listed.contains(&envelope("third")));
}

/// Asserts that without a pending rotation there are no entries to list or rotate.
fn assert_no_rotation(me: &Caller) {
    me.post(ENTRIES, &json!({})).expect_error(409, "no_rotation");
    me.post(BATCH, &json!({"entries": [{"seq": 2, "keep": true}]})).expect_error(409, "no_rotation");
    me.complete_rotation().expect_error(409, "no_rotation");
}
