//! Beginning, completing and cancelling a rotation, and its state.

use reqwest::Method;
use serde_json::{Value, json};

use super::*;

#[test]
fn a_rotation_reseals_every_entry_and_replaces_the_envelope() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 3));
    assert_eq!(me.begin_rotation("second").ok(), json!({"key_version": 2}));
    let given = me.get(KEYS).ok();
    let pending = json!({"encrypted_key": envelope("second"), "key_version": 2});
    assert_eq!((&given["encrypted_key"], &given["pending"]), (&json!(envelope("first")), &pending));
    let refused = me.complete_rotation().expect_error(409, "rotation_incomplete");
    assert_eq!(refused["remaining"], 3);

    let left = me.entries_to_rotate();
    assert_eq!(left.len(), 3);
    assert_eq!(me.rotate(&left[..2], "two").ok(), json!({"updated": 2, "remaining": 1}));
    assert_eq!(me.rotate(&left[2..], "two").ok(), json!({"updated": 1, "remaining": 0}));
    assert_eq!(me.complete_rotation().ok(), json!({"key_version": 2}));

    let given = json!({"encrypted_key": envelope("second"), "key_version": 2, "revision": 2});
    assert_eq!(me.get(KEYS).ok(), given);
    assert_eq!(me.get("/api/sync/status").ok()["key_version"], 2);
    let expected: Vec<_> = (0..3)
        .map(|number| format!("row-{number}"))
        .map(|row| (row.clone(), 2, sealed(&row, "two")["data"].clone()))
        .collect();
    assert_eq!(me.contents(&device), expected);
    assert_consistent(&server, &me, &device);
}

#[test]
fn the_state_reports_progress_and_the_next_key_version() {
    let server = Server::start();
    let me = server.signed_in_caller();
    assert_eq!(me.get(STATE).ok(), json!({"key_version": 0, "next_key_version": 1, "pending": null}));
    let (me, device) = {
        me.put(KEYS, &json!({"encrypted_key": envelope("first")})).ok();
        let device = me.device("Laptop");
        (me, device)
    };
    me.push(&device, sealed_rows("row", "one", 2));
    assert_eq!(me.get(STATE).ok(), json!({"key_version": 1, "next_key_version": 2, "pending": null}));
    me.begin_rotation("second").ok();
    let state = me.get(STATE).ok();
    assert_eq!((&state["key_version"], &state["next_key_version"]), (&json!(1), &json!(3)));
    let pending = &state["pending"];
    assert_eq!((&pending["key_version"], &pending["remaining"]), (&json!(2), &json!(2)));
    assert_eq!(pending["started"], false);
    me.rotate(&me.entries_to_rotate()[..1], "two").ok();
    let pending = me.get(STATE).ok()["pending"].clone();
    assert_eq!((&pending["remaining"], &pending["started"]), (&json!(1), &json!(true)));
}

#[test]
fn beginning_again_with_the_same_envelope_is_idempotent_and_with_another_is_refused() {
    let server = Server::start();
    let (me, _) = caller_with_key(&server);
    me.begin_rotation("second").ok();
    assert_eq!(me.begin_rotation("second").ok(), json!({"key_version": 2}));
    me.begin_rotation("other").expect_error(409, "rotation_in_progress");
    me.put(KEYS, &json!({"encrypted_key": envelope("re-wrapped")})).expect_error(409, "rotation_in_progress");
    me.complete_rotation().ok();
    // Late repetitions begin nothing, even after the key envelope has been encrypted again.
    assert_eq!(me.begin_rotation("second").expect_error(409, "key_version_conflict")["key_version"], 2);
    me.put(KEYS, &json!({"encrypted_key": envelope("re-wrapped")})).ok();
    for late in ["second", "re-wrapped"] {
        me.begin_rotation(late).expect_error(409, "key_version_conflict");
    }
    assert_eq!(me.get(STATE).ok()["pending"], Value::Null);
}

#[test]
fn a_log_without_a_key_cannot_be_rotated() {
    let server = Server::start();
    let me = server.signed_in_caller();
    assert_eq!(me.begin_rotation("second").expect_error(409, "key_version_conflict")["key_version"], 0);
}

#[test]
fn of_two_devices_that_begin_at_once_one_wins_and_the_other_is_told() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    for round in 0..10 {
        me.push(&device, sealed_rows("row", "some key", 20));
        let names = [format!("a of {round}"), format!("b of {round}")];
        let responses: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = names.iter().map(|name| scope.spawn(|| me.begin_rotation(name))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a response")).collect()
        });
        let winner = responses.iter().position(|response| response.status == 200).expect("one wins");
        responses[1 - winner].expect_error(409, "rotation_in_progress");
        assert_eq!(me.get(KEYS).ok()["pending"]["encrypted_key"], json!(envelope(&names[winner])));
        assert_eq!(me.remaining(), (round + 1) * 20);
        me.rotate_all("next key");
        me.complete_rotation().ok();
    }
    assert_consistent(&server, &me, &device);
}

#[test]
fn completing_again_gets_the_same_answer_if_it_names_the_key() {
    let server = Server::start();
    let (me, _) = caller_with_key(&server);
    let complete = |version: u32| me.post(COMPLETE, &json!({"key_version": version}));
    me.begin_rotation("second").ok();
    assert_eq!(complete(7).expect_error(409, "key_version_conflict")["key_version"], 1);
    assert_eq!(complete(2).ok(), json!({"key_version": 2}));
    assert_eq!(complete(2).ok(), json!({"key_version": 2}));
    me.complete_rotation().expect_error(409, "no_rotation");
    complete(3).expect_error(409, "no_rotation");
    // A repetition that arrives during the next rotation does not complete that one.
    me.begin_rotation("third").ok();
    assert_eq!(complete(2).ok(), json!({"key_version": 2}));
    assert_eq!(me.get(STATE).ok()["pending"]["key_version"], 3);
    assert_eq!(me.call(Method::POST, COMPLETE, None).ok(), json!({"key_version": 3}));
}

#[test]
fn a_rotation_can_be_cancelled_before_it_starts_and_its_version_is_not_reused() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    let cancel = || me.call(Method::POST, CANCEL, None);
    cancel().expect_error(409, "no_rotation");
    me.push(&device, sealed_rows("row", "one", 2));
    me.begin_rotation("second").ok();
    let kept = json!({"entries": [{"seq": me.entries_to_rotate()[0]["seq"], "keep": true}]});
    me.post(BATCH, &kept).ok();
    cancel().expect(204);
    cancel().expect_error(409, "no_rotation");
    // A push sealed under the cancelled key must not be accepted as one under the next key.
    me.push_under(&device, &sealed_rows("late", "two", 1), 2).expect_error(409, "key_version_conflict");
    me.begin_rotation("second").expect_error(409, "key_version_conflict");
    assert_eq!(me.begin_rotation("third").ok(), json!({"key_version": 3}));
    me.push_under(&device, &sealed_rows("late", "two", 1), 2).expect_error(409, "key_version_conflict");
    assert_eq!(me.remaining(), 2, "entries kept in the cancelled rotation are not kept in this one");
    me.rotate(&me.entries_to_rotate()[..1], "three").ok();
    cancel().expect_error(409, "rotation_started");
    me.rotate_all("three");
    cancel().expect_error(409, "rotation_started");
    assert_eq!(me.complete_rotation().ok(), json!({"key_version": 3}));
    assert_eq!(
        me.put(KEYS, &json!({"encrypted_key": envelope("x"), "key_version": 4})).ok()["key_version"],
        4
    );
    assert_consistent(&server, &me, &device);
}

#[test]
fn entries_sealed_for_a_cancelled_rotation_are_not_accepted_by_the_next() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 1));
    me.begin_rotation("second").ok();
    let entry = json!({"seq": me.entries_to_rotate()[0]["seq"], "data": envelope("row under two")});
    me.call(Method::POST, CANCEL, None).expect(204);
    me.begin_rotation("third").ok();
    let late = json!({"key_version": 2, "entries": [entry.clone()]});
    me.post(BATCH, &late).expect_error(409, "no_rotation");
    assert_eq!(me.remaining(), 1);
    let meant = json!({"key_version": 3, "entries": [entry]});
    assert_eq!(me.post(BATCH, &meant).ok(), json!({"updated": 1, "remaining": 0}));
}

#[test]
fn a_rotation_begins_only_with_the_version_its_envelope_was_made_for() {
    let server = Server::start();
    let (me, _) = caller_with_key(&server);
    let begin = |version: u32| {
        me.post(BEGIN, &json!({"new_encrypted_key": envelope("second"), "key_version": version}))
    };
    assert_eq!(begin(3).expect_error(409, "key_version_conflict")["key_version"], 1);
    assert_eq!(begin(1).expect_error(409, "key_version_conflict")["key_version"], 1);
    assert_eq!(begin(2).ok(), json!({"key_version": 2}));
    assert_eq!(begin(2).ok(), json!({"key_version": 2}));
}

#[test]
fn another_device_finishes_a_rotation_after_the_server_was_killed() {
    let mut server = Server::start();
    let app = server.new_app("Notes");
    let user = server.new_user("ada@example.org");
    let laptop = server.sign_in(&user, &app);
    laptop.put(KEYS, &json!({"encrypted_key": envelope("first")})).ok();
    let device = laptop.device("Laptop");
    laptop.push(&device, sealed_rows("row", "one", 30));
    laptop.begin_rotation("second").ok();
    laptop.rotate(&laptop.entries_to_rotate()[..10], "two").ok();
    server.kill();
    server.start_again();
    let phone = server.sign_in(&user, &app);
    assert_eq!(phone.get(KEYS).ok()["pending"]["encrypted_key"], json!(envelope("second")));
    assert_eq!(phone.remaining(), 20);
    phone.push(&phone.device("Phone"), sealed_rows("more", "one", 1));
    server.restart();
    phone.rotate_all("two");
    assert_eq!(phone.complete_rotation().ok(), json!({"key_version": 2}));
    assert!(laptop.contents(&device).iter().all(|(_, version, _)| *version == 2));
    assert_consistent(&server, &laptop, &device);
}

#[test]
fn deleting_the_user_deletes_the_rotation() {
    let server = Server::start();
    let (me, device) = caller_with_key(&server);
    me.push(&device, sealed_rows("row", "one", 3));
    me.begin_rotation("second").ok();
    let left = me.entries_to_rotate();
    me.rotate(&left[..1], "two").ok();
    me.post(BATCH, &json!({"entries": [{"seq": left[1]["seq"], "keep": true}]})).ok();
    server.cli().run(&["user", "delete", "ada@example.org"]).json();
    me.get(STATE).expect_error(401, "unauthenticated");
    assert_eq!(server.cli().run(&["check"]).json()["faults"], json!([]));
}
