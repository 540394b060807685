//! Every limit on a push: the status, a body that names each fault and its place, and no side effects.

use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Server, ServerSetup, change, changes, fresh_id};

const PUSH: &str = "/api/sync/push";

/// A caller whose log holds one change, to detect that a refused push added some.
struct Fixture {
    _server: Server,
    me: Caller,
    device: String,
}

impl Fixture {
    fn new() -> Self {
        Self::on(Server::start())
    }

    fn on(server: Server) -> Self {
        let me = server.signed_in_caller();
        let device = me.device("Laptop");
        me.push(&device, vec![change("first")]);
        Self { _server: server, me, device }
    }

    fn batch(&self, changes: Value) -> Value {
        json!({"device_id": self.device, "batch_id": fresh_id(), "changes": changes})
    }

    /// Expects these changes to be refused for exactly these faults.
    #[track_caller]
    fn assert_faults(&self, changes: Vec<Value>, faults: &[(usize, &str)]) {
        let body = self.me.post(PUSH, &self.batch(json!(changes))).expect_error(422, "invalid_change");
        let named: Vec<_> =
            body["changes"].as_array().expect("a list of faults").iter().map(place_of).collect();
        let expected: Vec<_> = faults.iter().map(|(index, field)| (*index, (*field).to_owned())).collect();
        assert_eq!(named, expected, "{body}");
        self.holds_only_the_first();
    }

    #[track_caller]
    fn holds_only_the_first(&self) {
        assert_eq!(self.me.total_changes(), 1, "a refused push had side effects");
        assert_eq!(self.me.pull_everything(&self.device).len(), 1);
    }
}

fn place_of(fault: &Value) -> (usize, String) {
    assert!(
        fault["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
        "a fault without an explanation: {fault}"
    );
    let index = fault["index"].as_u64().expect("an index") as usize;
    (index, fault["field"].as_str().expect("a field").to_owned())
}

fn with(field: &str, value: Value) -> Value {
    let mut faulty = change("row");
    faulty[field] = value;
    faulty
}

fn without(field: &str) -> Value {
    let mut faulty = change("row");
    faulty.as_object_mut().expect("an object").remove(field);
    faulty
}

#[test]
fn the_limits_are_public_and_match_the_protocol() {
    let server = Server::start();
    let limits = server.anonymous().get("/api/sync/limits").ok();
    let documented = [
        ("max_changes_per_push", 500),
        ("max_entries_per_page", 500),
        ("max_data_bytes", 1024 * 1024),
        ("max_body_bytes", 16 * 1024 * 1024),
        ("max_table_chars", 100),
        ("max_row_id_chars", 255),
        ("max_device_name_chars", 255),
        ("max_envelope_bytes", 4096),
        ("max_password_bytes", 128),
        ("max_scanned_per_page", 10_000),
    ];
    for (name, value) in documented {
        assert_eq!(limits[name], value, "{name}");
    }
}

#[test]
fn values_at_their_limits_are_accepted() {
    let fixture = Fixture::new();
    let mut most = changes("row", 500);
    most[0]["table"] = json!("t".repeat(100));
    most[1]["row_id"] = json!("ü".repeat(255));
    most[2]["data"] = json!("x".repeat(1024 * 1024));
    most[3]["data"] = Value::Null;
    most[4].as_object_mut().expect("an object").remove("data");
    fixture.me.push(&fixture.device, most.clone());
    let stored = fixture.me.pull_everything(&fixture.device);
    assert_eq!(stored.len(), 501);
    for (sent, got) in most.iter().zip(&stored[1..]) {
        assert_eq!(
            (&sent["table"], &sent["row_id"], &sent["data"]),
            (&got["table"], &got["row_id"], &got["data"])
        );
    }
}

#[test]
fn a_batch_of_no_or_too_many_changes_is_refused() {
    let fixture = Fixture::new();
    let none = fixture.me.post(PUSH, &fixture.batch(json!([]))).expect_error(422, "invalid_field");
    assert_eq!(none["field"], "changes");
    fixture.me.post(PUSH, &fixture.batch(json!(changes("row", 501)))).expect_error(422, "too_many_changes");
    fixture
        .me
        .post(PUSH, &fixture.batch(json!(changes("row", 20_000))))
        .expect_error(422, "too_many_changes");
    fixture.holds_only_the_first();
}

#[test]
fn a_table_name_has_a_length_limit_and_plain_characters() {
    let fixture = Fixture::new();
    for table in ["", &"t".repeat(101), "a b", "a-b", "a.b", "täble", "t\u{0}", "\u{661}", "a\n"] {
        fixture.assert_faults(vec![with("table", json!(table))], &[(0, "table")]);
    }
}

#[test]
fn a_row_id_is_neither_empty_nor_too_long_nor_has_control_characters() {
    let fixture = Fixture::new();
    for row in ["", &"r".repeat(256), &"ü".repeat(256), "a\u{0}b", "a\nb", "\u{7f}", "\u{85}"] {
        fixture.assert_faults(vec![with("row_id", json!(row))], &[(0, "row_id")]);
    }
}

#[test]
fn an_op_is_insert_update_or_delete() {
    let fixture = Fixture::new();
    for op in ["", "upsert", "insert ", "ins", "\u{131}nsert", "DELETE;"] {
        fixture.assert_faults(vec![with("op", json!(op))], &[(0, "op")]);
    }
}

#[test]
fn a_timestamp_is_an_rfc_3339_time() {
    let fixture = Fixture::new();
    let faulty = [
        json!("yesterday"),
        json!(""),
        json!("2026-03-13"),
        json!("2026-03-13T10:00:00"),
        json!("2026-13-01T00:00:00Z"),
        json!("2026-02-30T00:00:00Z"),
        json!("+12026-03-13T10:00:00Z"),
        json!("0000-01-01T00:00:00+23:59"),
        json!(1_773_396_000),
        Value::Null,
    ];
    for time in faulty {
        fixture.assert_faults(vec![with("timestamp", time)], &[(0, "timestamp")]);
    }
}

#[test]
fn data_over_a_mebibyte_is_refused() {
    let fixture = Fixture::new();
    fixture.assert_faults(
        vec![change("fine"), with("data", json!("x".repeat(1024 * 1024 + 1)))],
        &[(1, "data")],
    );
    fixture.assert_faults(vec![with("data", json!("ü".repeat(512 * 1024 + 1)))], &[(0, "data")]);
}

#[test]
fn a_missing_or_mistyped_field_is_named_with_its_index() {
    let fixture = Fixture::new();
    let odd_values = [json!(7), json!(1.5), json!(true), json!([]), json!({}), Value::Null];
    for field in ["table", "op", "row_id", "timestamp"] {
        for odd in &odd_values {
            fixture.assert_faults(vec![change("fine"), with(field, odd.clone())], &[(1, field)]);
        }
        fixture.assert_faults(vec![change("fine"), change("fine too"), without(field)], &[(2, field)]);
    }
    for odd in [json!(7), json!(true), json!(["x"]), json!({"x": 1})] {
        fixture.assert_faults(vec![with("data", odd)], &[(0, "data")]);
    }
    for odd in [json!("1"), json!(-1), json!(1.5), json!(u64::MAX), json!([1])] {
        fixture.assert_faults(vec![with("key_version", odd)], &[(0, "key_version")]);
    }
}

#[test]
fn every_error_of_every_change_is_listed() {
    let fixture = Fixture::new();
    let worst = json!({"table": "a b", "op": "upsert", "row_id": "", "timestamp": "never", "data": 1});
    let mut batch =
        vec![change("fine"), worst, change("fine too"), with("op", json!("x")), without("row_id")];
    batch.push(json!("not an object"));
    let body = fixture.me.post(PUSH, &fixture.batch(json!(batch))).expect_error(422, "invalid_change");
    let mut named: Vec<_> =
        body["changes"].as_array().expect("a list of faults").iter().map(place_of).collect();
    named.sort();
    let of_worst = ["data", "op", "row_id", "table", "timestamp"].map(|field| (1, field.to_owned()));
    assert_eq!(named[..5], of_worst);
    assert_eq!(named[5..7], [(3, "op".to_owned()), (4, "row_id".to_owned())]);
    assert!(named.len() == 8 && named[7].0 == 5, "{body}");
    fixture.holds_only_the_first();
}

#[test]
fn five_hundred_invalid_changes_get_five_hundred_errors() {
    let fixture = Fixture::new();
    let faulty = vec![with("op", json!("upsert")); 500];
    let faults: Vec<_> = (0..500).map(|index| (index, "op")).collect();
    fixture.assert_faults(faulty, &faults);
}

#[test]
fn an_error_of_the_batch_itself_names_its_field() {
    let fixture = Fixture::new();
    let faulty = [
        ("device_id", json!("no uuid")),
        ("device_id", json!(7)),
        ("device_id", Value::Null),
        ("batch_id", json!("")),
        ("batch_id", json!([])),
        ("batch_id", Value::Null),
        ("changes", json!("none")),
        ("changes", json!({})),
        ("changes", Value::Null),
        ("expected_cursor", json!("12-x")),
        ("expected_cursor", json!(-3)),
        ("expected_cursor", json!(true)),
    ];
    for (field, value) in faulty {
        let mut batch = fixture.batch(json!([change("row")]));
        batch[field] = value;
        let body = fixture.me.post(PUSH, &batch).expect_error(422, "invalid_field");
        assert_eq!(body["field"], json!(field), "{body}");
    }
    fixture.holds_only_the_first();
}

#[test]
fn a_body_over_the_configured_limit_is_refused() {
    let cap = 64 * 1024;
    let fixture =
        Fixture::on(ServerSetup::default().with("TIDELOG_MAX_BODY_BYTES", &cap.to_string()).start());
    assert_eq!(fixture.me.get("/api/sync/limits").ok()["max_body_bytes"], cap);
    let batch = fixture.batch(json!([with("data", json!("x".repeat(cap)))]));
    fixture.me.post(PUSH, &batch).expect_error(413, "too_large");
    fixture.holds_only_the_first();
    let fitting = fixture.batch(json!([with("data", json!("x".repeat(cap - 400)))]));
    fixture.me.post(PUSH, &fitting).ok();
}

#[test]
fn a_body_over_the_default_limit_is_refused() {
    let fixture = Fixture::new();
    let huge = vec![b' '; 16 * 1024 * 1024 + 1];
    let response = fixture.me.send(reqwest::Method::POST, PUSH, Some("application/json"), &huge);
    response.expect_error(413, "too_large");
    fixture.holds_only_the_first();
}

#[test]
fn a_device_that_may_not_push_is_refused_before_its_changes_are_validated() {
    let fixture = Fixture::new();
    let mut batch = fixture.batch(json!([with("op", json!("upsert"))]));
    batch["device_id"] = json!(fresh_id());
    fixture.me.post(PUSH, &batch).expect_error(404, "not_found");
}
