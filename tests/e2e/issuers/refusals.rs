//! Assertions that are refused.

use serde_json::{Value, json};

use super::Fixture;
use crate::issuer::Issuer;

const DAY: i64 = 24 * 60 * 60;

impl Fixture {
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
    let fixture = Fixture::new();
    let now = fixture.server.now_seconds();
    for (claim, value) in [
        ("iss", json!("https://somebody.else.example")),
        ("iss", json!(null)),
        ("iss", json!([fixture.issuer.url()])),
        ("iss", json!(format!("{}/", fixture.issuer.url()))),
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
        fixture.refuses(&format!("{claim} = {value}"), &fixture.with(claim, value.clone()));
    }
}

#[test]
fn clock_skew_of_a_minute_and_multiple_audiences_are_accepted() {
    let fixture = Fixture::new();
    let now = fixture.server.now_seconds();
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
        fixture.sign_in(&fixture.with(claim, value));
    }
}

#[test]
fn an_expired_assertion_is_refused() {
    let fixture = Fixture::new();
    let token = fixture.token("ada");
    fixture.sign_in(&token);
    fixture.server.advance_seconds(300 + 50);
    fixture.sign_in(&token);
    fixture.server.advance_seconds(20);
    fixture.refuses("expired", &token);
}

#[test]
fn missing_and_foreign_signatures_are_refused() {
    let fixture = Fixture::with_keys(&["EC", "RSA"]);
    let claims = fixture.claims("ada");
    let issuer = &fixture.issuer;
    for alg in ["none", "None", "NONE", ""] {
        fixture.refuses(alg, &issuer.forge("none", "EC", &json!({"alg": alg}), &claims));
        fixture.refuses(alg, &issuer.forge("none", "EC", &json!({"alg": alg, "kid": "EC"}), &claims));
    }
    for kid in ["EC", "RSA"] {
        let header = json!({"alg": "HS256", "kid": kid});
        fixture.refuses("HS256 with the public key", &issuer.forge("hmac", kid, &header, &claims));
        let header = json!({"alg": "ES256", "kid": kid});
        fixture.refuses("HMAC that calls itself ES256", &issuer.forge("hmac", kid, &header, &claims));
    }
    let token = fixture.token("ada");
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    fixture.refuses("no signature", &format!("{message}."));
    fixture.refuses("a signature of zeros", &format!("{message}.{}", "A".repeat(signature.len())));
    fixture.refuses("two parts", message);
    fixture.refuses("four parts", &format!("{token}.{signature}"));
    let of_bob = fixture.token("bob");
    let (_, of_bob) = of_bob.rsplit_once('.').expect("a signature");
    fixture.refuses("another token's signature", &format!("{message}.{of_bob}"));
    let stranger = Issuer::with_keys(&["EC"]);
    let header = json!({"alg": "ES256", "kid": "EC"});
    fixture.refuses("another key of the same name", &stranger.sign("EC", &header, &claims));
    for garbage in ["x", "..", "a.b.c", "e30.e30.e30", "\u{0}", "=.=.="] {
        fixture.refuses(garbage, garbage);
    }
}

#[test]
fn a_token_cannot_choose_its_verification_key() {
    let fixture = Fixture::new();
    fixture.issuer.make_key("own", "EC");
    fixture.issuer.publish(&["own"]);
    let own: Value = serde_json::from_str(&fixture.issuer.jwks()).expect("JSON");
    let own_url = fixture.issuer.keys_url();
    fixture.issuer.publish(&["EC"]);
    let claims = fixture.claims("ada");
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
        fixture.refuses(what, &fixture.issuer.forge("key", "own", &header, &claims));
    }
    let crit =
        json!({"alg": "ES256", "kid": "EC", "crit": ["http://example.org/b"], "http://example.org/b": 1});
    fixture.refuses("crit with the right key", &fixture.issuer.forge("key", "EC", &crit, &claims));
    for kid in ["../EC", "EC\u{0}", "ec", "", "' OR 1=1 --", "/dev/null"] {
        let header = json!({"alg": "ES256", "kid": kid});
        fixture.refuses(kid, &fixture.issuer.forge("key", "EC", &header, &claims));
    }
    for kind in ["logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "application/x"] {
        let header = json!({"alg": "ES256", "kid": "EC", "typ": kind});
        fixture.refuses(kind, &fixture.issuer.sign("EC", &header, &claims));
    }
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        let header = json!({"alg": "ES256", "kid": "EC", "typ": kind});
        fixture.sign_in(&fixture.issuer.sign("EC", &header, &claims));
    }
}

#[test]
fn a_missing_or_oversized_assertion_is_refused() {
    let fixture = Fixture::new();
    fixture.refuses("17 KB", &fixture.with("padding", json!("x".repeat(13 * 1024))));
    let scene_key = fixture.server.api_key();
    for body in [
        json!({"grant_type": super::GRANT, "client_id": scene_key}),
        json!({"grant_type": super::GRANT, "client_id": scene_key, "assertion": ""}),
        json!({"grant_type": super::GRANT, "assertion": fixture.token("ada")}),
    ] {
        super::ask(&fixture.server.anonymous(), &body).is_error(&body.to_string(), "invalid_request");
    }
}

#[test]
fn the_servers_own_tokens_are_not_accepted_as_assertions() {
    let fixture = Fixture::new();
    let somebody = fixture.server.signed_in_caller();
    fixture.refuses("a Tidelog access token", somebody.token());
    fixture
        .server
        .anonymous()
        .with_token(&fixture.token("ada"))
        .get("/api/sync/status")
        .expect_error(401, "unauthenticated");
}
