//! Pushing: a batch is stored once even if its response is lost, and only if the client's view of the log is right.

use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Server, change, changes, fresh_id, instant};

const PUSH: &str = "/api/sync/push";

fn batch(device: &str, id: &str, changes: &[Value]) -> Value {
    json!({"device_id": device, "batch_id": id, "changes": changes})
}

/// Returns the same changes encrypted with another nonce.
fn re_encrypted(changes: &[Value]) -> Vec<Value> {
    let anew = |change: &Value| {
        let mut change = change.clone();
        change["data"] = json!("YW5vdGhlciBub25jZQ==");
        change
    };
    changes.iter().map(anew).collect()
}

fn put_key(caller: &Caller, body: &Value) {
    caller.put("/api/sync/keys", body).ok();
}

#[test]
fn a_repeated_batch_is_stored_once_even_when_encrypted_again() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    let (id, sent) = (fresh_id(), changes("row", 3));
    let first = me.post(PUSH, &batch(&device, &id, &sent)).ok();
    me.push(&me.device("Phone"), vec![change("between")]);
    assert_eq!(me.post(PUSH, &batch(&device, &id, &sent)).ok(), first);
    assert_eq!(me.post(PUSH, &batch(&device, &id, &re_encrypted(&sent))).ok(), first);
    assert_eq!(me.total_changes(), 4);
    assert_eq!(me.pull_everything(&device)[0]["data"], sent[0]["data"], "the first one stands");
}

#[test]
fn a_repeated_batch_gets_the_same_answer_after_a_restart_and_after_a_crash() {
    let mut server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    let (id, sent) = (fresh_id(), changes("row", 3));
    let first = me.post(PUSH, &batch(&device, &id, &sent)).ok();
    server.restart();
    assert_eq!(me.post(PUSH, &batch(&device, &id, &sent)).ok(), first);
    server.kill();
    server.start_again();
    assert_eq!(me.post(PUSH, &batch(&device, &id, &re_encrypted(&sent))).ok(), first);
    assert_eq!(me.total_changes(), 3);
}

#[test]
fn an_acknowledged_push_survives_a_crash() {
    let mut server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    me.push(&device, changes("row", 500));
    server.kill();
    server.start_again();
    assert_eq!(me.pull_everything(&device).len(), 500);
    server.cli().run(&["check"]).json();
}

#[test]
fn a_batch_id_with_other_content_is_refused_and_gets_the_first_answer() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let (device, other) = (me.device("Laptop"), me.device("Phone"));
    let (id, sent) = (fresh_id(), changes("row", 2));
    let first = me.post(PUSH, &batch(&device, &id, &sent)).ok();
    let altered = |field: &str, value: Value| {
        let mut altered = sent.clone();
        altered[1][field] = value;
        altered
    };
    let mut reversed = sent.clone();
    reversed.reverse();
    let contents = [
        altered("table", json!("tags")),
        altered("op", json!("delete")),
        altered("row_id", json!("another")),
        altered("timestamp", json!(instant(1))),
        sent[..1].to_vec(),
        [sent.clone(), vec![change("more")]].concat(),
        reversed,
    ];
    for content in contents {
        let refusal = me.post(PUSH, &batch(&device, &id, &content)).expect_error(409, "batch_id_reused");
        assert_eq!(refusal["cursor"], first["cursor"]);
    }
    let by_another = me.post(PUSH, &batch(&other, &id, &sent)).expect_error(409, "batch_id_reused");
    assert_eq!(by_another["cursor"], first["cursor"]);
    assert_eq!(me.total_changes(), 2);
}

#[test]
fn the_answer_reports_the_seqs_of_the_batch() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let (laptop, phone) = (me.device("Laptop"), me.device("Phone"));
    me.push(&laptop, changes("row", 3));
    let response = me.post(PUSH, &batch(&phone, &fresh_id(), &changes("other", 2))).ok();
    let entries = me.pull_everything(&laptop);
    assert_eq!(entries[entries.len() - 1]["seq"], response["last_seq"]);
    assert_ne!(
        response["cursor"].as_str().unwrap().split('-').next().unwrap(),
        response["last_seq"].to_string()
    );
}

#[test]
fn the_same_batch_sent_many_times_at_once_is_stored_once() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    let body = batch(&device, &fresh_id(), &changes("row", 5));
    let responses: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| me.post(PUSH, &body).ok())).collect();
        threads.into_iter().map(|thread| thread.join().expect("a response")).collect()
    });
    assert!(responses.iter().all(|response| *response == responses[0]));
    assert_eq!(me.total_changes(), 5);
}

#[test]
fn a_refused_batch_leaves_its_id_free() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    let id = fresh_id();
    let mut faulty = changes("row", 2);
    faulty[1]["op"] = json!("upsert");
    me.post(PUSH, &batch(&device, &id, &faulty)).expect_error(422, "invalid_change");
    me.post(PUSH, &batch(&device, &id, &changes("row", 2))).ok();
    assert_eq!(me.total_changes(), 2);
}

#[test]
fn an_expected_cursor_refuses_a_push_if_the_log_has_entries_beyond_it() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let (laptop, phone) = (me.device("Laptop"), me.device("Phone"));
    let push = |device: &str, expected: &Value| {
        let mut body = batch(device, &fresh_id(), &[change("row")]);
        body["expected_cursor"] = expected.clone();
        me.post(PUSH, &body)
    };
    let first = push(&laptop, &json!(0)).ok()["cursor"].clone();
    push(&laptop, &json!(0)).expect_error(409, "log_moved");
    let second = push(&laptop, &first).ok()["cursor"].clone();
    push(&laptop, &second).ok();
    push(&phone, &json!("0")).expect_error(409, "log_moved");
    push(&phone, &first).expect_error(409, "log_moved");
    let mut caught_up = json!({"device_id": phone});
    me.pull_pages(&mut caught_up);
    push(&phone, &caught_up["cursor"]).ok();
    push(&laptop, &first).expect_error(409, "log_moved");
    assert_eq!(me.total_changes(), 4);
}

#[test]
fn a_repeat_is_answered_before_its_expected_cursor_is_checked() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let (laptop, phone) = (me.device("Laptop"), me.device("Phone"));
    let mut body = batch(&laptop, &fresh_id(), &[change("row")]);
    body["expected_cursor"] = json!(0);
    let first = me.post(PUSH, &body).ok();
    me.push(&phone, vec![change("between")]);
    assert_eq!(me.post(PUSH, &body).ok(), first);
}

#[test]
fn a_change_must_name_the_current_key_or_none() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    let push = |row: &str, version: Value| {
        let mut sealed = change(row);
        sealed["key_version"] = version;
        me.post(PUSH, &batch(&device, &fresh_id(), &[sealed]))
    };
    push("before any key", Value::Null).ok();
    put_key(&me, &json!({"encrypted_key": "a2V5"}));
    push("named", json!(1)).ok();
    push("not named", Value::Null).ok();
    for wrong in [0, 2, u32::MAX] {
        let refusal = push("wrong", json!(wrong)).expect_error(409, "key_version_conflict");
        assert_eq!(refusal["key_version"], 1);
    }
    put_key(&me, &json!({"encrypted_key": "bmV3", "key_version": 2}));
    assert_eq!(push("old", json!(1)).expect_error(409, "key_version_conflict")["key_version"], 2);
    push("new", json!(2)).ok();
    let versions: Vec<_> =
        me.pull_everything(&device).iter().map(|entry| entry["key_version"].clone()).collect();
    assert_eq!(versions, [0, 1, 1, 2]);
}

#[test]
fn status_counts_what_the_log_holds() {
    let mut server = Server::start();
    let me = server.signed_in_caller();
    let empty = me.get("/api/sync/status").ok();
    let counts = |status: &Value| {
        ["total_changes", "change_bytes", "blob_bytes", "devices", "key_version"]
            .map(|name| status[name].as_u64())
    };
    assert_eq!(counts(&empty), [Some(0); 5]);
    let device = me.device("Laptop");
    let mut sent = changes("row", 2);
    sent[0]["data"] = json!("12345");
    sent[1]["data"] = Value::Null;
    let cursor = me.push(&device, sent);
    put_key(&me, &json!({"encrypted_key": "a2V5"}));
    let status = me.get("/api/sync/status").ok();
    assert_eq!(counts(&status), [2, 5, 0, 1, 1].map(Some));
    assert_eq!(status["latest_cursor"], cursor);
    assert_eq!(status["quota_bytes"], Value::Null);
    server.restart();
    assert_eq!(counts(&me.get("/api/sync/status").ok()), counts(&status));
}

#[test]
fn a_wrong_key_version_is_reported_before_invalid_changes() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    put_key(&me, &json!({"encrypted_key": "a2V5"}));
    let faulty = [
        json!({"table": "!", "op": "insert", "row_id": "1", "timestamp": instant(1), "key_version": 7}),
        json!({"table": 5, "op": "insert", "row_id": "1", "timestamp": "yesterday", "key_version": 7}),
    ];
    for change in faulty {
        let response = me.post(PUSH, &batch(&device, &fresh_id(), &[change]));
        assert_eq!(response.expect_error(409, "key_version_conflict")["key_version"], 1);
    }
}

#[test]
fn a_repeat_whose_data_is_now_too_large_is_still_the_same_batch() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    let (id, mut sent) = (fresh_id(), changes("row", 1));
    let first = me.post(PUSH, &batch(&device, &id, &sent)).ok();
    sent[0]["data"] = json!("x".repeat(1024 * 1024 + 1));
    assert_eq!(me.post(PUSH, &batch(&device, &id, &sent)).ok(), first);
    sent[0]["row_id"] = json!("another");
    me.post(PUSH, &batch(&device, &id, &sent)).expect_error(409, "batch_id_reused");
    sent[0]["data"] = json!(5);
    me.post(PUSH, &batch(&device, &id, &sent)).expect_error(422, "invalid_change");
}
