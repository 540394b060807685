//! Tokens of the OAuth endpoints: refreshing, revoking, and telling them from tokens of other endpoints.

use serde_json::{Value, json};

use super::Fixture;

impl Fixture {
    fn tokens(&self) -> Value {
        let (status, tokens) = self.exchange(&self.code(), json!({}));
        assert_eq!(status, 200);
        tokens
    }

    fn refresh(&self, refresh_token: &Value, client_id: Option<&str>) -> (u16, Value) {
        let mut body = json!({"grant_type": "refresh_token", "refresh_token": refresh_token});
        if let Some(client_id) = client_id {
            body["client_id"] = client_id.into();
        }
        let response = self.server.anonymous().post("/oauth/token", &body);
        (response.status, response.json())
    }

    fn is_valid(&self, token: &Value) -> bool {
        self.server.bearer(token.as_str().expect("a token")).get("/api/sync/status").status == 200
    }
}

#[test]
fn a_refresh_token_works_at_both_endpoints_and_only_for_its_client() {
    let fixture = Fixture::new();
    let other = fixture.server.new_app("Tasks");
    let first = fixture.tokens();
    let (status, refused) = fixture.refresh(&first["refresh_token"], Some(&other.api_key));
    assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")));
    let (status, second) = fixture.refresh(&first["refresh_token"], Some(&fixture.app.api_key));
    assert_eq!(status, 200);
    let third = fixture
        .server
        .anonymous()
        .post("/api/sync/auth/refresh", &json!({"refresh_token": second["refresh_token"]}))
        .ok();
    let (status, fourth) = fixture.refresh(&third["refresh_token"], None);
    assert_eq!(status, 200);
    assert!(fixture.is_valid(&fourth["access_token"]) && fixture.is_valid(&first["access_token"]));
}

#[test]
fn no_token_is_accepted_as_another_kind() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens();
    let (access, refresh) = (&tokens["access_token"], &tokens["refresh_token"]);
    assert!(!fixture.is_valid(refresh), "a refresh token is not an access token");
    assert_eq!(fixture.refresh(access, None).0, 400, "nor the reverse");
    let code = json!(fixture.code());
    assert!(!fixture.is_valid(&code));
    assert_eq!(fixture.refresh(&code, None).0, 400);
    assert_eq!(fixture.exchange(refresh.as_str().expect("a token"), json!({})).0, 400);
    let bearer = |token: &Value| fixture.server.bearer(token.as_str().expect("a token"));
    for token in [access, refresh, &code] {
        bearer(token).get("/api/account").expect_error(401, "unauthenticated");
    }
    let cookie = format!("tidelog-account={}", access.as_str().expect("a token"));
    let page = fixture.server.tab().with("cookie", &cookie).open("/account");
    assert_eq!(page.title(), "Sign in", "a bearer token is not accepted as a cookie");
    let page = fixture
        .server
        .tab()
        .with("authorization", &format!("Bearer {}", access.as_str().expect("a token")))
        .open("/account");
    assert_eq!(page.title(), "Sign in", "pages ignore bearer tokens");
}

#[test]
fn either_token_can_be_revoked_and_unknown_ones_get_the_same_answer() {
    let fixture = Fixture::new();
    for (kind, form) in [("access_token", true), ("refresh_token", false)] {
        let tokens = fixture.tokens();
        let token = tokens[kind].as_str().expect("a token");
        if form {
            fixture.server.tab().post("/oauth/revoke", &[("token".into(), token.into())]).expect(200);
        } else {
            assert_eq!(
                fixture.server.anonymous().post("/oauth/revoke", &json!({"token": token})).status,
                200
            );
        }
        assert!(!fixture.is_valid(&tokens["access_token"]), "{kind}");
        assert_eq!(fixture.refresh(&tokens["refresh_token"], None).0, 400, "{kind}");
    }
    assert_eq!(fixture.server.anonymous().post("/oauth/revoke", &json!({"token": "unknown"})).status, 200);
}

#[test]
fn json_and_form_bodies_are_parsed_equally_strictly() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let twice: Vec<(String, String)> =
        ["refresh_token", "refresh_token"].map(|grant| ("grant_type".into(), grant.into())).into();
    let response = tab.post("/oauth/token", &twice).expect(400);
    assert!(response.text.contains("invalid_request"), "{}", response.text);
    assert_eq!(response.header("pragma"), "no-cache");
    assert_eq!(response.header("cache-control"), "no-store");
    let client = reqwest::blocking::Client::new();
    let url = format!("{}/oauth/token", fixture.server.url());
    for (kind, body, status) in [
        ("text/plain", "grant_type=x".to_owned(), 415),
        ("application/json", "{".to_owned(), 400),
        ("application/json", "[]".to_owned(), 422),
        ("application/x-www-form-urlencoded", "\u{0}%ff&&=".to_owned(), 400),
        ("application/x-www-form-urlencoded", "x".repeat(70_000), 413),
    ] {
        let response = client.post(&url).header("content-type", kind).body(body).send().expect("a response");
        assert_eq!(response.status(), status, "{kind}");
        let error: Value = response.json().expect("JSON");
        assert!(error["error"] == "invalid_request" && error["error_description"].is_string(), "{error}");
    }
}
