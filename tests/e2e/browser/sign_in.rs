//! Signing in to an app through a browser.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::browser::callback::Callback;
use crate::browser::window::Window;
use tidelog_test_kit::{Authenticator, ManualClockServer};

const VERIFIER: &str = "a-verifier-of-the-tests-that-is-long-enough-for-rfc-7636";
/// SHA-256 of the verifier, in base64url.
fn challenge() -> String {
    use sha2::{Digest, Sha256};
    data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER))
}

/// A server with an app and a user, a browser window, and the app's callback.
pub(crate) struct Fixture {
    server: Option<ManualClockServer>,
    pub(crate) window: Window,
    pub(crate) app: Callback,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let server = tokio::task::block_in_place(|| ManualClockServer::start(&[]));
        Self::with(server, Window::open().await)
    }

    /// Uses this server and this window.
    pub(crate) fn with(server: ManualClockServer, window: Window) -> Self {
        Self { server: Some(server), window, app: Callback::listen() }
    }

    pub(crate) fn server(&self) -> &ManualClockServer {
        self.server.as_ref().expect("it runs until the end")
    }

    pub(crate) fn request(&self) -> String {
        self.request_back_to(&self.app.at("127.0.0.1"))
    }

    fn request_back_to(&self, redirect: &str) -> String {
        format!(
            "{}/oauth/authorize?response_type=code&client_id={}&redirect_uri={}&state=a-state&code_challenge={}\
             &code_challenge_method=S256",
            self.server().url(),
            self.server().api_key(),
            redirect,
            challenge()
        )
    }

    pub(crate) async fn sign_in(&self) {
        self.window.wait_for_title("Sign in").await;
        self.window.fill("Email", self.server().email()).await;
        self.window.fill("Password", self.server().password()).await;
        self.window.click("Sign in").await;
    }

    fn exchange(&self, code: &str) -> Value {
        let body = json!({
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.app.at("127.0.0.1"),
            "code_verifier": VERIFIER, "client_id": self.server().api_key(),
        });
        tokio::task::block_in_place(|| self.server().anonymous().post("/oauth/token", &body).ok())
    }

    /// Turns two-factor authentication on. Returns the authenticator and the recovery codes.
    fn enrol(&self) -> (Authenticator, Vec<String>) {
        tokio::task::block_in_place(|| {
            let body = json!({"email": self.server().email(), "password": self.server().password()});
            let token = self.server().anonymous().post("/api/account/token", &body).ok()["token"].clone();
            let account = self.server().anonymous().with_token(token.as_str().expect("a token"));
            let secret = account.post("/api/account/two-factor", &json!({})).ok()["secret"].clone();
            let authenticator = Authenticator::new(secret.as_str().expect("a secret"));
            let code = authenticator.code(self.server().now_seconds());
            let codes = account.post("/api/account/two-factor/confirm", &json!({"code": code})).ok();
            let codes = codes["recovery_codes"].as_array().expect("codes").clone();
            self.server().advance_seconds(30);
            (authenticator, codes.iter().map(|code| code.as_str().expect("a code").to_owned()).collect())
        })
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // The blocking client has its own runtime, which cannot be dropped inside another.
        tokio::task::block_in_place(|| drop(self.server.take()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_authorizes_an_app_after_a_wrong_password() {
    let fixture = Fixture::new().await;
    fixture.window.goto(&fixture.request()).await;
    fixture.window.wait_for_title("Sign in").await;
    fixture.window.fill("Email", fixture.server().email()).await;
    fixture.window.fill("Password", "wrong").await;
    fixture.window.click("Sign in").await;
    fixture.window.wait_for_text("Incorrect email or password.").await;
    fixture.window.fill("Password", fixture.server().password()).await;
    fixture.window.click("Sign in").await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture.window.reload().await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture.window.click("Allow").await;
    fixture.window.wait_for_title("Back in the app").await;
    assert_eq!(fixture.app.received("state"), ["a-state"]);
    assert_eq!(fixture.app.received("iss"), [fixture.server().url()]);
    fixture.exchange(&fixture.app.received("code")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_on_allow_gives_one_working_code() {
    let fixture = Fixture::new().await;
    fixture.window.goto(&fixture.request()).await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture.window.double_click("Allow").await;
    fixture.window.wait_for_title("Back in the app").await;
    let codes = fixture.app.received("code");
    assert_eq!(codes.len(), 1, "{codes:?}");
    fixture.exchange(&codes[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_after_consent_shows_an_expired_page_with_a_link() {
    let fixture = Fixture::new().await;
    fixture.window.goto(&fixture.request()).await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture.window.click("Allow").await;
    fixture.window.wait_for_title("Back in the app").await;
    fixture.window.back().await;
    // Some browsers show a cached page in spite of its headers; its form is refused nevertheless.
    fixture.window.reload().await;
    fixture.window.wait_for_title("This page has expired").await;
    fixture.window.click("Start again").await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture.window.back().await;
    fixture.window.wait_for_title("Sign in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_declines_returns_without_a_code() {
    let fixture = Fixture::new().await;
    fixture.window.goto(&fixture.request()).await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture.window.click("Cancel").await;
    fixture.window.wait_for_title("Back in the app").await;
    assert_eq!(fixture.app.received("error"), ["access_denied"]);
    fixture.window.goto(&fixture.request()).await;
    fixture.window.wait_for_title("Sign in").await;
    fixture.window.click("Cancel").await;
    fixture.window.wait_for_title("Back in the app").await;
    assert!(fixture.app.received("code").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_factor_authentication_asks_for_a_code_and_a_recovery_code_works_once() {
    let fixture = Fixture::new().await;
    let (authenticator, recovery) = fixture.enrol();
    fixture.window.goto(&fixture.request()).await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Two-factor authentication").await;
    fixture.window.fill("6-digit code", "000000").await;
    fixture.window.click("Verify").await;
    fixture.window.wait_for_text("This code is incorrect").await;
    fixture.window.fill("6-digit code", &authenticator.code(fixture.server().now_seconds())).await;
    fixture.window.double_click("Verify").await;
    fixture.window.wait_for_title("Allow dev to sync?").await;

    for works in [true, false] {
        fixture.window.goto(&fixture.request()).await;
        fixture.sign_in().await;
        fixture.window.wait_for_title("Two-factor authentication").await;
        fixture.window.click("Use a recovery code").await;
        fixture.window.wait_for_title("Use a recovery code").await;
        fixture.window.fill("Recovery code", &recovery[0]).await;
        fixture.window.click("Verify").await;
        if works {
            fixture.window.wait_for_title("Allow dev to sync?").await;
            fixture.window.click("Allow").await;
            fixture.window.wait_for_title("Back in the app").await;
        } else {
            fixture.window.wait_for_text("already used").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_left_open_too_long_says_so_and_starts_again() {
    let fixture = Fixture::new().await;
    fixture.window.goto(&fixture.request()).await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture.server().advance_seconds(10 * 60);
    fixture.window.click("Allow").await;
    fixture.window.wait_for_title("This page has expired").await;
    fixture.window.click("Start again").await;
    fixture.sign_in().await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture.window.click("Allow").await;
    fixture.window.wait_for_title("Back in the app").await;
    fixture.exchange(&fixture.app.received("code")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_works_with_the_keyboard_alone() {
    let fixture = Fixture::new().await;
    fixture.window.goto(&fixture.request()).await;
    fixture.window.wait_for_title("Sign in").await;
    fixture.window.press(fixture.server().email()).await;
    fixture.window.key(Key::Tab).await;
    fixture.window.press(fixture.server().password()).await;
    fixture.window.key(Key::Enter).await;
    fixture.window.wait_for_title("Allow dev to sync?").await;
    fixture
        .window
        .find("button[value=deny]")
        .await
        .send_keys(&char::from(Key::Tab).to_string())
        .await
        .expect("a key");
    fixture.window.key(Key::Enter).await;
    fixture.window.wait_for_title("Back in the app").await;
    assert_eq!(fixture.app.received("code").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_return_to_every_loopback_name() {
    let fixture = Fixture::new().await;
    let by_v6 = Callback::listen_v6();
    let mut ways = vec![(&fixture.app, "localhost")];
    ways.extend(by_v6.as_ref().map(|app| (app, "[::1]")));
    for (app, host) in ways {
        fixture.window.goto(&fixture.request_back_to(&app.at(host))).await;
        fixture.sign_in().await;
        fixture.window.wait_for_title("Allow dev to sync?").await;
        fixture.window.click("Allow").await;
        fixture.window.wait_for_title("Back in the app").await;
        assert_eq!(app.received("code").len(), 1, "{host}");
    }
}
