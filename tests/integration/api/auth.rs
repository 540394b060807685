//! Signing in with a password, refreshing tokens, and signing out.

use serde_json::{Value, json};

use tidelog_test_kit::{PASSWORD, Server, claims_of, credentials, header_of, text};

const AUTH: &str = "/api/sync/auth";
const REFRESH: &str = "/api/sync/auth/refresh";
const LOGOUT: &str = "/api/sync/auth/logout";

/// Lifetime of an access token.
const TOKEN_LIFETIME_SECONDS: i64 = 7 * 24 * 60 * 60;

#[test]
fn signing_in_returns_a_token_for_one_user_of_one_app() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("Ada@Example.org"));
    let response = server.anonymous().post(AUTH, &credentials(&user, &app)).ok();
    assert_eq!(response["user_id"], json!(user.id));
    assert_eq!(response["app_id"], json!(app.id));
    assert!(response["refresh_token"].is_string());
    let token = text(&response["token"]);
    assert_eq!(server.bearer(&token).get("/api/sync/status").ok()["total_changes"], 0);

    let (header, claims) = (header_of(&token), claims_of(&token));
    assert_eq!((&header["alg"], &header["typ"]), (&json!("HS256"), &json!("at+jwt")));
    assert!(header["kid"].is_string());
    assert_eq!((&claims["sub"], &claims["app"]), (&json!(user.id), &json!(app.id)));
    assert_eq!(claims["aud"], "sync");
    let number = |claim: &str| claims[claim].as_i64().unwrap_or_else(|| panic!("{claim} is no number"));
    assert_eq!(number("exp") - number("iat"), TOKEN_LIFETIME_SECONDS);
    let expires_at = chrono::DateTime::parse_from_rfc3339(&text(&response["expires_at"])).expect("a time");
    assert_eq!(expires_at.timestamp(), number("exp"));
}

#[test]
fn emails_ignore_case_and_the_legacy_field_key_is_ignored() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let mut request = credentials(&user, &app);
    request["email"] = json!(" ADA@example.ORG ");
    request["key"] = json!({"anything": true});
    assert_eq!(server.anonymous().post(AUTH, &request).ok()["user_id"], json!(user.id));
}

#[test]
fn an_unknown_user_a_wrong_password_and_an_unknown_app_are_refused_alike() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    server.new_user("disabled@example.org");
    server.cli().run(&["user", "disable", "disabled@example.org"]).json();
    let refusal = |field: &str, value: &str| {
        let mut request = credentials(&user, &app);
        request[field] = json!(value);
        let response = server.anonymous().post(AUTH, &request);
        response.expect_error(401, "invalid_credentials");
        response.text()
    };
    let wrong_password = refusal("password", "wrong password");
    assert_eq!(refusal("email", "nobody@example.org"), wrong_password);
    assert_eq!(refusal("email", "not an address"), wrong_password);
    assert_eq!(refusal("email", "disabled@example.org"), wrong_password);
    assert_eq!(refusal("api_key", "unknown key"), wrong_password);
    assert_eq!(refusal("api_key", &app.id), wrong_password);
    assert_eq!(refusal("api_key", ""), wrong_password);
    assert_eq!(refusal("password", ""), wrong_password);
    assert_eq!(refusal("password", &PASSWORD.to_uppercase()), wrong_password);
}

#[test]
fn a_password_over_the_limit_is_refused_as_a_wrong_one() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let longest = "p".repeat(128);
    let reset = ["user", "reset-password", "ada@example.org", "--password-stdin"];
    server.cli().run_with_input(&reset, &longest).json();
    let mut request = credentials(&user, &app);
    request["password"] = json!(longest);
    server.anonymous().post(AUTH, &request).ok();
    request["password"] = json!(format!("{longest}p"));
    server.anonymous().post(AUTH, &request).expect_error(401, "invalid_credentials");
    request["password"] = json!("p".repeat(10_000));
    server.anonymous().post(AUTH, &request).expect_error(401, "invalid_credentials");
}

#[test]
fn the_api_key_alone_authorises_nothing() {
    let server = Server::start();
    let app = server.new_app("Notes");
    server.bearer(&app.api_key).get("/api/sync/status").expect_error(401, "unauthenticated");
}

#[test]
fn a_sign_in_without_a_field_names_it() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    for field in ["email", "password", "api_key"] {
        for wrong in [Some(json!(7)), Some(Value::Null), None] {
            let mut request = credentials(&user, &app);
            match wrong {
                Some(value) => request[field] = value,
                None => drop(request.as_object_mut().expect("an object").remove(field)),
            }
            let body = server.anonymous().post(AUTH, &request).expect_error(422, "invalid_field");
            assert_eq!(body["field"], json!(field));
        }
    }
}

#[test]
fn a_refresh_token_gives_a_new_pair_for_the_same_session() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let first = server.tokens(&user, &app);
    let second = server.anonymous().post(REFRESH, &json!({"refresh_token": first["refresh_token"]})).ok();
    assert_eq!((&second["user_id"], &second["app_id"]), (&json!(user.id), &json!(app.id)));
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let session = |pair: &Value| claims_of(&text(&pair["token"]))["sid"].clone();
    assert_eq!(session(&second), session(&first));
    server.bearer(&text(&second["token"])).get("/api/sync/status").ok();
    let third = server.anonymous().post(REFRESH, &json!({"refresh_token": second["refresh_token"]})).ok();
    assert_ne!(third["refresh_token"], second["refresh_token"]);
}

#[test]
fn a_repeated_refresh_returns_the_same_successor_even_after_a_restart() {
    let mut server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let first = server.tokens(&user, &app);
    let request = json!({"refresh_token": first["refresh_token"]});
    let successor =
        |server: &Server| server.anonymous().post(REFRESH, &request).ok()["refresh_token"].clone();
    let once = successor(&server);
    assert_eq!(successor(&server), once);
    server.restart();
    assert_eq!(successor(&server), once);
}

#[test]
fn a_refresh_token_works_within_its_grace_time_after_its_successor_was_used() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let refresh = |token: &Value| server.anonymous().post(REFRESH, &json!({"refresh_token": token})).ok();
    let first = server.tokens(&user, &app)["refresh_token"].clone();
    let second = refresh(&first)["refresh_token"].clone();
    let third = refresh(&second)["refresh_token"].clone();
    assert_eq!(
        refresh(&first)["refresh_token"],
        second,
        "the response was lost, and the client repeats the request"
    );
    assert_eq!(refresh(&second)["refresh_token"], third);
}

#[test]
fn concurrent_refreshes_of_one_token_get_one_successor() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let request = json!({"refresh_token": server.tokens(&user, &app)["refresh_token"]});
    let anonymous = server.anonymous();
    let responses: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| anonymous.post(REFRESH, &request).ok())).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a response")["refresh_token"].clone())
            .collect()
    });
    assert!(responses.iter().all(|successor| *successor == responses[0]), "two successors of one token");
}

#[test]
fn a_refresh_token_that_was_never_issued_is_refused() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let tokens = server.tokens(&user, &app);
    let anonymous = server.anonymous();
    for forged in [
        text(&tokens["token"]),
        String::new(),
        "x".repeat(10_000),
        fresh_like(&text(&tokens["refresh_token"])),
    ] {
        anonymous.post(REFRESH, &json!({"refresh_token": forged})).expect_error(401, "unauthenticated");
    }
    anonymous.post(REFRESH, &json!({"refresh_token": 1})).expect_error(422, "invalid_field");
    anonymous.post(REFRESH, &json!({})).expect_error(422, "invalid_field");
}

/// Returns the token with its last characters changed.
fn fresh_like(token: &str) -> String {
    let kept = &token[..token.len() - 6];
    format!("{kept}AAAAAA")
}

#[test]
fn signing_out_ends_the_session_and_its_refresh_tokens_but_no_other_session() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let leaving = server.tokens(&user, &app);
    let staying = server.sign_in(&user, &app);
    let me = server.bearer(&text(&leaving["token"]));
    let response = me.call(reqwest::Method::POST, LOGOUT, None);
    assert!(matches!(response.status, 200 | 204), "{} answered {}", response.request_line(), response.status);
    me.get("/api/sync/status").expect_error(401, "unauthenticated");
    me.call(reqwest::Method::POST, LOGOUT, None).expect_error(401, "unauthenticated");
    let refresh = json!({"refresh_token": leaving["refresh_token"]});
    server.anonymous().post(REFRESH, &refresh).expect_error(401, "unauthenticated");
    staying.get("/api/sync/status").ok();
}

#[test]
fn no_secret_reaches_the_log() {
    let mut server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let pair = server.tokens(&user, &app);
    let mut wrong = credentials(&user, &app);
    wrong["password"] = json!("a wrong password of mine");
    server.anonymous().post(AUTH, &wrong).expect(401);
    server.anonymous().post(REFRESH, &json!({"refresh_token": pair["refresh_token"]})).ok();
    server.stop();
    let log = server.log();
    let signature = |token: &Value| text(token).rsplit('.').next().expect("a part").to_owned();
    let secrets = [
        PASSWORD.to_owned(),
        "a wrong password of mine".to_owned(),
        app.api_key.clone(),
        signature(&pair["token"]),
        text(&pair["refresh_token"]),
    ];
    for secret in secrets {
        assert!(!log.contains(&secret), "the log holds a secret");
    }
}
