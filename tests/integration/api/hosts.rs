//! The server answers only to configured host names, which prevents DNS rebinding.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use tidelog_test_kit::{ManualClockServer, ServerSetup};

/// Sends a request that needs no token, with these header lines.
fn ask(mut stream: impl Read + Write, line: &str, headers: &str) -> (u16, String) {
    let request = format!("{line}\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

#[track_caller]
fn assert_unknown((status, body): (u16, String), what: &str) {
    assert_eq!(status, 421, "{what}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["code"], "unknown_host");
    let sentence = body["error"].as_str().expect("a sentence");
    assert!(sentence.contains("public_url") && sentence.contains("hosts"), "{sentence}");
}

#[test]
fn every_name_but_those_of_the_server_is_refused_on_every_path() {
    let server = ServerSetup::default()
        .with("TIDELOG_PUBLIC_URL", "https://sync.example.org/")
        .with("TIDELOG_ALLOWED_HOSTS", "tidelog")
        .start();
    let address = server.url().replace("http://", "");
    let ask = |line: &str, headers: &str| {
        ask(TcpStream::connect(&address).expect("the server listens"), line, headers)
    };
    for host in [
        "127.0.0.1",
        &address,
        "LocalHost:1",
        "localhost.",
        "sync.example.org",
        "Sync.Example.org:443",
        "sync.example.org.:80",
        "tidelog:7878",
        "[::1]:7878",
        "192.0.2.1",
    ] {
        let (status, _) = ask("GET /health HTTP/1.1", &format!("host: {host}\r\n"));
        assert_eq!(status, 200, "{host}");
    }
    for path in ["/health", "/api/sync/status", "/api/sync/blobs/down/x", "/api/v1/sync/push", "/nowhere"] {
        for host in
            ["evil.example", "evil.example:80", "sync.example.org.evil.example", "127.0.0.1.nip.example"]
        {
            let response =
                ask(&format!("POST {path} HTTP/1.1"), &format!("host: {host}\r\ncontent-length: 0\r\n"));
            assert_unknown(response, host);
        }
    }
}

#[test]
fn a_request_is_held_to_every_name_that_it_bears() {
    let server = ServerSetup::default().start();
    let address = server.url().replace("http://", "");
    let ask = |line: &str, headers: &str| {
        ask(TcpStream::connect(&address).expect("the server listens"), line, headers)
    };
    // The request does not come from a browser.
    assert_eq!(ask("GET /health HTTP/1.0", "").0, 200);
    assert_unknown(ask("GET http://evil.example/health HTTP/1.1", "host: localhost\r\n"), "the target");
    assert_unknown(
        ask("GET http://localhost/health HTTP/1.1", "host: evil.example\r\n"),
        "beside the target",
    );
    assert_eq!(ask("GET http://localhost/health HTTP/1.1", "host: localhost\r\n").0, 200);
    let (status, _) = ask("GET /health HTTP/1.1", "host: localhost\r\nhost: evil.example\r\n");
    assert!(matches!(status, 400 | 421), "two names were answered {status}");
    let forwarded = "host: evil.example\r\nx-forwarded-host: localhost\r\nforwarded: host=localhost\r\n";
    assert_unknown(ask("GET /health HTTP/1.1", forwarded), "as if sent by a proxy");
}

#[test]
fn the_rule_holds_on_a_unix_socket_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("http.sock");
    let _server = ManualClockServer::start(&[("listen", &format!("unix:{}", socket.display()))]);
    let ask = |headers: &str| {
        ask(UnixStream::connect(&socket).expect("the server listens"), "GET /health HTTP/1.1", headers)
    };
    assert_eq!(ask("host: localhost\r\n").0, 200);
    assert_unknown(ask("host: evil.example\r\n"), "through a socket");
}

#[test]
fn addresses_of_blobs_bear_a_name_of_a_proxy_that_is_trusted_and_no_other() {
    for (proxies, expected) in [("127.0.0.1", "https://notes.example/"), ("10.0.0.1", "http://127.0.0.1")] {
        let server = ServerSetup::default()
            .with("TIDELOG_TRUSTED_PROXIES", proxies)
            .with("TIDELOG_ALLOWED_HOSTS", "notes.example")
            .start();
        let me = server.signed_in_caller();
        let upload = |forwarded: &str| {
            let body = serde_json::json!({"hash": "0".repeat(64), "size_bytes": 1}).to_string();
            let address = server.url().replace("http://", "");
            let headers = format!(
                "host: 127.0.0.1\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
                 x-forwarded-proto: https\r\nx-forwarded-host: {forwarded}\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                me.token(),
                body.len(),
            );
            let mut stream = TcpStream::connect(address).expect("the server listens");
            write!(stream, "POST /api/sync/blobs/upload HTTP/1.1\r\n{headers}").expect("it is sent");
            let mut response = String::new();
            stream.read_to_string(&mut response).expect("a response");
            let body = response.split_once("\r\n\r\n").expect("a body").1;
            serde_json::from_str::<Value>(body).expect("JSON")["upload_url"]
                .as_str()
                .expect("a URL")
                .to_owned()
        };
        let url = upload("notes.example");
        assert!(url.starts_with(expected), "{url}");
        assert!(!upload("evil.example").contains("evil"));
    }
}
