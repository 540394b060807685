//! The key envelope: one per log, replaced with compare-and-set.

use data_encoding::BASE64;
use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Server, change};

const KEYS: &str = "/api/sync/keys";

fn envelope(content: &str) -> String {
    BASE64.encode(content.as_bytes())
}

fn put(caller: &Caller, content: &str, extra: Value) -> tidelog_test_kit::ApiResponse {
    let mut body = json!({"encrypted_key": envelope(content)});
    body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    caller.put(KEYS, &body)
}

#[test]
fn a_key_is_not_found_until_one_is_stored() {
    let server = Server::start();
    let me = server.signed_in_caller();
    me.get(KEYS).expect_error(404, "not_found");
    assert_eq!(put(&me, "one", json!({})).ok(), json!({"key_version": 1, "revision": 1}));
    let expected = json!({"encrypted_key": envelope("one"), "key_version": 1, "revision": 1});
    assert_eq!(me.get(KEYS).ok(), expected);
}

#[test]
fn a_rewrap_keeps_the_version_and_increments_the_revision() {
    let mut server = Server::start();
    let me = server.signed_in_caller();
    put(&me, "one", json!({})).ok();
    assert_eq!(put(&me, "two", json!({})).ok(), json!({"key_version": 1, "revision": 2}));
    assert_eq!(put(&me, "three", json!({"key_version": 1})).ok(), json!({"key_version": 1, "revision": 3}));
    server.kill();
    server.start_again();
    assert_eq!(me.get(KEYS).ok()["encrypted_key"], json!(envelope("three")));
}

#[test]
fn an_expected_revision_replaces_only_that_revision() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let refusal =
        put(&me, "early", json!({"expected_revision": 1})).expect_error(409, "key_version_conflict");
    assert_eq!((&refusal["revision"], &refusal["key_version"]), (&json!(0), &json!(0)));
    put(&me, "one", json!({"expected_revision": 0})).ok();
    for stale in [0, 2, u64::MAX >> 1] {
        let refusal =
            put(&me, "stale", json!({"expected_revision": stale})).expect_error(409, "key_version_conflict");
        assert_eq!((&refusal["revision"], &refusal["key_version"]), (&json!(1), &json!(1)));
    }
    put(&me, "two", json!({"expected_revision": 1})).ok();
    assert_eq!(me.get(KEYS).ok()["encrypted_key"], json!(envelope("two")));
}

#[test]
fn of_sixteen_concurrent_first_setups_one_wins_and_the_others_adopt_its_key() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let responses: Vec<(String, u16)> = std::thread::scope(|scope| {
        let set_up = |number: usize| {
            let content = format!("key of device {number}");
            let status = put(&me, &content, json!({"expected_revision": 0})).status;
            (envelope(&content), status)
        };
        let threads: Vec<_> = (0..16).map(|number| scope.spawn(move || set_up(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a response")).collect()
    });
    let winners: Vec<_> = responses.iter().filter(|(_, status)| *status == 200).collect();
    assert_eq!(winners.len(), 1, "{responses:?}");
    assert!(responses.iter().all(|(_, status)| matches!(status, 200 | 409)), "{responses:?}");
    let adopted = me.get(KEYS).ok();
    assert_eq!(adopted, json!({"encrypted_key": winners[0].0, "key_version": 1, "revision": 1}));
}

#[test]
fn a_new_version_resets_the_revision_and_older_entries_keep_theirs() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    put(&me, "one", json!({})).ok();
    me.push(&device, vec![change("old")]);
    assert_eq!(put(&me, "two", json!({"key_version": 2})).ok(), json!({"key_version": 2, "revision": 2}));
    me.push(&device, vec![change("new")]);
    let versions: Vec<_> =
        me.pull_everything(&device).iter().map(|entry| entry["key_version"].clone()).collect();
    assert_eq!(versions, [1, 2]);
    assert_eq!(me.get("/api/sync/status").ok()["key_version"], 2);
    for skipped in [1, 4, 0] {
        put(&me, "wrong", json!({"key_version": skipped})).expect_error(409, "key_version_conflict");
    }
    assert_eq!(me.get(KEYS).ok()["encrypted_key"], json!(envelope("two")));
}

#[test]
fn an_envelope_must_be_canonical_base64_of_at_most_4_kib() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let faulty = [
        json!(BASE64.encode(&[7; 4097])),
        json!(BASE64.encode(&[7; 100_000])),
        json!(""),
        json!("not base64!"),
        json!("a2V5a2U"),
        json!("a2V5a2V="),
        json!("a2V5\n"),
        json!("a2V-"),
        json!(7),
        Value::Null,
    ];
    for encrypted_key in faulty {
        let refusal =
            me.put(KEYS, &json!({"encrypted_key": encrypted_key})).expect_error(422, "invalid_field");
        assert_eq!(refusal["field"], "encrypted_key", "{encrypted_key}");
    }
    for (field, value) in
        [("expected_revision", json!(-1)), ("expected_revision", json!("0")), ("key_version", json!(1.5))]
    {
        let refusal = put(&me, "one", json!({field: value})).expect_error(422, "invalid_field");
        assert_eq!(refusal["field"], json!(field));
    }
    me.get(KEYS).expect_error(404, "not_found");
    let longest = BASE64.encode(&[7; 4096]);
    me.put(KEYS, &json!({"encrypted_key": longest})).ok();
    assert_eq!(me.get(KEYS).ok()["encrypted_key"], json!(longest));
}
