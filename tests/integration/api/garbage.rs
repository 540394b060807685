//! Bodies that are not valid requests, JSON or not: always a 4xx in the common error format, and no side effects.

use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use tidelog_test_kit::{Caller, SeededRng, Server, change, fresh_id};

pub(super) const JSON: Option<&str> = Some("application/json");

/// Every operation that takes a body.
pub(super) const WITH_BODY: [(Method, &str); 6] = [
    (Method::POST, "/api/sync/auth"),
    (Method::POST, "/api/sync/auth/refresh"),
    (Method::POST, "/api/sync/devices"),
    (Method::POST, "/api/sync/push"),
    (Method::POST, "/api/sync/pull"),
    (Method::PUT, "/api/sync/keys"),
];

/// Nesting depth that would overflow the stack of a recursive parser without a limit.
const NESTING_DEPTH: usize = 100_000;

/// A caller with one device, one change and no key.
pub(super) struct Fixture {
    pub(super) server: Server,
    pub(super) me: Caller,
    pub(super) device: String,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let server = Server::start();
        let me = server.signed_in_caller();
        let device = me.device("Laptop");
        me.push(&device, vec![change("first")]);
        Self { server, me, device }
    }

    /// Sends these bytes to every operation that takes a body; all must answer 4xx.
    #[track_caller]
    fn all_refuse(&self, body: &[u8]) {
        for (method, path) in WITH_BODY {
            let response = self.me.send(method, path, JSON, body);
            assert!(
                (400..500).contains(&response.status),
                "{} took it: {}",
                response.request_line(),
                response.text()
            );
        }
    }

    pub(super) fn push_body(&self, change: &str) -> String {
        format!(r#"{{"device_id":"{}","batch_id":"{}","changes":[{change}]}}"#, self.device, fresh_id())
    }

    #[track_caller]
    pub(super) fn nothing_was_left_behind(&self) {
        assert_eq!(self.me.total_changes(), 1);
        assert_eq!(self.me.get("/api/sync/devices").ok().as_array().map(Vec::len), Some(1));
        self.me.get("/api/sync/keys").expect_error(404, "not_found");
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
    }
}

#[test]
fn a_body_that_is_not_json_is_malformed() {
    let fixture = Fixture::new();
    let bodies: [&[u8]; 10] = [
        b"",
        b" ",
        b"{",
        b"{\"a\":",
        b"}",
        b"hello",
        b"{'a': 1}",
        b"{\"a\":1,}",
        b"\xff\xfe",
        b"\x00\x00\x00\x00",
    ];
    for body in bodies {
        for (method, path) in WITH_BODY {
            let response = fixture.me.send(method, path, JSON, body);
            assert_eq!(
                response.status,
                400,
                "{} took {body:?} as {}",
                response.request_line(),
                response.text()
            );
        }
    }
    fixture.nothing_was_left_behind();
}

#[test]
fn json_of_the_wrong_shape_is_refused_with_422() {
    let fixture = Fixture::new();
    for body in ["null", "true", "7", "\"text\"", "[]", "[[]]", "{}", "[{\"device_name\":\"x\"}]"] {
        for (method, path) in WITH_BODY {
            let response = fixture.me.send(method, path, JSON, body.as_bytes());
            assert_eq!(
                response.status,
                422,
                "{} took {body} as {}",
                response.request_line(),
                response.text()
            );
        }
    }
    fixture.nothing_was_left_behind();
}

#[test]
fn an_array_is_not_accepted_as_an_object() {
    let fixture = Fixture::new();
    let pull = json!([fixture.device]);
    fixture.me.post("/api/sync/pull", &pull).expect_error(422, "invalid_field");
    fixture.me.post("/api/sync/devices", &json!(["Phone", "linux"])).expect_error(422, "invalid_field");
    fixture.me.put("/api/sync/keys", &json!(["c2VhbGVk"])).expect_error(422, "invalid_field");
    let batch = json!([fixture.device, fresh_id(), [change("row")]]);
    fixture.me.post("/api/sync/push", &batch).expect(422);
    fixture.nothing_was_left_behind();
}

#[test]
fn an_array_is_not_accepted_as_a_change() {
    let fixture = Fixture::new();
    let row = json!(["notes", "insert", "row", "2026-03-13T10:00:00Z", "c2VhbGVk", null]);
    let batch = json!({"device_id": fixture.device, "batch_id": fresh_id(), "changes": [row]});
    fixture.me.post("/api/sync/push", &batch).expect_error(422, "invalid_change");
    fixture.nothing_was_left_behind();
}

#[test]
fn trailing_bytes_after_the_json_are_refused() {
    let fixture = Fixture::new();
    let request = json!({"device_id": fixture.device});
    for rest in ["{}", "x", ",", "\u{0}"] {
        let body = format!("{request} {rest}");
        fixture
            .me
            .send(Method::POST, "/api/sync/pull", JSON, body.as_bytes())
            .expect_error(400, "malformed_request");
    }
}

#[test]
fn deeply_nested_json_is_refused() {
    let fixture = Fixture::new();
    fixture.all_refuse("[".repeat(NESTING_DEPTH).as_bytes());
    fixture.all_refuse(("[".repeat(NESTING_DEPTH) + &"]".repeat(NESTING_DEPTH)).as_bytes());
    fixture.all_refuse("{\"a\":".repeat(NESTING_DEPTH).as_bytes());
    fixture.all_refuse(("{\"changes\":".repeat(NESTING_DEPTH) + "1" + &"}".repeat(NESTING_DEPTH)).as_bytes());
    let ignored = format!("{}{}", "[".repeat(NESTING_DEPTH), "]".repeat(NESTING_DEPTH));
    let hidden = fixture.push_body(&format!(r#"{{"table":{ignored}}}"#));
    let response = fixture.me.send(Method::POST, "/api/sync/push", JSON, hidden.as_bytes());
    assert!(matches!(response.status, 400 | 422));
    fixture.nothing_was_left_behind();
}

#[test]
fn huge_numbers_are_refused() {
    let fixture = Fixture::new();
    for number in
        ["1e400", "-1e400", "1180591620717411303424", "-1180591620717411303424", &"9".repeat(10_000)]
    {
        let pull = format!(r#"{{"device_id":"{}","cursor":{number}}}"#, fixture.device);
        let limit = format!(r#"{{"device_id":"{}","limit":{number}}}"#, fixture.device);
        for body in [pull, limit] {
            let response = fixture.me.send(Method::POST, "/api/sync/pull", JSON, body.as_bytes());
            assert!(matches!(response.status, 400 | 422), "{number}: {}", response.text());
        }
        let versioned = format!(
            r#"{{"table":"t","op":"insert","row_id":"r","timestamp":"2026-03-13T10:00:00Z","key_version":{number}}}"#
        );
        let body = fixture.push_body(&versioned);
        let response = fixture.me.send(Method::POST, "/api/sync/push", JSON, body.as_bytes());
        assert!(matches!(response.status, 400 | 422), "{number}: {}", response.text());
        let put = format!(r#"{{"encrypted_key":"c2VhbGVk","expected_revision":{number}}}"#);
        let response = fixture.me.send(Method::PUT, "/api/sync/keys", JSON, put.as_bytes());
        assert!(matches!(response.status, 400 | 422), "{number}: {}", response.text());
    }
    fixture.nothing_was_left_behind();
}

#[test]
fn lone_surrogates_are_refused_wherever_text_may_stand() {
    let fixture = Fixture::new();
    for lone in [r"\ud800", r"\udfff", r"\ud800\ud800", r"\udc00\ud800"] {
        for field in ["table", "op", "row_id", "timestamp", "data"] {
            let mut fields =
                json!({"table": "t", "op": "insert", "row_id": "r", "timestamp": "2026-03-13T10:00:00Z"});
            fields[field] = json!("LONE");
            let body = fixture.push_body(&fields.to_string().replace("LONE", lone));
            let response = fixture.me.send(Method::POST, "/api/sync/push", JSON, body.as_bytes());
            assert!(matches!(response.status, 400 | 422), "{lone} as {field}: {}", response.text());
        }
        let name = format!(r#"{{"device_name":"{lone}","platform":"linux"}}"#);
        let response = fixture.me.send(Method::POST, "/api/sync/devices", JSON, name.as_bytes());
        assert!(matches!(response.status, 400 | 422), "{lone} as a name: {}", response.text());
    }
    fixture.nothing_was_left_behind();
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let fixture = Fixture::new();
    fixture.all_refuse(
        b"{\"device_name\":\"a\xffb\",\"platform\":\"linux\",\"encrypted_key\":\"a2V5\xc3\x28\"}",
    );
    let row = change("LATIN").to_string();
    let body = fixture.push_body(&row).replace("LATIN", "\u{1}").into_bytes();
    let latin: Vec<_> = body.into_iter().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect();
    let response = fixture.me.send(Method::POST, "/api/sync/push", JSON, &latin);
    assert!(matches!(response.status, 400 | 422), "{}", response.text());
    fixture.nothing_was_left_behind();
}

#[test]
fn nul_bytes_are_refused() {
    let fixture = Fixture::new();
    for body in [
        "{\"device_name\":\"a\u{0}b\",\"platform\":\"linux\"}",
        r#"{"device_name":"a\u0000b","platform":"linux"}"#,
    ] {
        let response = fixture.me.send(Method::POST, "/api/sync/devices", JSON, body.as_bytes());
        assert!(matches!(response.status, 400 | 422), "{}", response.text());
    }
    let key = json!({"encrypted_key": "c2Vh\u{0}bGVk"});
    fixture.me.put("/api/sync/keys", &key).expect(422);
    let sign_in = json!({"email": "a\u{0}@b", "password": "p\u{0}", "api_key": "\u{0}"});
    fixture.me.post("/api/sync/auth", &sign_in).expect(401);
    fixture.nothing_was_left_behind();
}

#[test]
fn a_duplicate_field_is_refused() {
    let fixture = Fixture::new();
    let body = format!(r#"{{"device_id":"{0}","device_id":"{0}"}}"#, fixture.device);
    let response = fixture.me.send(Method::POST, "/api/sync/pull", JSON, body.as_bytes());
    assert!(matches!(response.status, 400 | 422), "{}", response.text());
}

/// Any JSON, shallow enough to be parsed, with the protocol's own field names among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let names = "device_id|batch_id|changes|cursor|limit|tables|since|include_own|table|op|row_id|timestamp|data|\
                 key_version|encrypted_key|expected_revision|expected_cursor|device_name|platform|install_id|email|\
                 password|api_key|refresh_token|other";
    let names: Vec<_> = names.split('|').collect();
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(names.clone()), inner, 0..6).prop_map(
                |fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            ),
        ]
    })
}

#[test]
fn random_bytes_are_refused_by_every_operation() {
    let fixture = Fixture::new();
    let body = prop::collection::vec(any::<u8>(), 0..200);
    let outcome = SeededRng::property_runner(50).run(&body, |body| {
        // Random bytes are sometimes valid JSON: a number, which is no valid request either.
        fixture.all_refuse(&body);
        Ok(())
    });
    outcome.unwrap_or_else(|fault| panic!("{fault}"));
    fixture.nothing_was_left_behind();
}

#[test]
fn random_json_is_refused_by_every_operation() {
    let fixture = Fixture::new();
    let outcome = SeededRng::property_runner(100).run(&any_json(), |body| {
        fixture.all_refuse(body.to_string().as_bytes());
        Ok(())
    });
    outcome.unwrap_or_else(|fault| panic!("{fault}"));
    fixture.nothing_was_left_behind();
}
