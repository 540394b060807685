//! Security headers of every response.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::json;

use tidelog_test_kit::{ApiResponse, Server, ServerSetup};

const SECURITY_HEADERS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[track_caller]
fn assert_security_headers(response: &ApiResponse) {
    for (name, value) in SECURITY_HEADERS {
        assert_eq!(response.header(name), value, "{}", response.request_line());
    }
}

#[test]
fn every_response_carries_security_headers() {
    let server = Server::start();
    let (me, anonymous) = (server.signed_in_caller(), server.anonymous());
    for response in [
        anonymous.get("/health"),
        anonymous.get("/api/openapi.json"),
        anonymous.get("/nowhere"),
        anonymous.get("/api/sync/push"),
        anonymous.get("/api/sync/status"),
        anonymous.post("/api/sync/auth", &json!({"email": 1})),
        anonymous.send(Method::POST, "/api/sync/auth", Some("text/plain"), b"x"),
        me.get("/api/sync/status"),
        me.get("/api/sync/keys"),
        me.delete("/api/sync/devices/nobody"),
        me.get("/api/sync/blobs/down/guess"),
        me.call(Method::POST, "/api/sync/auth/logout", None),
    ] {
        assert_security_headers(&response);
        assert!(response.headers.get("strict-transport-security").is_none(), "{}", response.request_line());
    }
}

#[test]
fn blobs_are_served_with_a_sandbox_policy() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let url = me.download_url(&me.put_blob(b"sealed"));
    let response = me.call_url(Method::GET, &url, HeaderMap::new(), None);
    let header = |name: &str| response.header(name).to_owned();
    assert_eq!(header("content-security-policy"), "sandbox; default-src 'none'; frame-ancestors 'none'");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(header("x-frame-options"), "DENY");
}

#[test]
fn a_server_with_an_https_url_sends_strict_transport_security() {
    let server = ServerSetup::default().with("TIDELOG_PUBLIC_URL", "https://sync.example.org").start();
    let max_age = "max-age=31536000";
    for path in ["/health", "/nowhere", "/api/sync/status"] {
        assert_eq!(server.anonymous().get(path).header("strict-transport-security"), max_age);
    }
    let server = ServerSetup::default().with("TIDELOG_PUBLIC_URL", "http://192.0.2.1").start();
    assert!(server.anonymous().get("/health").headers.get("strict-transport-security").is_none());
}
