//! What every answer tells browsers not to do with it.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::json;

use tidelog_test_kit::{Answer, Server, ServerSetup};

const ON_EVERY_ANSWER: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[track_caller]
fn assert_guarded(answer: &Answer) {
    for (name, value) in ON_EVERY_ANSWER {
        assert_eq!(answer.header(name), value, "{}", answer.what());
    }
}

#[test]
fn every_response_carries_security_headers() {
    let server = Server::start();
    let (me, nobody) = (server.somebody(), server.nobody());
    for answer in [
        nobody.get("/health"),
        nobody.get("/api/openapi.json"),
        nobody.get("/nowhere"),
        nobody.get("/api/sync/push"),
        nobody.get("/api/sync/status"),
        nobody.post("/api/sync/auth", &json!({"email": 1})),
        nobody.send(Method::POST, "/api/sync/auth", Some("text/plain"), b"x"),
        me.get("/api/sync/status"),
        me.get("/api/sync/keys"),
        me.delete("/api/sync/devices/nobody"),
        me.get("/api/sync/blobs/down/guess"),
        me.call(Method::POST, "/api/sync/auth/logout", None),
    ] {
        assert_guarded(&answer);
        assert!(answer.headers.get("strict-transport-security").is_none(), "{}", answer.what());
    }
}

#[test]
fn blobs_are_served_with_a_sandbox_policy() {
    let server = Server::start();
    let me = server.somebody();
    let url = me.download_url(&me.put_blob(b"sealed"));
    let answer = me.at(Method::GET, &url, HeaderMap::new(), None);
    let header = |name: &str| answer.header(name).to_owned();
    assert_eq!(header("content-security-policy"), "sandbox; default-src 'none'; frame-ancestors 'none'");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(header("x-frame-options"), "DENY");
}

#[test]
fn a_server_with_an_https_url_sends_strict_transport_security() {
    let server = ServerSetup::default().with("TIDELOG_PUBLIC_URL", "https://sync.example.org").start();
    let max_age = "max-age=31536000";
    for path in ["/health", "/nowhere", "/api/sync/status"] {
        assert_eq!(server.nobody().get(path).header("strict-transport-security"), max_age);
    }
    let server = ServerSetup::default().with("TIDELOG_PUBLIC_URL", "http://192.0.2.1").start();
    assert!(server.nobody().get("/health").headers.get("strict-transport-security").is_none());
}
