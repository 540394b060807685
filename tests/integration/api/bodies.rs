//! Request bodies: content types, sizes, truncated bodies, and input that is not HTTP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use reqwest::Method;
use serde_json::json;

use super::garbage::{Fixture, JSON, WITH_BODY};
use tidelog_test_kit::{SeededRng, change};

#[test]
fn a_body_of_another_content_type_is_refused() {
    let fixture = Fixture::new();
    let kinds = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
        Some("json"),
    ];
    for kind in kinds {
        for (method, path) in WITH_BODY {
            fixture.me.send(method, path, kind, b"{}").expect_error(415, "unsupported_media_type");
        }
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        let body = json!({"device_id": fixture.device}).to_string();
        fixture.me.send(Method::POST, "/api/sync/pull", Some(kind), body.as_bytes()).ok();
    }
    fixture.nothing_was_left_behind();
}

#[test]
fn a_large_body_of_a_stranger_is_refused() {
    let fixture = Fixture::new();
    let large = vec![b' '; 1024 * 1024];
    for path in ["/api/sync/auth", "/api/sync/auth/refresh"] {
        fixture.server.anonymous().send(Method::POST, path, JSON, &large).expect_error(413, "too_large");
    }
    fixture
        .server
        .anonymous()
        .send(Method::POST, "/api/sync/push", JSON, &large)
        .expect_error(401, "unauthenticated");
}

#[test]
fn a_body_that_breaks_off_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let body = fixture.push_body(&change("cut").to_string());
    let address = fixture.server.url().replace("http://", "");
    for kept in [0, 1, body.len() / 2, body.len() - 1] {
        let mut stream = TcpStream::connect(&address).expect("the server listens");
        let head = format!(
            "POST /api/sync/push HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            fixture.me.token(),
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("the head is sent");
        stream.write_all(&body.as_bytes()[..kept]).expect("a part of the body is sent");
        stream.shutdown(Shutdown::Write).expect("the rest never comes");
        let mut response = String::new();
        // Closing the connection without a response counts as a refusal.
        let _ = stream.read_to_string(&mut response);
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 4"), "{response}");
    }
    fixture.nothing_was_left_behind();
}

#[test]
fn a_request_that_is_no_http_does_not_hurt() {
    let fixture = Fixture::new();
    let address = fixture.server.url().replace("http://", "");
    let mut rng = SeededRng::new(1);
    let long_header = format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(200_000)).into_bytes();
    let openings = [
        b"\r\n\r\n\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"POST /api/sync/push HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST /api/sync/push HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        long_header,
        rng.bytes(4096),
    ];
    for opening in openings {
        let mut stream = TcpStream::connect(&address).expect("the server listens");
        let _ = stream.write_all(&opening);
        let _ = stream.shutdown(Shutdown::Write);
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        assert!(!response.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&response));
    }
    fixture.nothing_was_left_behind();
}

#[test]
fn a_body_is_json_also_where_none_is_wanted() {
    let fixture = Fixture::new();
    for (method, path) in [(Method::GET, "/api/sync/status"), (Method::DELETE, "/api/sync/devices/x")] {
        let response = fixture.me.send(method, path, Some("text/plain"), b"x");
        response.expect_error(415, "unsupported_media_type");
    }
    let response = fixture.me.send(Method::POST, "/api/sync/auth/logout", Some("text/plain"), b"x");
    response.expect_error(415, "unsupported_media_type");
    fixture.nothing_was_left_behind();
}

#[test]
fn a_body_that_is_not_utf_8_is_malformed_wherever_it_is_not() {
    let fixture = Fixture::new();
    let device = fixture.device.as_bytes();
    let ignored = [br#"{"device_id":""#, device, b"\",\"note\":\"\xff\"}"].concat();
    fixture.me.send(Method::POST, "/api/sync/pull", JSON, &ignored).expect_error(400, "malformed_request");
    let half = format!(r#"{{"device_id":"{}","note":"\ud800"}}"#, fixture.device);
    fixture
        .me
        .send(Method::POST, "/api/sync/pull", JSON, half.as_bytes())
        .expect_error(400, "malformed_request");
    let email = b"{\"email\":\"\xff\",\"password\":\"x\",\"api_key\":\"x\"}";
    fixture
        .server
        .anonymous()
        .send(Method::POST, "/api/sync/auth", JSON, email)
        .expect_error(400, "malformed_request");
    let junk = fixture.push_body("{\"junk\":\"?\"}").replace('?', "\u{1}").into_bytes();
    let junk: Vec<u8> = junk.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    fixture.me.send(Method::POST, "/api/sync/push", JSON, &junk).expect_error(400, "malformed_request");
    fixture.nothing_was_left_behind();
}

#[test]
fn a_field_that_is_there_twice_is_named() {
    let fixture = Fixture::new();
    let id = &fixture.device;
    let twice = format!(r#"{{"device_id":"{id}","device_id":"{id}"}}"#);
    let response = fixture.me.send(Method::POST, "/api/sync/pull", JSON, twice.as_bytes());
    assert_eq!(response.expect_error(422, "invalid_field")["field"], "device_id");
    let push = fixture.push_body(
        r#"{"table":"t","table":"t","op":"insert","row_id":"1","timestamp":"2026-01-01T00:00:00Z"}"#,
    );
    let response = fixture.me.send(Method::POST, "/api/sync/push", JSON, push.as_bytes());
    let fault = &response.expect_error(422, "invalid_change")["changes"][0];
    assert!(fault["reason"].as_str().is_some_and(|reason| reason.contains("table")), "{fault}");
    fixture.nothing_was_left_behind();
}
