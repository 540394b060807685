//! Assertions that are refused.

use serde_json::{Value, json};

use super::Scene;
use crate::issuer::Issuer;

const DAY: i64 = 24 * 60 * 60;

impl Scene {
    fn signed(&self, claims: &Value) -> String {
        self.issuer.sign("EC", &json!({"alg": "ES256", "kid": "EC"}), claims)
    }

    /// Returns a valid assertion with one claim replaced, or removed if the value is null.
    fn with(&self, claim: &str, value: Value) -> String {
        let mut claims = self.claims("ada");
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(claim)),
            value => claims[claim] = value,
        }
        self.signed(&claims)
    }
}

#[test]
fn missing_wrong_and_mistyped_claims_are_refused() {
    let scene = Scene::set();
    let now = scene.server.now_seconds();
    for (claim, value) in [
        ("iss", json!("https://somebody.else.example")),
        ("iss", json!(null)),
        ("iss", json!([scene.issuer.url()])),
        ("iss", json!(format!("{}/", scene.issuer.url()))),
        ("aud", json!("another-app")),
        ("aud", json!(null)),
        ("aud", json!([])),
        ("aud", json!(["another-app"])),
        ("aud", json!({"notes": true})),
        ("aud", json!("Notes")),
        ("sub", json!(null)),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!("x".repeat(256))),
        ("sub", json!("a\u{0}b")),
        ("exp", json!(null)),
        ("exp", json!((now + 300).to_string())),
        ("exp", json!(now - 61)),
        ("exp", json!(0)),
        ("exp", json!(-1e300)),
        ("exp", json!(now + 2 * DAY)),
        ("exp", json!(1e300)),
        ("nbf", json!(now + 70)),
        ("nbf", json!("now")),
        ("iat", json!(now + 70)),
        ("iat", json!(now - 2 * DAY)),
    ] {
        scene.refuses(&format!("{claim} = {value}"), &scene.with(claim, value.clone()));
    }
}

#[test]
fn clock_skew_of_a_minute_and_multiple_audiences_are_accepted() {
    let scene = Scene::set();
    let now = scene.server.now_seconds();
    for (claim, value) in [
        ("aud", json!(["another-app", "notes"])),
        ("exp", json!(now - 50)),
        ("exp", json!(now as f64 + 10.5)),
        ("nbf", json!(now + 50)),
        ("iat", json!(now + 50)),
        ("iat", json!(null)),
        ("sub", json!("名".repeat(255))),
        ("email", json!("ada@example.org")),
    ] {
        scene.sign_in(&scene.with(claim, value));
    }
}

#[test]
fn an_expired_assertion_is_refused() {
    let scene = Scene::set();
    let token = scene.token("ada");
    scene.sign_in(&token);
    scene.server.advance_seconds(300 + 50);
    scene.sign_in(&token);
    scene.server.advance_seconds(20);
    scene.refuses("expired", &token);
}

#[test]
fn missing_and_foreign_signatures_are_refused() {
    let scene = Scene::with_keys(&["EC", "RSA"]);
    let claims = scene.claims("ada");
    let issuer = &scene.issuer;
    for alg in ["none", "None", "NONE", ""] {
        scene.refuses(alg, &issuer.forge("none", "EC", &json!({"alg": alg}), &claims));
        scene.refuses(alg, &issuer.forge("none", "EC", &json!({"alg": alg, "kid": "EC"}), &claims));
    }
    for kid in ["EC", "RSA"] {
        let header = json!({"alg": "HS256", "kid": kid});
        scene.refuses("HS256 with the public key", &issuer.forge("hmac", kid, &header, &claims));
        let header = json!({"alg": "ES256", "kid": kid});
        scene.refuses("HMAC that calls itself ES256", &issuer.forge("hmac", kid, &header, &claims));
    }
    let token = scene.token("ada");
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    scene.refuses("no signature", &format!("{message}."));
    scene.refuses("a signature of zeros", &format!("{message}.{}", "A".repeat(signature.len())));
    scene.refuses("two parts", message);
    scene.refuses("four parts", &format!("{token}.{signature}"));
    let of_bob = scene.token("bob");
    let (_, of_bob) = of_bob.rsplit_once('.').expect("a signature");
    scene.refuses("another token's signature", &format!("{message}.{of_bob}"));
    let stranger = Issuer::with_keys(&["EC"]);
    let header = json!({"alg": "ES256", "kid": "EC"});
    scene.refuses("another key of the same name", &stranger.sign("EC", &header, &claims));
    for garbage in ["x", "..", "a.b.c", "e30.e30.e30", "\u{0}", "=.=.="] {
        scene.refuses(garbage, garbage);
    }
}

#[test]
fn a_token_cannot_choose_its_verification_key() {
    let scene = Scene::set();
    scene.issuer.make_key("own", "EC");
    scene.issuer.publish(&["own"]);
    let own: Value = serde_json::from_str(&scene.issuer.jwks()).expect("JSON");
    let own_url = scene.issuer.keys_url();
    scene.issuer.publish(&["EC"]);
    let claims = scene.claims("ada");
    for (what, kid, extra) in [
        ("jwk", "own", json!({"jwk": own["keys"][0]})),
        ("jwk beside a known kid", "EC", json!({"jwk": own["keys"][0]})),
        ("jku", "own", json!({"jku": own_url})),
        ("x5u", "EC", json!({"x5u": own_url})),
        ("crit", "EC", json!({"crit": ["b64"], "b64": false})),
        ("crit that is empty", "EC", json!({"crit": []})),
    ] {
        let mut header = json!({"alg": "ES256", "kid": kid});
        header.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        scene.refuses(what, &scene.issuer.forge("key", "own", &header, &claims));
    }
    let crit =
        json!({"alg": "ES256", "kid": "EC", "crit": ["http://example.org/b"], "http://example.org/b": 1});
    scene.refuses("crit with the right key", &scene.issuer.forge("key", "EC", &crit, &claims));
    for kid in ["../EC", "EC\u{0}", "ec", "", "' OR 1=1 --", "/dev/null"] {
        let header = json!({"alg": "ES256", "kid": kid});
        scene.refuses(kid, &scene.issuer.forge("key", "EC", &header, &claims));
    }
    for kind in ["logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "application/x"] {
        let header = json!({"alg": "ES256", "kid": "EC", "typ": kind});
        scene.refuses(kind, &scene.issuer.sign("EC", &header, &claims));
    }
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        let header = json!({"alg": "ES256", "kid": "EC", "typ": kind});
        scene.sign_in(&scene.issuer.sign("EC", &header, &claims));
    }
}

#[test]
fn a_missing_or_oversized_assertion_is_refused() {
    let scene = Scene::set();
    scene.refuses("17 KB", &scene.with("padding", json!("x".repeat(13 * 1024))));
    let scene_key = scene.server.api_key();
    for body in [
        json!({"grant_type": super::GRANT, "client_id": scene_key}),
        json!({"grant_type": super::GRANT, "client_id": scene_key, "assertion": ""}),
        json!({"grant_type": super::GRANT, "assertion": scene.token("ada")}),
    ] {
        super::ask(&scene.server.anonymous(), &body).is_error(&body.to_string(), "invalid_request");
    }
}

#[test]
fn the_servers_own_tokens_are_not_accepted_as_assertions() {
    let scene = Scene::set();
    let somebody = scene.server.signed_in_caller();
    scene.refuses("an access token of ours", somebody.token());
    scene
        .server
        .anonymous()
        .with_token(&scene.token("ada"))
        .get("/api/sync/status")
        .expect_error(401, "unauthenticated");
}
