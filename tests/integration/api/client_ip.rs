//! Rate limits count attempts by client IP, which only a trusted proxy may forward.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use tidelog_test_kit::ManualClockServer;

const TCP: &str = "127.0.0.1:0";

/// Attempts allowed per client IP.
const BURST: u64 = 5;

/// A server whose clock stands still, so that the limits never refill.
fn behind(proxies: &str, listen: &str) -> ManualClockServer {
    ManualClockServer::start(&[
        ("auth.rate_limit.ip_burst", "5"),
        ("trusted_proxies", proxies),
        ("listen", listen),
    ])
}

/// Makes an attempt with these headers, and returns how many are left to their client IP.
fn left(server: &ManualClockServer, forwarded: &[&str]) -> u64 {
    let address = server.url().replace("http://", "");
    left_over(TcpStream::connect(address).expect("the server listens"), forwarded)
}

fn left_over(mut stream: impl Read + Write, forwarded: &[&str]) -> u64 {
    let lines: String = forwarded.iter().map(|hops| format!("x-forwarded-for: {hops}\r\n")).collect();
    let body = r#"{"refresh_token":"guess"}"#;
    let length = body.len();
    let request = format!(
        "POST /api/sync/auth/refresh HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n{lines}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    let (head, _) = response.split_once("\r\n\r\n").expect("a head");
    let headers: BTreeMap<_, _> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    headers["x-ratelimit-remaining"].parse().expect("a number")
}

#[test]
fn an_untrusted_forwarded_header_is_ignored() {
    let server = behind("192.0.2.0/24, unix", TCP);
    assert_eq!(left(&server, &["203.0.113.1"]), BURST - 1);
    assert_eq!(left(&server, &["203.0.113.2"]), BURST - 2);
    assert_eq!(left(&server, &["203.0.113.3, 192.0.2.1"]), BURST - 3);
}

#[test]
fn clients_behind_a_trusted_proxy_are_rate_limited_separately() {
    let server = behind("127.0.0.0/8, 10.0.0.0/8", TCP);
    assert_eq!(left(&server, &["203.0.113.1"]), BURST - 1);
    assert_eq!(left(&server, &["203.0.113.2"]), BURST - 1);
    assert_eq!(left(&server, &["203.0.113.1"]), BURST - 2);
    // Forged by the client and passed on by the proxy, in one header or in two.
    assert_eq!(left(&server, &["198.51.100.7, 203.0.113.1, 10.0.0.1"]), BURST - 3);
    assert_eq!(left(&server, &["198.51.100.8", "203.0.113.2"]), BURST - 2);
    // An IPv6 host may use any address of its network.
    assert_eq!(left(&server, &["[2001:db8:0:1::1]:4711"]), BURST - 1);
    assert_eq!(left(&server, &["2001:db8:0:1:ffff::2"]), BURST - 2);
    assert_eq!(left(&server, &["2001:db8:0:2::1"]), BURST - 1);
}

#[test]
fn an_unreadable_forwarded_header_counts_as_the_proxy() {
    let server = behind("127.0.0.1", TCP);
    assert_eq!(left(&server, &["unknown"]), BURST - 1);
    assert_eq!(left(&server, &["203.0.113.1, nonsense"]), BURST - 2);
    assert_eq!(left(&server, &[]), BURST - 3);
}

#[test]
fn a_proxy_on_the_unix_socket_is_believed_if_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = [("unix", BURST - 1), ("127.0.0.1", BURST - 2)];
    for (proxies, left_to_the_second) in expected {
        let socket = folder.path().join(format!("{proxies}.sock"));
        let _server = behind(proxies, &format!("unix:{}", socket.display()));
        let connect = || UnixStream::connect(&socket).expect("the server listens");
        assert_eq!(left_over(connect(), &["203.0.113.1"]), BURST - 1);
        assert_eq!(left_over(connect(), &["203.0.113.2"]), left_to_the_second, "trusted: {proxies}");
    }
}
