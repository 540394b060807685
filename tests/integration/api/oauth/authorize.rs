//! Authorization requests, and where errors in them are reported.

use super::{Fixture, REDIRECT, query};

#[test]
fn an_unknown_client_or_redirect_is_an_error_page_and_never_a_redirect() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let unknown = [
        ("client_id", ""),
        ("client_id", "tla_unknown"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", "http://127.0.0.1"),
        ("redirect_uri", "http://127.0.0.1:4711@evil.example/"),
        ("redirect_uri", "http://127.0.0.1:4711\\@evil.example/"),
        ("redirect_uri", "http://127.0.0.1.evil.example/"),
        ("redirect_uri", "http://127.0.0.1:4711/#x"),
        ("redirect_uri", "http://user:pass@127.0.0.1:4711/"),
        ("redirect_uri", "HTTP://127.0.0.1:4711/"),
        ("redirect_uri", "https://127.0.0.1:4711/"),
        ("redirect_uri", "http://0x7f000001:4711/"),
        ("redirect_uri", "http://127.0.0.1%2eevil.example/"),
        ("redirect_uri", "http://localhost:4711/\r\nSet-Cookie: a=b"),
        ("redirect_uri", "javascript:alert(1)//http://127.0.0.1:1/"),
        ("redirect_uri", "data:text/html,x"),
        ("redirect_uri", "//evil.example/"),
        ("redirect_uri", "/account"),
    ];
    for (name, value) in unknown {
        let shown = tab.open(&fixture.request(&[(name, value)])).expect(400);
        assert_eq!(shown.title(), "This app can't connect", "{name}={value}");
        assert!(!shown.text.contains("evil") && shown.headers.get("location").is_none(), "{value}");
    }
}

#[test]
fn redirects_must_match_a_registered_one_exactly() {
    let fixture = Fixture::new();
    let registered = "https://notes.example/callback?x=1";
    fixture.server.cli().run(&["app", "set", "Notes", &format!("redirects={registered}")]).json();
    let tab = fixture.server.tab();
    let status = |uri: &str| tab.open(&fixture.request(&[("redirect_uri", uri)])).status;
    assert_eq!(status(registered), 200);
    for near in [
        "https://notes.example/callback",
        "https://notes.example/callback?x=1&y=2",
        "https://notes.example/callback?x=2",
        "https://notes.example/Callback?x=1",
        "https://notes.example:443/callback?x=1",
        "https://NOTES.example/callback?x=1",
        "https://notes.example/./callback?x=1",
        "https://notes.example/%63allback?x=1",
        "https://notes.example/callback?x=1#",
        "https://ada@notes.example/callback?x=1",
        "http://notes.example/callback?x=1",
        "https://notes.example.evil.example/callback?x=1",
    ] {
        assert_eq!(status(near), 400, "{near}");
    }
    let other = fixture.server.new_app("Tasks");
    assert_eq!(
        tab.open(&fixture.request(&[("redirect_uri", registered), ("client_id", &other.api_key)])).status,
        400
    );
    for loopback in ["http://localhost:1/", "http://[::1]:65535/a?b", REDIRECT] {
        assert_eq!(status(loopback), 200, "{loopback}");
    }
}

#[test]
fn an_unsafe_redirect_cannot_be_registered() {
    let fixture = Fixture::new();
    for uri in [
        "http://notes.example/",
        "https://notes.example",
        "notes:/x",
        "javascript:alert(1)",
        "https://a.example/#f",
    ] {
        let refused =
            fixture.server.cli().run(&["app", "set", "Notes", &format!("redirects={uri}")]).expect_refusal();
        assert!(refused.contains("redirect"), "{refused}");
    }
}

#[test]
fn other_errors_are_sent_to_the_redirect_with_the_state() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code token", "unsupported_response_type"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "too-short", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("state", "", "invalid_request"),
        ("request_uri", "https://evil.example/", "invalid_request"),
    ] {
        let sent = tab.open(&fixture.request(&[(name, value)])).expect(303);
        assert!(sent.location().starts_with(&format!("{REDIRECT}?")), "{}", sent.location());
        assert_eq!(sent.parameter("error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(sent.parameter("iss"), Some(fixture.server.url()), "RFC 9207");
        assert_eq!(sent.parameter("state").is_some(), name != "state");
        assert_eq!(sent.parameter("code"), None);
    }
    let twice = format!("{}&state=other", fixture.request(&[]));
    assert_eq!(tab.open(&twice).parameter("error").as_deref(), Some("invalid_request"));
    let two_ways_back = format!("{}&redirect_uri=http://localhost:1/", fixture.request(&[]));
    tab.open(&two_ways_back).expect(400);
}

#[test]
fn a_replaced_api_key_is_unknown_at_every_step() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let log_in = tab.open(&fixture.request(&[]));
    let consent = fixture.consent_page(&tab);
    let code = fixture.code();
    let fresh = fixture.server.cli().run(&["app", "rotate-key", "Notes"]).json();
    tab.open(&fixture.request(&[])).expect(400);
    tab.send(&log_in, &[("email", "ada@example.org"), ("password", "x")]).expect(400);
    tab.send(&consent, &[("decision", "allow")]).expect(400);
    for key in [&fixture.app.api_key, fresh["api_key"].as_str().expect("a key")] {
        let (status, refused) = fixture.exchange(&code, serde_json::json!({"client_id": key}));
        assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")));
    }
}

#[test]
fn garbage_in_the_url_gives_an_error_page() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let long = "x".repeat(5_000);
    for parameters in [vec![("client_id", long.as_str())], vec![("client_id", "\u{0}")], vec![("x", "%")]] {
        tab.open(&query(&parameters)).expect(400);
    }
    tab.open(&fixture.request(&[("state", &long)])).expect(303);
    tab.open("/oauth/authorize?%ff=%ff&client_id=%fe").expect(400);
    for path in ["/two-factor?flow=", "/oauth/consent?flow=x.y", "/oauth/consent"] {
        tab.open(path).expect(400).expect_title("This page has expired");
    }
}
