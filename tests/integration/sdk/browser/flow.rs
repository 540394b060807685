//! The whole sign-in, through the server's own pages.

use std::sync::Arc;

use reqwest::Url;
use serde_json::{Value, json};
use tidelog::clock::Clock;
use tidelog::config::{Sources, load};
use tidelog_client::{SyncKitClient, SyncKitError};

use super::PendingSignIn;
use super::http_browser::{Browser, PageResponse};
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config, tasks};

/// Signs in up to the question whether to authorize the app.
async fn come_to_consent(fixture: &Fixture, browser: &mut Browser, url: &Url) -> PageResponse {
    let page = browser.open(url).await;
    let credentials = [("email", fixture.server.email()), ("password", fixture.server.password())];
    browser.submit(&page, &credentials).await
}

async fn begin(client: &Arc<SyncKitClient>) -> PendingSignIn {
    PendingSignIn::begin(client.clone()).await
}

#[tokio::test]
async fn a_user_who_allows_the_app_is_signed_in_as_after_a_password() {
    let fixture = Fixture::new().await;
    let client = Arc::new(fixture.signed_out_client());
    let (waiting, mut browser) = (begin(&client).await, Browser::new());
    let consent = come_to_consent(&fixture, &mut browser, &waiting.url).await;
    let end = browser.submit(&consent, &[("decision", "allow")]).await;
    assert!(end.html.contains("You are signed in"), "{}", end.html);
    let (user_id, app_id) = waiting.login.await.unwrap().unwrap();

    let session = client.session_info().unwrap();
    assert_eq!((session.user_id, session.app_id), (user_id, app_id));
    assert!(session.expires_at.unwrap() > chrono::Utc::now() + chrono::TimeDelta::days(6));
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = client.register_device("laptop", "linux").await.unwrap();
    client.push(device.id, tasks(1)).await.unwrap();

    // Saved, restored, refreshed and ended like any other session.
    let mut saved = session;
    saved.expires_at = Some(chrono::Utc::now());
    let again = fixture.signed_out_client();
    again.restore_session(serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap());
    assert_eq!(again.status().await.unwrap().total_changes, 1);
    assert!(again.session_info().unwrap().refresh_token != saved.refresh_token);
    again.logout().await.unwrap();
    assert!(matches!(client.status().await, Err(SyncKitError::Unauthenticated)));
}

#[tokio::test]
async fn a_user_who_declines_leaves_nothing_behind() {
    let fixture = Fixture::new().await;
    let client = Arc::new(fixture.signed_out_client());
    let (waiting, mut browser) = (begin(&client).await, Browser::new());
    let consent = come_to_consent(&fixture, &mut browser, &waiting.url).await;
    let end = browser.submit(&consent, &[("decision", "deny")]).await;
    assert!(end.html.contains("Sign-in cancelled"));
    assert!(matches!(waiting.login.await.unwrap(), Err(SyncKitError::AccessDenied)));
    assert_eq!(client.session_info(), None);
}

#[tokio::test]
async fn a_code_works_once_and_only_with_its_verifier() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_out_client();
    let began = client.build_authorize_url("http://127.0.0.1:9/done").unwrap();
    let code = code_for(&fixture, &began.url).await;
    let other = client.build_authorize_url("http://127.0.0.1:9/done").unwrap();
    for (code, redirect_uri, verifier) in [
        (code.as_str(), "http://127.0.0.1:9/done", other.code_verifier.as_str()),
        (code.as_str(), "http://127.0.0.1:9/elsewhere", began.code_verifier.as_str()),
        ("made-up", "http://127.0.0.1:9/done", began.code_verifier.as_str()),
    ] {
        let refused = client.authenticate_with_code(code, redirect_uri, verifier).await;
        assert!(matches!(refused, Err(SyncKitError::CodeRefused)), "{refused:?}");
    }
    client.authenticate_with_code(&code, &began.redirect_uri, &began.code_verifier).await.unwrap();
    client.status().await.unwrap();
    let again = fixture.signed_out_client();
    let refused = again.authenticate_with_code(&code, &began.redirect_uri, &began.code_verifier).await;
    assert!(matches!(refused, Err(SyncKitError::CodeRefused)));
    // The code was used twice, so the session that it gave was revoked.
    assert!(matches!(client.status().await, Err(SyncKitError::Unauthenticated)));
}

#[tokio::test]
async fn a_callback_that_names_another_server_is_refused_and_the_right_one_still_works() {
    let fixture = Fixture::new().await;
    let by_name = fixture.server.url().replace("127.0.0.1", "localhost");
    let client = builder(config(&by_name, fixture.server.api_key())).build();
    let began = client.build_authorize_url("http://127.0.0.1:9/done").unwrap();
    let mut callback = callback_for(&fixture, &began.url).await;
    let issuer = |url: &Url| url.query_pairs().find(|(name, _)| name == "iss").unwrap().1.into_owned();
    assert_eq!(issuer(&callback).trim_end_matches('/'), by_name);
    let right = callback.to_string();
    let pairs: Vec<(String, String)> = callback
        .query_pairs()
        .map(|(name, value)| match &*name {
            "iss" => (name.into_owned(), "https://another.example".into()),
            _ => (name.into_owned(), value.into_owned()),
        })
        .collect();
    callback.query_pairs_mut().clear().extend_pairs(pairs);
    let refused = client.authenticate_with_callback(&began, callback.as_str()).await;
    assert!(matches!(refused, Err(SyncKitError::ForeignCallback)), "{refused:?}");
    client.authenticate_with_callback(&began, &right).await.unwrap();
}

#[tokio::test]
async fn an_unknown_app_is_reported_to_the_user_without_a_redirect() {
    let fixture = Fixture::new().await;
    let client = Arc::new(builder(config(fixture.server.url(), "tla_unknown")).build());
    let waiting = begin(&client).await;
    let page = Browser::new().open(&waiting.url).await;
    assert_eq!(page.url.path(), "/oauth/authorize");
    assert!(!waiting.login.is_finished());
    waiting.login.abort();
}

#[tokio::test]
async fn an_account_with_two_factor_authentication_signs_in_with_the_browser() {
    let fixture = Fixture::new().await;
    let telephone = AuthenticatorApp::enrolled(&fixture).await;
    let client = Arc::new(fixture.signed_out_client());
    let by_password = client.authenticate(fixture.server.email(), fixture.server.password()).await;
    assert!(matches!(by_password, Err(SyncKitError::TwoFactorRequired)));

    let (waiting, mut browser) = (begin(&client).await, Browser::new());
    let question = come_to_consent(&fixture, &mut browser, &waiting.url).await;
    assert!(question.html.contains("one-time-code"), "{}", question.html);
    let consent = browser.submit(&question, &[("code", &telephone.next_code())]).await;
    browser.submit(&consent, &[("decision", "allow")]).await;
    waiting.login.await.unwrap().unwrap();
    client.status().await.unwrap();
}

/// The user's authenticator app.
struct AuthenticatorApp(totp_rs::Totp);

impl AuthenticatorApp {
    /// Turns on two-factor authentication for the account of this fixture.
    async fn enrolled(fixture: &Fixture) -> Self {
        let account =
            |path: &str| reqwest::Client::new().post(format!("{}/api/account{path}", fixture.server.url()));
        let post = async |request: reqwest::RequestBuilder, body: Value| -> Value {
            let request = request.header("content-type", "application/json").body(body.to_string());
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
        };
        let credentials = json!({"email": fixture.server.email(), "password": fixture.server.password()});
        let token = post(account("/token"), credentials).await["token"].as_str().unwrap().to_owned();
        let enrolment = post(account("/two-factor").bearer_auth(&token), json!({})).await;
        let secret: String = enrolment["secret"].as_str().unwrap().split_whitespace().collect();
        let secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
        let telephone = Self(totp_rs::Builder::new().with_secret(secret).build_noncompliant());
        let code = json!({"code": telephone.code(0)});
        post(account("/two-factor/confirm").bearer_auth(&token), code).await;
        telephone
    }

    /// No code works twice, so this is not the one of the enrolment. Clocks may differ by half a minute.
    fn next_code(&self) -> String {
        self.code(30)
    }

    fn code(&self, later_seconds: u64) -> String {
        let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
        self.0.generate(now + later_seconds).to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_reached_by_another_name_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let flags = vec![
        ("data", folder.path().to_string_lossy().into_owned()),
        ("listen", "127.0.0.1:0".into()),
        ("public_url", "https://sync.example.org/notes".into()),
    ];
    let (settings, _) = load(&Sources { flags, ..Sources::default() }).unwrap();
    let server = tidelog::server::start(settings, Clock::system()).await.unwrap();
    let address = format!("http://127.0.0.1:{}", server.url().rsplit(':').next().unwrap());
    let client = builder(config(&address, "tla_unknown")).build();
    let began = client.build_authorize_url("todo:/done").unwrap();
    let come_back = async |issuer: &str| {
        let callback = format!("todo:/done?code=made-up&state={}&iss={issuer}", began.state);
        client.authenticate_with_callback(&began, &callback).await
    };
    for foreign in ["https://sync.example.org", "https://sync.example.com/notes", "", "x"] {
        let refused = come_back(foreign).await;
        assert!(matches!(refused, Err(SyncKitError::ForeignCallback)), "{foreign}: {refused:?}");
    }
    // It is the right server, so the code was sent to it; only the code is wrong.
    for own in ["https://sync.example.org/notes", &address] {
        let refused = come_back(own).await;
        assert!(matches!(refused, Err(SyncKitError::CodeRefused)), "{own}: {refused:?}");
    }
    server.stop().await;
}

/// The URL to which a user who allows the app is redirected; nobody listens there.
async fn callback_for(fixture: &Fixture, url: &str) -> Url {
    let mut browser = Browser::new().stopping_at("127.0.0.1:9");
    let consent = come_to_consent(fixture, &mut browser, &url.parse().unwrap()).await;
    browser.submit(&consent, &[("decision", "allow")]).await.url
}

async fn code_for(fixture: &Fixture, url: &str) -> String {
    let callback = callback_for(fixture, url).await;
    callback.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
}
