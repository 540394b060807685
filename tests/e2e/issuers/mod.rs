//! Federated users: the assertions of a trusted issuer are exchanged for tokens.

mod keys;
mod refusals;

use reqwest::Method;
use serde_json::{Value, json};
use tidelog::server::commands::{
    AppCommand, Command, DeviceCommand, IssuerCommand, RotationCommand, SessionCommand, UserCommand,
};

use crate::issuer::Issuer;
use tidelog_test_kit::{Caller, ManualClockServer, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const AUDIENCE: &str = "notes";

/// A server whose first app trusts an issuer.
struct Fixture {
    server: ManualClockServer,
    issuer: Issuer,
}

impl Fixture {
    fn new() -> Self {
        Self::with_keys(&["EC"])
    }

    fn with_keys(kinds: &[&str]) -> Self {
        let fixture =
            Self { server: ManualClockServer::start(&NO_RATE_LIMIT), issuer: Issuer::with_keys(kinds) };
        fixture.trust("dev", Some(fixture.issuer.keys_url()), None);
        fixture
    }

    fn trust(&self, app: &str, jwks_url: Option<String>, jwks: Option<String>) {
        let (issuer, audience) = (self.issuer.url().to_owned(), AUDIENCE.to_owned());
        self.server.command(Command::Issuer(IssuerCommand::Add {
            app: app.into(),
            issuer,
            audience,
            jwks_url,
            jwks,
        }));
    }

    /// Returns the claims of a valid assertion about this user.
    fn claims(&self, subject: &str) -> Value {
        let now = self.server.now_seconds();
        json!({"iss": self.issuer.url(), "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 300})
    }

    fn token(&self, subject: &str) -> String {
        self.issuer.sign("EC", &json!({"alg": "ES256", "kid": "EC"}), &self.claims(subject))
    }

    fn exchange(&self, token: &str) -> TokenResponse {
        self.exchange_at(self.server.api_key(), token)
    }

    fn exchange_at(&self, api_key: &str, token: &str) -> TokenResponse {
        exchange(&self.server.anonymous(), api_key, token)
    }

    fn sign_in(&self, token: &str) -> Caller {
        self.server.anonymous().with_token(&text(&self.exchange(token).ok()["access_token"]))
    }

    #[track_caller]
    fn refuses(&self, what: &str, token: &str) {
        self.exchange(token).is_error(what, "invalid_grant");
    }
}

const NO_RATE_LIMIT: [(&str, &str); 2] =
    [("auth.rate_limit.ip_burst", "1000000"), ("auth.rate_limit.ip_per_second", "100000")];

/// A response of the token endpoint, in the terms of RFC 6749.
struct TokenResponse {
    status: u16,
    body: Value,
}

impl TokenResponse {
    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    #[track_caller]
    fn is_error(&self, what: &str, error: &str) {
        assert_eq!((self.status, &self.body["error"]), (400, &json!(error)), "{what}: {}", self.body);
    }
}

fn ask(anonymous: &Caller, body: &Value) -> TokenResponse {
    let response = anonymous.post("/oauth/token", body);
    TokenResponse { status: response.status, body: response.json() }
}

fn exchange(anonymous: &Caller, api_key: &str, token: &str) -> TokenResponse {
    ask(anonymous, &request(api_key, token))
}

fn request(api_key: &str, token: &str) -> Value {
    json!({"grant_type": GRANT, "client_id": api_key, "assertion": token})
}

#[test]
fn a_federated_user_signs_in_and_is_the_same_user_next_time() {
    let fixture = Fixture::new();
    let first = fixture.exchange(&fixture.token("ada")).ok();
    let again = fixture.exchange(&fixture.token("ada")).ok();
    let other = fixture.exchange(&fixture.token("bob")).ok();
    assert_eq!(first["user_id"], again["user_id"]);
    assert_ne!(first["user_id"], other["user_id"]);
    assert_eq!(first["token_type"], "Bearer");

    let ada = fixture.server.anonymous().with_token(&text(&first["access_token"]));
    ada.device("Laptop");
    let refresh = json!({"refresh_token": first["refresh_token"]});
    let refreshed = fixture.server.anonymous().post("/api/sync/auth/refresh", &refresh).ok();
    let ada = fixture.server.anonymous().with_token(&text(&refreshed["token"]));
    assert_eq!(ada.get("/api/sync/devices").ok()[0]["device_name"], "Laptop");
    let bob = fixture.server.anonymous().with_token(&text(&other["access_token"]));
    assert_eq!(bob.get("/api/sync/devices").ok(), json!([]));
}

#[test]
fn an_assertion_may_be_sent_as_a_form() {
    let fixture = Fixture::new();
    let form = format!(
        "grant_type={GRANT}&client_id={}&assertion={}",
        fixture.server.api_key(),
        fixture.token("ada")
    );
    let kind = Some("application/x-www-form-urlencoded");
    let response = fixture.server.anonymous().send(Method::POST, "/oauth/token", kind, form.as_bytes());
    assert!(response.ok()["access_token"].is_string());
}

#[test]
fn keys_of_all_three_kinds_work_for_their_own_algorithm_only() {
    let fixture = Fixture::with_keys(&["EC", "OKP", "RSA"]);
    for (kid, alg) in [("EC", "ES256"), ("OKP", "EdDSA"), ("RSA", "RS256")] {
        fixture.sign_in(&fixture.issuer.sign(kid, &json!({"alg": alg, "kid": kid}), &fixture.claims("ada")));
        // If there is only one key of this kind, the assertion need not name it.
        fixture.sign_in(&fixture.issuer.sign(kid, &json!({"alg": alg}), &fixture.claims("ada")));
    }
    let other_alg =
        fixture.issuer.sign("RSA", &json!({"alg": "PS256", "kid": "RSA"}), &fixture.claims("ada"));
    fixture.refuses("PS256", &other_alg);
    let wrong_kid = fixture.issuer.sign("RSA", &json!({"alg": "RS256", "kid": "EC"}), &fixture.claims("ada"));
    fixture.refuses("the kid of a key of another kind", &wrong_kid);
}

#[test]
fn an_issuer_of_one_app_cannot_sign_in_users_of_another() {
    let fixture = Fixture::new();
    let created = fixture.server.command(Command::App(AppCommand::Create { name: "other".into() }));
    let other_key = text(&created["api_key"]);
    let token = fixture.token("ada");
    fixture.exchange_at(&other_key, &token).is_error("another app", "invalid_grant");

    // Both apps trust the same issuer: the same subject is a different user in each.
    fixture.trust("other", Some(fixture.issuer.keys_url()), None);
    let here = fixture.exchange(&token).ok();
    let there = fixture.exchange_at(&other_key, &token).ok();
    assert_ne!(here["user_id"], there["user_id"]);
    assert_ne!(here["app_id"], there["app_id"]);

    // A subject in one app is unrelated to the same subject of another app's issuer.
    let elsewhere = Issuer::with_keys(&["EC"]);
    let add = Command::Issuer(IssuerCommand::Add {
        app: "other".into(),
        issuer: elsewhere.url().into(),
        audience: AUDIENCE.into(),
        jwks_url: Some(elsewhere.keys_url()),
        jwks: None,
    });
    fixture.server.command(add);
    let mut claims = fixture.claims("ada");
    claims["iss"] = elsewhere.url().into();
    let header = json!({"alg": "ES256", "kid": "EC"});
    let third = fixture.exchange_at(&other_key, &elsewhere.sign("EC", &header, &claims)).ok();
    assert_ne!(third["user_id"], there["user_id"]);
    fixture.refuses("the other app's issuer", &elsewhere.sign("EC", &header, &claims));
    let impostor = elsewhere.sign("EC", &header, &fixture.claims("ada"));
    fixture
        .exchange_at(&other_key, &impostor)
        .is_error("an issuer's key does not verify another issuer's tokens", "invalid_grant");
}

#[test]
fn an_unknown_app_is_an_unknown_client() {
    let fixture = Fixture::new();
    fixture.exchange_at("tla_unknown", &fixture.token("ada")).is_error("no app", "invalid_client");
}

#[test]
fn a_disabled_federated_user_is_refused_at_once() {
    let fixture = Fixture::new();
    let response = fixture.exchange(&fixture.token("ada")).ok();
    let ada = fixture.server.anonymous().with_token(&text(&response["access_token"]));
    fixture.server.command(Command::User(UserCommand::Disable { email: text(&response["user_id"]) }));
    ada.get("/api/sync/status").expect_error(401, "unauthenticated");
    fixture.refuses("a disabled user", &fixture.token("ada"));
    fixture.server.command(Command::User(UserCommand::Enable { email: text(&response["user_id"]) }));
    assert_eq!(fixture.exchange(&fixture.token("ada")).ok()["user_id"], response["user_id"]);
}

#[test]
fn removing_an_issuer_ends_its_sessions_and_keeps_its_users() {
    let fixture = Fixture::new();
    let response = fixture.exchange(&fixture.token("ada")).ok();
    let ada = fixture.server.anonymous().with_token(&text(&response["access_token"]));
    let somebody = fixture.server.signed_in_caller();
    let remove =
        Command::Issuer(IssuerCommand::Remove { app: "dev".into(), issuer: fixture.issuer.url().into() });
    fixture.server.command(remove);
    ada.get("/api/sync/status").expect_error(401, "unauthenticated");
    fixture.refuses("no longer trusted", &fixture.token("ada"));
    somebody.get("/api/sync/status").ok();
    fixture.trust("dev", Some(fixture.issuer.keys_url()), None);
    assert_eq!(fixture.exchange(&fixture.token("ada")).ok()["user_id"], response["user_id"]);
}

#[test]
fn replacing_an_api_key_ends_federated_sessions() {
    let fixture = Fixture::new();
    let ada = fixture.sign_in(&fixture.token("ada"));
    fixture.server.command(Command::App(AppCommand::RotateKey { app: "dev".into() }));
    ada.get("/api/sync/status").expect_error(401, "unauthenticated");
    fixture.exchange(&fixture.token("ada")).is_error("the key until then", "invalid_client");
}

#[test]
fn a_federated_user_without_email_and_password_works_on_every_route() {
    let fixture = Fixture::new();
    let response = fixture.exchange(&fixture.token("ada")).ok();
    let ada = fixture.server.anonymous().with_token(&text(&response["access_token"]));
    let userinfo = ada.get("/oauth/userinfo").ok();
    assert_eq!((&userinfo["sub"], userinfo.get("email")), (&response["user_id"], None));
    for current in ["", "a password that was guessed"] {
        let body = json!({"current_password": current, "new_password": "another password"});
        ada.post("/api/sync/auth/password", &body).expect_error(401, "invalid_credentials");
    }
    let envelope = json!({"encrypted_key": "c2VhbGVk"});
    ada.put("/api/sync/keys", &envelope).ok();
    let device = ada.device("Laptop");
    let push = json!({"device_id": device, "batch_id": tidelog_test_kit::fresh_id(), "changes": [tidelog_test_kit::change("row")]});
    ada.post("/api/sync/push", &push).ok();
    ada.get("/api/sync/blobs").ok();
    for command in [
        Command::User(UserCommand::List),
        Command::Device(DeviceCommand::List),
        Command::Session(SessionCommand::List),
        Command::Rotation(RotationCommand::List),
    ] {
        fixture.server.command(command);
    }
    ada.post("/api/sync/auth/logout", &Value::Null).expect(204);
    fixture.server.command(Command::User(UserCommand::Delete { email: text(&response["user_id"]) }));
    fixture.server.assert_consistent();
    assert_ne!(fixture.exchange(&fixture.token("ada")).ok()["user_id"], response["user_id"]);
}
