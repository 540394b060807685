//! HEAD, wherever GET is answered, and the methods that a path does not have.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use tidelog_test_kit::Server;

use super::Fixture;

/// How long a response may take. Far more than it needs: reaching this means that it does not come.
const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn head_is_answered_on_every_route_with_the_status_and_the_headers_of_get() {
    let fixture = Fixture::new();
    for (caller, path) in fixture.get_routes() {
        let [get, head] = [Method::GET, Method::HEAD].map(|method| {
            let mut response = caller.call(method, &path, None);
            // They differ from one answer to the next.
            for (name, begin) in [
                ("date", ""),
                ("content-security-policy", "default-src 'none'; style-src 'nonce-"),
                ("set-cookie", ""),
            ] {
                let value = response.headers.get(name).map(|value| value.to_str().expect("text"));
                if value.is_some_and(|value| value.starts_with(begin)) {
                    response.headers.insert(name, HeaderValue::from_static("varies"));
                }
            }
            response
        });
        assert_eq!((head.status, &head.headers), (get.status, &get.headers), "{path}");
        assert!(
            head.headers.contains_key("content-length") || head.headers.contains_key("transfer-encoding")
        );
        assert_eq!(head.body, b"", "{path}");
    }
}

/// On one connection, where anything after the headers of a response would be taken for the next one, and where a
/// stream that stays open would never be followed by it.
#[test]
fn the_headers_are_all_that_head_is_answered_on_any_route() {
    let fixture = Fixture::new();
    let address = fixture.server.url().replace("http://", "");
    let mut connection = TcpStream::connect(&address).expect("a connection");
    connection.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut received = BufReader::new(connection.try_clone().expect("the same connection"));
    for (caller, path) in fixture.get_routes() {
        let token = caller.token();
        let request =
            format!("HEAD {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("it is sent");
        let headers = received.by_ref().lines().map(|line| line.expect("a response"));
        let headers: Vec<_> = headers.take_while(|line| !line.is_empty()).collect();
        assert!(headers[0].starts_with("HTTP/1.1 "), "after HEAD of the route before {path}: {}", headers[0]);
        assert!(!headers[0].starts_with("HTTP/1.1 405 "), "{path}");
    }
    let last = format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(last.as_bytes()).expect("it is sent");
    let mut rest = String::new();
    received.read_to_string(&mut rest).expect("a response");
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("}"), "{rest}");
}

#[test]
fn a_method_that_a_path_does_not_have_is_answered_with_those_that_it_has() {
    let server = Server::start();
    let anonymous = server.anonymous();
    for (method, path, allowed) in [
        (Method::POST, "/health", "GET, HEAD"),
        (Method::PUT, "/api/sync/devices", "POST, GET, HEAD"),
        (Method::GET, "/api/sync/push", "POST"),
        (Method::HEAD, "/api/sync/push", "POST"),
        (Method::POST, "/api/sync/blobs/down/token", "GET, HEAD"),
    ] {
        let refused = anonymous.call(method, path, None);
        assert_eq!((refused.status, refused.header("allow")), (405, allowed), "{}", refused.request_line());
    }
}
