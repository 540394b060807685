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
struct Scene {
    server: ManualClockServer,
    issuer: Issuer,
}

impl Scene {
    fn set() -> Self {
        Self::with_keys(&["EC"])
    }

    fn with_keys(kinds: &[&str]) -> Self {
        let scene =
            Self { server: ManualClockServer::start(&NO_RATE_LIMIT), issuer: Issuer::with_keys(kinds) };
        scene.trust("dev", Some(scene.issuer.keys_url()), None);
        scene
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

    fn exchange(&self, token: &str) -> Told {
        self.exchange_at(self.server.api_key(), token)
    }

    fn exchange_at(&self, api_key: &str, token: &str) -> Told {
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
struct Told {
    status: u16,
    body: Value,
}

impl Told {
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

fn ask(anonymous: &Caller, body: &Value) -> Told {
    let answer = anonymous.post("/oauth/token", body);
    Told { status: answer.status, body: answer.json() }
}

fn exchange(anonymous: &Caller, api_key: &str, token: &str) -> Told {
    ask(anonymous, &request(api_key, token))
}

fn request(api_key: &str, token: &str) -> Value {
    json!({"grant_type": GRANT, "client_id": api_key, "assertion": token})
}

#[test]
fn a_federated_user_signs_in_and_is_the_same_user_next_time() {
    let scene = Scene::set();
    let first = scene.exchange(&scene.token("ada")).ok();
    let again = scene.exchange(&scene.token("ada")).ok();
    let other = scene.exchange(&scene.token("bob")).ok();
    assert_eq!(first["user_id"], again["user_id"]);
    assert_ne!(first["user_id"], other["user_id"]);
    assert_eq!(first["token_type"], "Bearer");

    let ada = scene.server.anonymous().with_token(&text(&first["access_token"]));
    ada.device("Laptop");
    let refresh = json!({"refresh_token": first["refresh_token"]});
    let refreshed = scene.server.anonymous().post("/api/sync/auth/refresh", &refresh).ok();
    let ada = scene.server.anonymous().with_token(&text(&refreshed["token"]));
    assert_eq!(ada.get("/api/sync/devices").ok()[0]["device_name"], "Laptop");
    let bob = scene.server.anonymous().with_token(&text(&other["access_token"]));
    assert_eq!(bob.get("/api/sync/devices").ok(), json!([]));
}

#[test]
fn an_assertion_may_be_sent_as_a_form() {
    let scene = Scene::set();
    let form =
        format!("grant_type={GRANT}&client_id={}&assertion={}", scene.server.api_key(), scene.token("ada"));
    let kind = Some("application/x-www-form-urlencoded");
    let answer = scene.server.anonymous().send(Method::POST, "/oauth/token", kind, form.as_bytes());
    assert!(answer.ok()["access_token"].is_string());
}

#[test]
fn keys_of_all_three_kinds_work_for_their_own_algorithm_only() {
    let scene = Scene::with_keys(&["EC", "OKP", "RSA"]);
    for (kid, alg) in [("EC", "ES256"), ("OKP", "EdDSA"), ("RSA", "RS256")] {
        scene.sign_in(&scene.issuer.sign(kid, &json!({"alg": alg, "kid": kid}), &scene.claims("ada")));
        // If there is only one key of this kind, the assertion need not name it.
        scene.sign_in(&scene.issuer.sign(kid, &json!({"alg": alg}), &scene.claims("ada")));
    }
    let other_alg = scene.issuer.sign("RSA", &json!({"alg": "PS256", "kid": "RSA"}), &scene.claims("ada"));
    scene.refuses("PS256", &other_alg);
    let wrong_kid = scene.issuer.sign("RSA", &json!({"alg": "RS256", "kid": "EC"}), &scene.claims("ada"));
    scene.refuses("the kid of a key of another kind", &wrong_kid);
}

#[test]
fn an_issuer_of_one_app_cannot_sign_in_users_of_another() {
    let scene = Scene::set();
    let made = scene.server.command(Command::App(AppCommand::Create { name: "other".into() }));
    let other_key = text(&made["api_key"]);
    let token = scene.token("ada");
    scene.exchange_at(&other_key, &token).is_error("another app", "invalid_grant");

    // Both apps trust the same issuer: the same subject is a different user in each.
    scene.trust("other", Some(scene.issuer.keys_url()), None);
    let here = scene.exchange(&token).ok();
    let there = scene.exchange_at(&other_key, &token).ok();
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
    scene.server.command(add);
    let mut claims = scene.claims("ada");
    claims["iss"] = elsewhere.url().into();
    let header = json!({"alg": "ES256", "kid": "EC"});
    let third = scene.exchange_at(&other_key, &elsewhere.sign("EC", &header, &claims)).ok();
    assert_ne!(third["user_id"], there["user_id"]);
    scene.refuses("the other app's issuer", &elsewhere.sign("EC", &header, &claims));
    let impostor = elsewhere.sign("EC", &header, &scene.claims("ada"));
    scene.exchange_at(&other_key, &impostor).is_error("one issuer's key is no other's", "invalid_grant");
}

#[test]
fn an_unknown_app_is_an_unknown_client() {
    let scene = Scene::set();
    scene.exchange_at("tla_unknown", &scene.token("ada")).is_error("no app", "invalid_client");
}

#[test]
fn a_disabled_federated_user_is_refused_at_once() {
    let scene = Scene::set();
    let answer = scene.exchange(&scene.token("ada")).ok();
    let ada = scene.server.anonymous().with_token(&text(&answer["access_token"]));
    scene.server.command(Command::User(UserCommand::Disable { email: text(&answer["user_id"]) }));
    ada.get("/api/sync/status").expect_error(401, "unauthenticated");
    scene.refuses("a disabled user", &scene.token("ada"));
    scene.server.command(Command::User(UserCommand::Enable { email: text(&answer["user_id"]) }));
    assert_eq!(scene.exchange(&scene.token("ada")).ok()["user_id"], answer["user_id"]);
}

#[test]
fn removing_an_issuer_ends_its_sessions_and_keeps_its_users() {
    let scene = Scene::set();
    let answer = scene.exchange(&scene.token("ada")).ok();
    let ada = scene.server.anonymous().with_token(&text(&answer["access_token"]));
    let somebody = scene.server.signed_in_caller();
    let remove =
        Command::Issuer(IssuerCommand::Remove { app: "dev".into(), issuer: scene.issuer.url().into() });
    scene.server.command(remove);
    ada.get("/api/sync/status").expect_error(401, "unauthenticated");
    scene.refuses("no longer trusted", &scene.token("ada"));
    somebody.get("/api/sync/status").ok();
    scene.trust("dev", Some(scene.issuer.keys_url()), None);
    assert_eq!(scene.exchange(&scene.token("ada")).ok()["user_id"], answer["user_id"]);
}

#[test]
fn replacing_an_api_key_ends_federated_sessions() {
    let scene = Scene::set();
    let ada = scene.sign_in(&scene.token("ada"));
    scene.server.command(Command::App(AppCommand::RotateKey { app: "dev".into() }));
    ada.get("/api/sync/status").expect_error(401, "unauthenticated");
    scene.exchange(&scene.token("ada")).is_error("the key until then", "invalid_client");
}

#[test]
fn a_federated_user_without_email_and_password_works_on_every_route() {
    let scene = Scene::set();
    let answer = scene.exchange(&scene.token("ada")).ok();
    let ada = scene.server.anonymous().with_token(&text(&answer["access_token"]));
    let userinfo = ada.get("/oauth/userinfo").ok();
    assert_eq!((&userinfo["sub"], userinfo.get("email")), (&answer["user_id"], None));
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
        scene.server.command(command);
    }
    ada.post("/api/sync/auth/logout", &Value::Null).expect(204);
    scene.server.command(Command::User(UserCommand::Delete { email: text(&answer["user_id"]) }));
    scene.server.assert_consistent();
    assert_ne!(scene.exchange(&scene.token("ada")).ok()["user_id"], answer["user_id"]);
}
