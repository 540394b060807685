//! Signing in through a browser: OAuth with PKCE, as an app and a user carry it out.

mod authorize;
mod clients;
mod codes;
mod forms;
mod second_factor;
mod tokens;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use tidelog_test_kit::{App, PASSWORD, PageResponse, Server, ServerSetup, Tab, User};

/// The app's redirect URI.
const REDIRECT: &str = "http://127.0.0.1:4711/callback";
/// The PKCE code verifier.
const VERIFIER: &str = "a-verifier-of-the-tests-that-is-long-enough-for-rfc-7636";
const STATE: &str = "a state & more";

/// A server with an app and a user.
struct Fixture {
    server: Server,
    app: App,
    user: User,
}

fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(verifier))
}

fn query(parameters: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", parameters).expect("an address");
    format!("/oauth/authorize?{}", url.query().unwrap_or_default())
}

impl Fixture {
    fn new() -> Self {
        Self::of(Server::start())
    }

    fn of(server: Server) -> Self {
        let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
        Self { server, app, user }
    }

    fn with_public_url(url: &str) -> Self {
        Self::of(ServerSetup::default().with("TIDELOG_PUBLIC_URL", url).start())
    }

    /// Returns the authorization request with these parameters replaced; empty ones are left out.
    fn request(&self, changed: &[(&str, &str)]) -> String {
        let challenge = challenge(VERIFIER);
        let usual = [
            ("response_type", "code"),
            ("client_id", &self.app.api_key),
            ("redirect_uri", REDIRECT),
            ("state", STATE),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let kept = usual.into_iter().filter(|(name, _)| changed.iter().all(|(other, _)| name != other));
        let all: Vec<_> =
            kept.chain(changed.iter().copied()).filter(|(_, value)| !value.is_empty()).collect();
        query(&all)
    }

    /// Signs the user in, and returns the consent page.
    fn consent_page(&self, tab: &Tab) -> PageResponse {
        let page = tab.open(&self.request(&[])).expect(200).expect_title("Sign in");
        let sent = tab.send(&page, &[("email", &self.user.email), ("password", PASSWORD)]).expect(303);
        tab.follow(&sent).expect(200).expect_title("Allow Notes to sync?")
    }

    /// Consents as the user, and returns the code.
    fn code(&self) -> String {
        let tab = self.server.tab();
        let page = self.consent_page(&tab);
        tab.send(&page, &[("decision", "allow")]).expect(303).parameter("code").expect("a code")
    }

    /// Returns the token request with these fields replaced.
    fn exchange(&self, code: &str, changed: Value) -> (u16, Value) {
        let mut body = json!({
            "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER, "client_id": self.app.api_key,
        });
        for (name, value) in changed.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let response = self.server.anonymous().post("/oauth/token", &body);
        (response.status, response.json())
    }
}

#[test]
fn a_user_authorizes_an_app_and_it_syncs() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let page = fixture.consent_page(&tab);
    assert!(page.text.contains("ada@example.org") && page.text.contains("Notes"));
    let sent = tab.send(&page, &[("decision", "allow")]).expect(303);
    assert!(sent.location().starts_with(&format!("{REDIRECT}?code=")), "{}", sent.location());
    assert_eq!(sent.parameter("state").as_deref(), Some(STATE));
    assert_eq!(sent.parameter("iss"), Some(fixture.server.url()));
    let (status, tokens) = fixture.exchange(&sent.parameter("code").expect("a code"), json!({}));
    assert_eq!((status, &tokens["token_type"]), (200, &json!("Bearer")));
    assert_eq!((&tokens["user_id"], &tokens["app_id"]), (&json!(fixture.user.id), &json!(fixture.app.id)));
    let week = 7 * 24 * 60 * 60;
    assert!((week - 60..=week).contains(&tokens["expires_in"].as_i64().expect("seconds")));
    let app = fixture.server.bearer(tokens["access_token"].as_str().expect("a token"));
    let device = app.device("Laptop");
    app.push(&device, vec![tidelog_test_kit::change("row")]);
    let who = app.get("/oauth/userinfo").ok();
    assert_eq!(who, json!({"sub": fixture.user.id, "email": "ada@example.org", "app_id": fixture.app.id}));
}

#[test]
fn a_user_who_declines_gives_the_app_nothing() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let page = fixture.consent_page(&tab);
    let sent = tab.send(&page, &[("decision", "deny")]).expect(303);
    assert_eq!(sent.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!((sent.parameter("state").as_deref(), sent.parameter("code")), (Some(STATE), None));
    assert_eq!(sent.parameter("iss"), Some(fixture.server.url()));
    let page = tab.open(&fixture.request(&[]));
    assert!(page.text.contains("error=access_denied"), "a way out before signing in");
}

#[test]
fn the_metadata_lists_every_endpoint() {
    let fixture = Fixture::with_public_url("https://sync.example.org/tide/");
    let metadata = fixture.server.anonymous().get("/.well-known/oauth-authorization-server").ok();
    let base = "https://sync.example.org/tide";
    assert_eq!(metadata["issuer"], base);
    for (name, path) in [
        ("authorization_endpoint", "/oauth/authorize"),
        ("token_endpoint", "/oauth/token"),
        ("userinfo_endpoint", "/oauth/userinfo"),
        ("revocation_endpoint", "/oauth/revoke"),
    ] {
        assert_eq!(metadata[name], format!("{base}{path}"));
    }
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    let page = fixture.server.tab().with("host", "sync.example.org").open(&fixture.request(&[]));
    assert_eq!(page.action(), "/tide/sign-in", "actions of forms resolve in browsers");
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Secure-tidelog-browser=") && cookie.contains("Path=/tide/;"), "{cookie}");
}
