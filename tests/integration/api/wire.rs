//! Two clients written from the original documentation, and the guarantees that it gives them.

use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Dialect, Server, SyncClient, change, fresh_id};

const DIALECTS: [Dialect; 2] = [Dialect::Plain, Dialect::Number];

fn caller_with_dialect(server: &Server, dialect: Dialect) -> Caller {
    let app = match dialect {
        Dialect::Plain => server.new_app("Plain"),
        Dialect::Number => server.new_number_app("Number"),
    };
    let user = server.new_user(&format!("{dialect:?}@example.org"));
    server.sign_in(&user, &app)
}

fn with_each_dialect(test: impl Fn(&Caller, Dialect)) {
    let server = Server::start();
    for dialect in DIALECTS {
        test(&caller_with_dialect(&server, dialect), dialect);
    }
}

#[test]
fn the_other_devices_receive_a_write_and_its_author_does_not() {
    with_each_dialect(|caller, dialect| {
        let mut laptop = SyncClient::install(caller, dialect, "Laptop");
        let mut phone = SyncClient::install(caller, dialect, "Phone");
        laptop.write("one");
        laptop.write("two");
        laptop.sync();
        phone.write("three");
        phone.sync();
        laptop.sync();
        assert_eq!(phone.received, ["one", "two"]);
        assert_eq!(laptop.received, ["three"]);
    });
}

#[test]
fn a_client_that_pushes_before_its_first_pull_misses_nothing() {
    with_each_dialect(|caller, dialect| {
        let mut early = SyncClient::install(caller, dialect, "Early");
        early.write("first");
        early.sync();
        let mut late = SyncClient::install(caller, dialect, "Late");
        late.write("second");
        late.push();
        late.sync();
        assert_eq!(late.received, ["first"]);
    });
}

#[test]
fn a_push_does_not_skip_unseen_changes_of_others() {
    with_each_dialect(|caller, dialect| {
        let mut laptop = SyncClient::install(caller, dialect, "Laptop");
        let mut phone = SyncClient::install(caller, dialect, "Phone");
        laptop.sync();
        phone.write("unseen");
        phone.sync();
        for row in ["mine", "mine too"] {
            laptop.write(row);
            laptop.push();
        }
        phone.write("unseen as well");
        phone.sync();
        laptop.sync();
        assert_eq!(laptop.received, ["unseen", "unseen as well"]);
        assert_eq!(phone.received, ["mine", "mine too"]);
    });
}

#[test]
fn an_up_to_date_client_continues_after_its_own_push() {
    with_each_dialect(|caller, dialect| {
        let mut laptop = SyncClient::install(caller, dialect, "Laptop");
        laptop.write("one");
        laptop.push();
        let head = caller.get("/api/sync/status").ok()["latest_cursor"].clone();
        assert_eq!(laptop.cursor, head);
    });
}

#[test]
fn a_reinstalled_device_receives_its_earlier_changes_once_and_not_later_ones() {
    with_each_dialect(|caller, dialect| {
        let mut laptop = SyncClient::install(caller, dialect, "Laptop");
        for row in ["a", "b", "c"] {
            laptop.write(row);
            laptop.sync();
        }
        assert_eq!(laptop.received, [""; 0]);
        let mut again = SyncClient::install(caller, dialect, "Laptop");
        assert_eq!(again.device, laptop.device);
        again.sync();
        again.write("d");
        again.sync();
        assert_eq!(again.received, ["a", "b", "c"]);
    });
}

#[test]
fn a_reinstalled_device_that_writes_between_two_pages_still_receives_all_earlier_changes() {
    with_each_dialect(|caller, dialect| {
        let mut laptop = SyncClient::install(caller, dialect, "Laptop");
        for row in ["a", "b", "c", "d"] {
            laptop.write(row);
        }
        laptop.sync();
        let mut again = SyncClient::install(caller, dialect, "Laptop");
        assert!(again.pull_page(Some(2)), "half of it has not been pulled yet");
        again.write("e");
        again.sync();
        assert_eq!(again.received, ["a", "b", "c", "d"]);
    });
}

#[test]
fn an_empty_log_returns_a_cursor_that_is_not_the_start() {
    with_each_dialect(|caller, dialect| {
        let mut laptop = SyncClient::install(caller, dialect, "Laptop");
        assert!(!laptop.pull_page(None));
        let cursor_before = laptop.cursor.clone();
        laptop.write("mine");
        laptop.push();
        laptop.cursor = cursor_before;
        while laptop.pull_page(None) {}
        assert_eq!(laptop.received, [""; 0], "its own changes are not reported");
    });
}

#[test]
fn every_documented_spelling_of_the_start_pulls_from_the_beginning() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let writer = caller.device("Writer");
    caller.push(&writer, vec![change("one")]);
    let reader = caller.device("Reader");
    let start = |cursor: Option<Value>| {
        let mut request = json!({"device_id": reader});
        if let Some(cursor) = cursor {
            request["cursor"] = cursor;
        }
        caller.post("/api/sync/pull", &request).ok()["changes"][0]["row_id"].clone()
    };
    for cursor in [None, Some(Value::Null), Some(json!("")), Some(json!(0)), Some(json!("0"))] {
        assert_eq!(start(cursor), "one");
    }
}

#[test]
fn a_change_comes_back_as_sent_with_its_device_and_seq() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let writer = caller.device("Writer");
    let sent = [
        json!({"table": "T_9", "op": "DELETE", "row_id": "räksmörgås / 1", "timestamp": "2026-03-13T12:00:00.1234567+02:00"}),
        json!({"table": "t", "op": "Update", "row_id": "\u{1F980}", "timestamp": "0001-01-01T00:00:00Z", "data": ""}),
        json!({"table": "t", "op": "insert", "row_id": " ", "timestamp": "9999-12-31T23:59:59Z", "data": "\u{0}\n\"\\ü"}),
    ];
    caller.push(&writer, sent.to_vec());
    let reader = caller.device("Reader");
    let page = caller.post("/api/sync/pull", &json!({"device_id": reader})).ok();
    let got = page["changes"].as_array().expect("changes");
    let times = ["2026-03-13T10:00:00.123456Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"];
    for ((sent, got), time) in sent.iter().zip(got).zip(times) {
        for field in ["table", "op", "row_id", "data"] {
            assert_eq!(sent[field], got[field], "{field} was altered");
        }
        assert_eq!(got["timestamp"], time, "a time is in UTC and floored to the microsecond");
        assert_eq!(got["device_id"], Value::from(writer.clone()));
    }
    let seqs: Vec<_> = got.iter().map(|entry| entry["seq"].as_i64().expect("seq")).collect();
    assert!(seqs.is_sorted_by(|one, next| one < next), "{seqs:?} is not ascending");
    assert_eq!(page["has_more"], false);
}

#[test]
fn an_operation_in_mixed_case_comes_back_in_lower_case() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let device = caller.device("Laptop");
    let mixed = |op| json!({"table": "t", "op": op, "row_id": "1", "timestamp": "2026-03-13T10:00:00Z"});
    caller.push(&device, ["iNSERT", "upDate", "DELETe"].map(mixed).to_vec());
    let page = caller.post("/api/sync/pull", &json!({"device_id": device})).ok();
    let ops: Vec<_> = page["changes"].as_array().expect("changes").iter().map(|entry| &entry["op"]).collect();
    assert_eq!(ops, ["insert", "update", "delete"]);
}

#[test]
fn both_api_prefixes_serve_the_same_log() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let device = caller.device("Laptop");
    let batch = json!({"device_id": device, "batch_id": fresh_id(), "changes": [change("one")]});
    let first = caller.post("/api/v1/sync/push", &batch).ok();
    assert_eq!(caller.post("/api/sync/push", &batch).ok(), first);
    assert_eq!(caller.get("/api/v1/sync/status").ok(), caller.get("/api/sync/status").ok());
}

#[test]
fn unknown_request_fields_are_ignored() {
    let server = Server::start();
    let caller = server.signed_in_caller();
    let device = caller.device("Laptop");
    let mut odd = change("one");
    odd["colour"] = json!({"red": [1, 2]});
    let batch = json!({"device_id": device, "batch_id": fresh_id(), "changes": [odd], "mood": null});
    caller.post("/api/sync/push", &batch).ok();
    caller.post("/api/sync/pull", &json!({"device_id": device, "verbose": true})).ok();
}

#[test]
fn switching_an_app_to_integer_cursors_takes_effect_at_once() {
    let server = Server::start();
    let app = server.new_app("Notes");
    let me = server.sign_in(&server.new_user("ada@example.org"), &app);
    let device = me.device("Laptop");
    let before = me.push(&device, vec![change("one")]);
    assert!(before.is_string());
    server.cli().run(&["app", "set", "Notes", "cursor_format=number"]).json();
    let pull = me.post("/api/sync/pull", &json!({"device_id": device, "cursor": before})).ok();
    assert!(pull["cursor"].is_i64(), "{pull}");
    assert!(me.push(&device, vec![change("two")]).is_i64());
    assert!(me.get("/api/sync/status").ok()["latest_cursor"].is_i64());
}
