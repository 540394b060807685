//! Bodies that are no requests at all: always a 4xx in the form of every error, and nothing left behind.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Caller, Dice, Server, change, fresh_id};

const JSON: Option<&str> = Some("application/json");

/// Every operation that takes a body.
const WITH_BODY: [(Method, &str); 6] = [
    (Method::POST, "/api/sync/auth"),
    (Method::POST, "/api/sync/auth/refresh"),
    (Method::POST, "/api/sync/devices"),
    (Method::POST, "/api/sync/push"),
    (Method::POST, "/api/sync/pull"),
    (Method::PUT, "/api/sync/keys"),
];

/// How deep a parser must refuse to go, or go without a stack of its own.
const DEEP: usize = 100_000;

/// Somebody with one device, one change and no key.
struct Scene {
    server: Server,
    me: Caller,
    device: String,
}

impl Scene {
    fn set() -> Self {
        let server = Server::start();
        let me = server.somebody();
        let device = me.device("Laptop");
        me.push(&device, vec![change("first")]);
        Self { server, me, device }
    }

    /// Sends these bytes to every operation that takes a body; all refuse them as a fault of the caller.
    #[track_caller]
    fn all_refuse(&self, body: &[u8]) {
        for (method, path) in WITH_BODY {
            let answer = self.me.send(method, path, JSON, body);
            assert!((400..500).contains(&answer.status), "{} took it: {}", answer.what(), answer.text());
        }
    }

    fn push_body(&self, change: &str) -> String {
        format!(r#"{{"device_id":"{}","batch_id":"{}","changes":[{change}]}}"#, self.device, fresh_id())
    }

    #[track_caller]
    fn nothing_was_left_behind(&self) {
        assert_eq!(self.me.total_changes(), 1);
        assert_eq!(self.me.get("/api/sync/devices").ok().as_array().map(Vec::len), Some(1));
        self.me.get("/api/sync/keys").refused(404, "not_found");
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
    }
}

#[test]
fn what_is_no_json_is_malformed() {
    let scene = Scene::set();
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
            let answer = scene.me.send(method, path, JSON, body);
            assert_eq!(answer.status, 400, "{} took {body:?} as {}", answer.what(), answer.text());
        }
    }
    scene.nothing_was_left_behind();
}

#[test]
fn json_of_the_wrong_shape_is_refused_with_422() {
    let scene = Scene::set();
    for body in ["null", "true", "7", "\"text\"", "[]", "[[]]", "{}", "[{\"device_name\":\"x\"}]"] {
        for (method, path) in WITH_BODY {
            let answer = scene.me.send(method, path, JSON, body.as_bytes());
            assert_eq!(answer.status, 422, "{} took {body} as {}", answer.what(), answer.text());
        }
    }
    scene.nothing_was_left_behind();
}

#[test]
fn a_list_is_not_taken_for_an_object() {
    let scene = Scene::set();
    let pull = json!([scene.device]);
    scene.me.post("/api/sync/pull", &pull).refused(422, "invalid_field");
    scene.me.post("/api/sync/devices", &json!(["Phone", "linux"])).refused(422, "invalid_field");
    scene.me.put("/api/sync/keys", &json!(["c2VhbGVk"])).refused(422, "invalid_field");
    let batch = json!([scene.device, fresh_id(), [change("row")]]);
    scene.me.post("/api/sync/push", &batch).expect(422);
    scene.nothing_was_left_behind();
}

#[test]
fn a_list_is_not_taken_for_a_change() {
    let scene = Scene::set();
    let row = json!(["notes", "insert", "row", "2026-03-13T10:00:00Z", "c2VhbGVk", null]);
    let batch = json!({"device_id": scene.device, "batch_id": fresh_id(), "changes": [row]});
    scene.me.post("/api/sync/push", &batch).refused(422, "invalid_change");
    scene.nothing_was_left_behind();
}

#[test]
fn what_follows_after_the_json_is_refused() {
    let scene = Scene::set();
    let request = json!({"device_id": scene.device});
    for rest in ["{}", "x", ",", "\u{0}"] {
        let body = format!("{request} {rest}");
        scene
            .me
            .send(Method::POST, "/api/sync/pull", JSON, body.as_bytes())
            .refused(400, "malformed_request");
    }
}

#[test]
fn deep_json_is_refused() {
    let scene = Scene::set();
    scene.all_refuse("[".repeat(DEEP).as_bytes());
    scene.all_refuse(("[".repeat(DEEP) + &"]".repeat(DEEP)).as_bytes());
    scene.all_refuse("{\"a\":".repeat(DEEP).as_bytes());
    scene.all_refuse(("{\"changes\":".repeat(DEEP) + "1" + &"}".repeat(DEEP)).as_bytes());
    let ignored = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let hidden = scene.push_body(&format!(r#"{{"table":{ignored}}}"#));
    let answer = scene.me.send(Method::POST, "/api/sync/push", JSON, hidden.as_bytes());
    assert!(matches!(answer.status, 400 | 422));
    scene.nothing_was_left_behind();
}

#[test]
fn huge_numbers_are_refused() {
    let scene = Scene::set();
    for number in
        ["1e400", "-1e400", "1180591620717411303424", "-1180591620717411303424", &"9".repeat(10_000)]
    {
        let pull = format!(r#"{{"device_id":"{}","cursor":{number}}}"#, scene.device);
        let limit = format!(r#"{{"device_id":"{}","limit":{number}}}"#, scene.device);
        for body in [pull, limit] {
            let answer = scene.me.send(Method::POST, "/api/sync/pull", JSON, body.as_bytes());
            assert!(matches!(answer.status, 400 | 422), "{number}: {}", answer.text());
        }
        let versioned = format!(
            r#"{{"table":"t","op":"insert","row_id":"r","timestamp":"2026-03-13T10:00:00Z","key_version":{number}}}"#
        );
        let body = scene.push_body(&versioned);
        let answer = scene.me.send(Method::POST, "/api/sync/push", JSON, body.as_bytes());
        assert!(matches!(answer.status, 400 | 422), "{number}: {}", answer.text());
        let put = format!(r#"{{"encrypted_key":"c2VhbGVk","expected_revision":{number}}}"#);
        let answer = scene.me.send(Method::PUT, "/api/sync/keys", JSON, put.as_bytes());
        assert!(matches!(answer.status, 400 | 422), "{number}: {}", answer.text());
    }
    scene.nothing_was_left_behind();
}

#[test]
fn lone_surrogates_are_refused_wherever_text_may_stand() {
    let scene = Scene::set();
    for lone in [r"\ud800", r"\udfff", r"\ud800\ud800", r"\udc00\ud800"] {
        for field in ["table", "op", "row_id", "timestamp", "data"] {
            let mut fields =
                json!({"table": "t", "op": "insert", "row_id": "r", "timestamp": "2026-03-13T10:00:00Z"});
            fields[field] = json!("LONE");
            let body = scene.push_body(&fields.to_string().replace("LONE", lone));
            let answer = scene.me.send(Method::POST, "/api/sync/push", JSON, body.as_bytes());
            assert!(matches!(answer.status, 400 | 422), "{lone} as {field}: {}", answer.text());
        }
        let name = format!(r#"{{"device_name":"{lone}","platform":"linux"}}"#);
        let answer = scene.me.send(Method::POST, "/api/sync/devices", JSON, name.as_bytes());
        assert!(matches!(answer.status, 400 | 422), "{lone} as a name: {}", answer.text());
    }
    scene.nothing_was_left_behind();
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let scene = Scene::set();
    scene.all_refuse(
        b"{\"device_name\":\"a\xffb\",\"platform\":\"linux\",\"encrypted_key\":\"a2V5\xc3\x28\"}",
    );
    let row = change("LATIN").to_string();
    let body = scene.push_body(&row).replace("LATIN", "\u{1}").into_bytes();
    let latin: Vec<_> = body.into_iter().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect();
    let answer = scene.me.send(Method::POST, "/api/sync/push", JSON, &latin);
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
    scene.nothing_was_left_behind();
}

#[test]
fn nul_bytes_are_refused_where_they_mean_nothing() {
    let scene = Scene::set();
    for body in [
        "{\"device_name\":\"a\u{0}b\",\"platform\":\"linux\"}",
        r#"{"device_name":"a\u0000b","platform":"linux"}"#,
    ] {
        let answer = scene.me.send(Method::POST, "/api/sync/devices", JSON, body.as_bytes());
        assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
    }
    let key = json!({"encrypted_key": "c2Vh\u{0}bGVk"});
    scene.me.put("/api/sync/keys", &key).expect(422);
    let sign_in = json!({"email": "a\u{0}@b", "password": "p\u{0}", "api_key": "\u{0}"});
    scene.me.post("/api/sync/auth", &sign_in).expect(401);
    scene.nothing_was_left_behind();
}

#[test]
fn a_repeated_field_is_refused_rather_than_guessed() {
    let scene = Scene::set();
    let body = format!(r#"{{"device_id":"{0}","device_id":"{0}"}}"#, scene.device);
    let answer = scene.me.send(Method::POST, "/api/sync/pull", JSON, body.as_bytes());
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
}

#[test]
fn a_body_of_another_content_type_is_refused() {
    let scene = Scene::set();
    let kinds = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
        Some("json"),
    ];
    for kind in kinds {
        for (method, path) in WITH_BODY {
            scene.me.send(method, path, kind, b"{}").refused(415, "unsupported_media_type");
        }
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let body = json!({"device_id": scene.device}).to_string();
        scene.me.send(Method::POST, "/api/sync/pull", Some(kind), body.as_bytes()).ok();
    }
    scene.nothing_was_left_behind();
}

#[test]
fn a_large_body_of_a_stranger_is_refused() {
    let scene = Scene::set();
    let large = vec![b' '; 1024 * 1024];
    for path in ["/api/sync/auth", "/api/sync/auth/refresh"] {
        scene.server.nobody().send(Method::POST, path, JSON, &large).refused(413, "too_large");
    }
    scene.server.nobody().send(Method::POST, "/api/sync/push", JSON, &large).refused(401, "unauthenticated");
}

#[test]
fn a_body_that_breaks_off_leaves_nothing_behind() {
    let scene = Scene::set();
    let body = scene.push_body(&change("cut").to_string());
    let address = scene.server.url().replace("http://", "");
    for kept in [0, 1, body.len() / 2, body.len() - 1] {
        let mut stream = TcpStream::connect(&address).expect("the server listens");
        let head = format!(
            "POST /api/sync/push HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            scene.me.token(),
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("the head is sent");
        stream.write_all(&body.as_bytes()[..kept]).expect("a part of the body is sent");
        stream.shutdown(Shutdown::Write).expect("the rest never comes");
        let mut answer = String::new();
        // Closing without a word is as good as a refusal.
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    scene.nothing_was_left_behind();
}

#[test]
fn a_request_that_is_no_http_does_not_hurt() {
    let scene = Scene::set();
    let address = scene.server.url().replace("http://", "");
    let mut dice = Dice::new(1);
    let long_header = format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(200_000)).into_bytes();
    let openings = [
        b"\r\n\r\n\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"POST /api/sync/push HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST /api/sync/push HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        long_header,
        dice.bytes(4096),
    ];
    for opening in openings {
        let mut stream = TcpStream::connect(&address).expect("the server listens");
        let _ = stream.write_all(&opening);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
    }
    scene.nothing_was_left_behind();
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
    let scene = Scene::set();
    let body = prop::collection::vec(any::<u8>(), 0..200);
    let outcome = Dice::property_runner(50).run(&body, |body| {
        // A number is the one JSON value that random bytes hit now and then, and it is no request either.
        scene.all_refuse(&body);
        Ok(())
    });
    outcome.unwrap_or_else(|fault| panic!("{fault}"));
    scene.nothing_was_left_behind();
}

#[test]
fn random_json_is_refused_by_every_operation() {
    let scene = Scene::set();
    let outcome = Dice::property_runner(100).run(&any_json(), |body| {
        scene.all_refuse(body.to_string().as_bytes());
        Ok(())
    });
    outcome.unwrap_or_else(|fault| panic!("{fault}"));
    scene.nothing_was_left_behind();
}
