//! Web pages can read responses only if the caller's app lists their origin.

use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{Client, Response};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;

use tidelog_test_kit::{ApiResponse, App, Caller, PASSWORD, Server, User, credentials};

const A: &str = "https://a.example";
const B: &str = "https://b.example:8443";
const UNLISTED_ORIGIN: &str = "https://evil.example";

struct Fixture {
    server: Server,
    app: App,
    user: User,
    me: Caller,
}

impl Fixture {
    /// Starts a server with two apps, each with its own origin; the caller is signed in to the first.
    fn new() -> Self {
        let server = Server::start();
        let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
        server.new_app("Photos");
        let me = server.sign_in(&user, &app);
        let fixture = Self { server, app, user, me };
        fixture.list("Notes", A);
        fixture.list("Photos", B);
        fixture
    }

    fn list(&self, app: &str, origins: &str) {
        self.server.cli().run(&["app", "set", app, &format!("cors={origins}")]).json();
    }

    /// Sends a preflight request.
    fn preflight(&self, path: &str, origin: &str) -> Response {
        let url = format!("{}{path}", self.server.url());
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().expect("a client");
        let request = client
            .request(Method::OPTIONS, url)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        request.send().expect("a response")
    }

    /// Sends a request from this origin without a token.
    fn page(&self, origin: &str) -> Caller {
        self.server.anonymous().with_header("origin", origin)
    }

    /// Sends a request of the caller from this origin.
    fn caller_from(&self, origin: &str) -> Caller {
        self.me.with_header("origin", origin)
    }
}

fn allowed(headers: &HeaderMap) -> Option<&str> {
    assert!(!headers.contains_key("access-control-allow-credentials"));
    let mut vary = headers.get_all("vary").iter().filter_map(|value| value.to_str().ok());
    assert!(vary.any(|vary| vary.eq_ignore_ascii_case("origin")), "{headers:?}");
    headers.get("access-control-allow-origin").map(|origin| origin.to_str().expect("text"))
}

#[track_caller]
fn assert_readable(response: &ApiResponse, origin: &str) {
    assert_eq!(allowed(&response.headers), Some(origin), "{}", response.request_line());
    let exposed = response.header("access-control-expose-headers").to_owned();
    for name in ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "etag", "content-range"] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name} is not in {exposed}");
    }
}

#[track_caller]
fn assert_closed(response: &ApiResponse) {
    assert_eq!(allowed(&response.headers), None, "{}", response.request_line());
    assert!(!response.headers.contains_key("access-control-expose-headers"));
}

#[test]
fn preflights_are_answered_for_the_origins_of_any_app() {
    let fixture = Fixture::new();
    for path in
        ["/api/sync/push", "/api/v1/sync/auth", "/api/sync/blobs/up/x", "/oauth/token", "/oauth/revoke"]
    {
        for origin in [A, B] {
            let response = fixture.preflight(path, origin);
            assert_eq!(response.status(), 204, "{path}");
            let headers = response.headers();
            assert_eq!(allowed(headers), Some(origin));
            let has = |name: &str, part: &str| {
                let value = headers[name].to_str().expect("text");
                assert!(value.split(", ").any(|item| item == part), "{part} is not in {name}: {value}");
            };
            has("access-control-allow-methods", "PUT");
            has("access-control-allow-headers", "authorization");
            has("access-control-allow-headers", "range");
            assert_ne!(headers["access-control-max-age"], HeaderValue::from_static("0"));
        }
        let response = fixture.preflight(path, UNLISTED_ORIGIN);
        assert!(response.status().is_client_error(), "{path}: {}", response.status());
        assert_eq!(allowed(response.headers()), None);
    }
}

#[test]
fn an_answer_can_be_read_where_the_callers_own_app_lists_the_page() {
    let fixture = Fixture::new();
    assert_readable(&fixture.caller_from(A).get("/api/sync/status"), A);
    assert_readable(&fixture.caller_from(A).get("/api/v1/sync/status"), A);
    for origin in [B, UNLISTED_ORIGIN, "null", "https://a.example.evil.example", "http://a.example"] {
        assert_closed(&fixture.caller_from(origin).get("/api/sync/status"));
    }
    assert_closed(&fixture.me.get("/api/sync/status"));
}

#[test]
fn refusals_can_be_read_like_answers() {
    let fixture = Fixture::new();
    let mine = fixture.caller_from(A);
    let missing = mine.delete("/api/sync/devices/0198f4a2-8e20-7b61-b2d4-5a90c7e31f02");
    missing.expect_error(404, "not_found");
    assert_readable(&missing, A);
    let invalid = mine.post("/api/sync/push", &json!({"device_id": 1}));
    assert_eq!(invalid.status, 422);
    assert_readable(&invalid, A);
    assert_closed(&fixture.caller_from(B).post("/api/sync/push", &json!({"device_id": 1})));
    // The request does not tell which app it belongs to.
    let ended = mine.with_token("gone").get("/api/sync/status");
    ended.expect_error(401, "unauthenticated");
    assert_readable(&ended, A);
    assert_closed(&mine.with_token("gone").with_header("origin", UNLISTED_ORIGIN).get("/api/sync/status"));
}

#[test]
fn public_routes_can_be_read_by_the_pages_of_any_app() {
    let fixture = Fixture::new();
    for origin in [A, B] {
        assert_readable(&fixture.page(origin).get("/api/sync/limits"), origin);
        let signed_in =
            fixture.page(origin).post("/api/sync/auth", &credentials(&fixture.user, &fixture.app));
        signed_in.ok();
        assert_readable(&signed_in, origin);
        let wrong = json!({"email": "x@example.org", "password": PASSWORD, "api_key": "none"});
        assert_readable(&fixture.page(origin).post("/api/sync/auth", &wrong), origin);
    }
    assert_closed(&fixture.page(UNLISTED_ORIGIN).get("/api/sync/limits"));
}

#[test]
fn streams_and_blobs_can_be_read_by_the_pages_of_their_app() {
    let fixture = Fixture::new();
    let subscribe = format!("/api/sync/subscribe?app_id={}", fixture.app.id);
    assert_readable(&fixture.caller_from(A).get(&subscribe), A);
    assert_closed(&fixture.caller_from(B).get(&subscribe));
    let hash = fixture.me.put_blob(b"sealed");
    let url = fixture.me.download_url(&hash);
    let fetch = |origin: &str| {
        let headers = HeaderMap::from_iter([
            ("origin".parse().expect("a name"), origin.parse().expect("a value")),
            ("range".parse().expect("a name"), HeaderValue::from_static("bytes=1-2")),
        ]);
        fixture.me.call_url(Method::GET, &url, headers, None)
    };
    let part = fetch(A);
    part.expect_bytes(206);
    assert_readable(&part, A);
    assert_closed(&fetch(B));
}

#[test]
fn nothing_else_is_open_to_other_pages() {
    let fixture = Fixture::new();
    for path in ["/health", "/oauth/authorize", "/api/openapi.json", "/api/synch", "/api/account", "/"] {
        let page = Client::new().get(format!("{}{path}", fixture.server.url())).header("origin", A);
        let response = page.send().expect("a response");
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{path}");
        let response = fixture.preflight(path, A);
        assert!(response.status().is_client_error(), "{path}");
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{path}");
    }
}

#[test]
fn what_an_operator_lists_holds_at_once_and_is_shown() {
    let fixture = Fixture::new();
    let status = |origin: &str| fixture.caller_from(origin).get("/api/sync/status");
    assert_closed(&status("tauri://localhost"));
    fixture.list("Notes", "webview, HTTPS://C.example:443");
    for origin in ["tauri://localhost", "capacitor://localhost", "http://localhost:5173", "https://c.example"]
    {
        assert_readable(&status(origin), origin);
    }
    assert_closed(&status(A));
    let shown = fixture.server.cli().run(&["app", "show", "Notes"]).json();
    assert_eq!(shown["cors"], json!(["https://c.example", "webview"]));
    fixture.list("Notes", "");
    assert_closed(&status("tauri://localhost"));
    for wrong in ["*", "https://a.example/path", "a.example"] {
        let refusal =
            fixture.server.cli().run(&["app", "set", "Notes", &format!("cors={wrong}")]).expect_refusal();
        assert!(refusal.contains(wrong), "{refusal}");
    }
}
