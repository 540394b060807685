//! Tokens that the server did not issue, or issued for another purpose.

use serde_json::{Value, json};

use tidelog_test_kit::{Server, SigningKey, claims_of, header_of, unsigned};

const STATUS: &str = "/api/sync/status";

/// The parts of a valid token, and the key that signed it.
struct TokenParts {
    server: Server,
    token: String,
    header: Value,
    claims: Value,
    key: SigningKey,
}

impl TokenParts {
    fn new() -> Self {
        let mut server = Server::start();
        let token = server.signed_in_caller().token().to_owned();
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
    fn assert_accepted(&self, token: &str) {
        self.server.bearer(token).get(STATUS).ok();
    }

    #[track_caller]
    fn assert_refused(&self, token: &str) {
        self.server.bearer(token).get(STATUS).expect_error(401, "unauthenticated");
    }
}

#[test]
fn a_token_survives_a_restart_and_one_signed_with_the_stored_key_is_valid() {
    let token_parts = TokenParts::new();
    token_parts.assert_accepted(&token_parts.token);
    token_parts.assert_accepted(&token_parts.key.sign(&token_parts.header, &token_parts.claims));
}

#[test]
fn a_token_without_a_signature_or_with_another_algorithm_is_refused() {
    let token_parts = TokenParts::new();
    for algorithm in ["none", "None", "NONE", "HS512", "HS384", "RS256", "ES256", ""] {
        let header = token_parts.header_with("alg", json!(algorithm));
        token_parts.assert_refused(&unsigned(&header, &token_parts.claims));
        token_parts.assert_refused(&token_parts.key.sign(&header, &token_parts.claims));
    }
    token_parts.assert_refused(&unsigned(&token_parts.header, &token_parts.claims));
}

#[test]
fn a_token_signed_with_another_or_unknown_key_is_refused() {
    let token_parts = TokenParts::new();
    token_parts.assert_refused(
        &SigningKey::forged(&token_parts.key.kid).sign(&token_parts.header, &token_parts.claims),
    );
    let unknown = token_parts.header_with("kid", json!("unknown"));
    token_parts.assert_refused(&token_parts.key.sign(&unknown, &token_parts.claims));
    let nameless = json!({"alg": "HS256", "typ": "at+jwt"});
    token_parts.assert_refused(&token_parts.key.sign(&nameless, &token_parts.claims));
}

#[test]
fn a_token_of_another_type_is_refused() {
    let token_parts = TokenParts::new();
    for kind in [json!("JWT"), json!("refresh"), Value::Null] {
        token_parts.assert_refused(
            &token_parts.key.sign(&token_parts.header_with("typ", kind), &token_parts.claims),
        );
    }
}

#[test]
fn a_token_that_is_expired_or_from_the_future_is_refused() {
    let token_parts = TokenParts::new();
    let issued = token_parts.number("iat");
    token_parts.assert_refused(
        &token_parts.key.sign(&token_parts.header, &token_parts.claims_with("exp", json!(issued - 1))),
    );
    token_parts.assert_refused(
        &token_parts.key.sign(&token_parts.header, &token_parts.claims_with("exp", json!(0))),
    );
    token_parts.assert_refused(
        &token_parts.key.sign(&token_parts.header, &token_parts.claims_with("iat", json!(issued + 3600))),
    );
    token_parts.assert_accepted(
        &token_parts.key.sign(&token_parts.header, &token_parts.claims_with("iat", json!(issued + 30))),
    );
}

#[test]
fn a_token_for_another_audience_issuer_session_user_or_app_is_refused() {
    let token_parts = TokenParts::new();
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
        token_parts.assert_refused(
            &token_parts.key.sign(&token_parts.header, &token_parts.claims_with(claim, value)),
        );
    }
}

#[test]
fn a_token_with_a_missing_or_mistyped_claim_is_refused() {
    let token_parts = TokenParts::new();
    for claim in ["sub", "app", "sid", "aud", "iss", "iat", "exp"] {
        let mut claims = token_parts.claims.clone();
        claims.as_object_mut().expect("an object").remove(claim);
        token_parts.assert_refused(&token_parts.key.sign(&token_parts.header, &claims));
        let odd = token_parts.claims_with(claim, json!({"odd": true}));
        token_parts.assert_refused(&token_parts.key.sign(&token_parts.header, &odd));
    }
}

#[test]
fn garbage_instead_of_a_token_is_refused() {
    let token_parts = TokenParts::new();
    let long = "a".repeat(7_000);
    let cut = &token_parts.token[..token_parts.token.len() - 1];
    for token in ["x", "..", "a.b.c", "!!!.???.%%%", cut, &format!("{}x", token_parts.token), &long] {
        token_parts.assert_refused(token);
    }
    let status = reqwest::blocking::Client::new().get(format!("{}{STATUS}", token_parts.server.url()));
    for header in
        ["Bearer", "Basic YWRhOmFkYQ==", &token_parts.token, &format!("Token {}", token_parts.token)]
    {
        let response =
            status.try_clone().expect("no body").header("authorization", header).send().expect("a response");
        assert_eq!(response.status(), 401, "{header}");
    }
}

#[test]
fn a_token_in_the_url_or_in_a_cookie_is_ignored() {
    let token_parts = TokenParts::new();
    let anonymous = token_parts.server.anonymous();
    anonymous
        .get(&format!("{STATUS}?access_token={}", token_parts.token))
        .expect_error(401, "unauthenticated");
    let url = format!("{}{STATUS}", token_parts.server.url());
    let cookie = format!("token={0}; access_token={0}; session={0}", token_parts.token);
    let response =
        reqwest::blocking::Client::new().get(url).header("cookie", cookie).send().expect("a response");
    assert_eq!(response.status(), 401);
}
