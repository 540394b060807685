//! Tokens that the server did not make, or made for something else.

use serde_json::{Value, json};

use tidelog_test_kit::{Server, SigningKey, claims_of, header_of, unsigned};

const STATUS: &str = "/api/sync/status";

/// A genuine token taken apart, and the key that signed it.
struct Genuine {
    server: Server,
    token: String,
    header: Value,
    claims: Value,
    key: SigningKey,
}

impl Genuine {
    fn new() -> Self {
        let mut server = Server::start();
        let token = server.somebody().token().to_owned();
        server.stop();
        let key = SigningKey::stolen_from(&server.data());
        server.start_again();
        Self { server, header: header_of(&token), claims: claims_of(&token), token, key }
    }

    fn claims_with(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims.clone();
        claims[claim] = value;
        claims
    }

    fn header_with(&self, field: &str, value: Value) -> Value {
        let mut header = self.header.clone();
        header[field] = value;
        header
    }

    fn number(&self, claim: &str) -> i64 {
        self.claims[claim].as_i64().expect("a number")
    }

    #[track_caller]
    fn is_taken(&self, token: &str) {
        self.server.bearer(token).get(STATUS).ok();
    }

    #[track_caller]
    fn is_refused(&self, token: &str) {
        self.server.bearer(token).get(STATUS).refused(401, "unauthenticated");
    }
}

#[test]
fn a_token_survives_a_restart_and_one_signed_with_the_stored_key_is_valid() {
    let genuine = Genuine::new();
    genuine.is_taken(&genuine.token);
    genuine.is_taken(&genuine.key.sign(&genuine.header, &genuine.claims));
}

#[test]
fn a_token_without_a_signature_or_with_another_algorithm_is_refused() {
    let genuine = Genuine::new();
    for algorithm in ["none", "None", "NONE", "HS512", "HS384", "RS256", "ES256", ""] {
        let header = genuine.header_with("alg", json!(algorithm));
        genuine.is_refused(&unsigned(&header, &genuine.claims));
        genuine.is_refused(&genuine.key.sign(&header, &genuine.claims));
    }
    genuine.is_refused(&unsigned(&genuine.header, &genuine.claims));
}

#[test]
fn a_token_signed_with_another_or_unknown_key_is_refused() {
    let genuine = Genuine::new();
    genuine.is_refused(&SigningKey::forged(&genuine.key.kid).sign(&genuine.header, &genuine.claims));
    let unknown = genuine.header_with("kid", json!("unknown"));
    genuine.is_refused(&genuine.key.sign(&unknown, &genuine.claims));
    let nameless = json!({"alg": "HS256", "typ": "at+jwt"});
    genuine.is_refused(&genuine.key.sign(&nameless, &genuine.claims));
}

#[test]
fn a_token_of_another_type_is_refused() {
    let genuine = Genuine::new();
    for kind in [json!("JWT"), json!("refresh"), Value::Null] {
        genuine.is_refused(&genuine.key.sign(&genuine.header_with("typ", kind), &genuine.claims));
    }
}

#[test]
fn a_token_that_is_expired_or_from_the_future_is_refused() {
    let genuine = Genuine::new();
    let issued = genuine.number("iat");
    genuine.is_refused(&genuine.key.sign(&genuine.header, &genuine.claims_with("exp", json!(issued - 1))));
    genuine.is_refused(&genuine.key.sign(&genuine.header, &genuine.claims_with("exp", json!(0))));
    genuine.is_refused(&genuine.key.sign(&genuine.header, &genuine.claims_with("iat", json!(issued + 3600))));
    genuine.is_taken(&genuine.key.sign(&genuine.header, &genuine.claims_with("iat", json!(issued + 30))));
}

#[test]
fn a_token_for_another_audience_issuer_session_user_or_app_is_refused() {
    let genuine = Genuine::new();
    let elsewhere = json!(tidelog_test_kit::fresh_id());
    let wrong = [
        ("aud", json!("account")),
        ("aud", json!("")),
        ("iss", json!("https://elsewhere.example")),
        ("sid", elsewhere.clone()),
        ("sub", elsewhere.clone()),
        ("app", elsewhere),
    ];
    for (claim, value) in wrong {
        genuine.is_refused(&genuine.key.sign(&genuine.header, &genuine.claims_with(claim, value)));
    }
}

#[test]
fn a_token_with_a_missing_or_mistyped_claim_is_refused() {
    let genuine = Genuine::new();
    for claim in ["sub", "app", "sid", "aud", "iss", "iat", "exp"] {
        let mut claims = genuine.claims.clone();
        claims.as_object_mut().expect("an object").remove(claim);
        genuine.is_refused(&genuine.key.sign(&genuine.header, &claims));
        let odd = genuine.claims_with(claim, json!({"odd": true}));
        genuine.is_refused(&genuine.key.sign(&genuine.header, &odd));
    }
}

#[test]
fn garbage_instead_of_a_token_is_refused() {
    let genuine = Genuine::new();
    let long = "a".repeat(7_000);
    let cut = &genuine.token[..genuine.token.len() - 1];
    for token in ["x", "..", "a.b.c", "!!!.???.%%%", cut, &format!("{}x", genuine.token), &long] {
        genuine.is_refused(token);
    }
    let status = reqwest::blocking::Client::new().get(format!("{}{STATUS}", genuine.server.url()));
    for header in ["Bearer", "Basic YWRhOmFkYQ==", &genuine.token, &format!("Token {}", genuine.token)] {
        let answer =
            status.try_clone().expect("no body").header("authorization", header).send().expect("an answer");
        assert_eq!(answer.status(), 401, "{header}");
    }
}

#[test]
fn a_token_in_the_url_or_in_a_cookie_is_ignored() {
    let genuine = Genuine::new();
    let nobody = genuine.server.nobody();
    nobody.get(&format!("{STATUS}?access_token={}", genuine.token)).refused(401, "unauthenticated");
    let url = format!("{}{STATUS}", genuine.server.url());
    let cookie = format!("token={0}; access_token={0}; session={0}", genuine.token);
    let answer =
        reqwest::blocking::Client::new().get(url).header("cookie", cookie).send().expect("an answer");
    assert_eq!(answer.status(), 401);
}
