//! Authorization codes: valid once, for a minute, for the client that requested them.

use serde_json::json;

use super::{Fixture, REDIRECT, VERIFIER, challenge};
use tidelog_test_kit::{ManualClockServer, Tab};

#[test]
fn an_authorization_code_works_once_and_reuse_revokes_its_tokens() {
    let fixture = Fixture::new();
    let code = fixture.code();
    let (status, tokens) = fixture.exchange(&code, json!({}));
    assert_eq!(status, 200);
    let app = fixture.server.bearer(tokens["access_token"].as_str().expect("a token"));
    app.get("/api/sync/status").ok();
    let (status, refused) = fixture.exchange(&code, json!({}));
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
    app.get("/api/sync/status").expect_error(401, "unauthenticated");
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    fixture.server.anonymous().post("/api/sync/auth/refresh", &refresh).expect_error(401, "unauthenticated");
}

#[test]
fn an_authorization_code_works_only_for_its_client_redirect_and_verifier() {
    let fixture = Fixture::new();
    let code = fixture.code();
    let other = fixture.server.new_app("Tasks");
    for changed in [
        json!({"client_id": other.api_key}),
        json!({"client_id": "tla_unknown"}),
        json!({"redirect_uri": "http://127.0.0.1:4712/callback"}),
        json!({"redirect_uri": "http://127.0.0.1:4711/callback/"}),
        json!({"code_verifier": format!("{VERIFIER}x")}),
        json!({"code_verifier": challenge(VERIFIER)}),
        json!({"code_verifier": "short"}),
        json!({"code_verifier": "é".repeat(50)}),
        json!({"code": format!("{code}x")}),
        json!({"code": ""}),
    ] {
        let (status, refused) = fixture.exchange(&code, changed.clone());
        let expected = if changed["code"] == "" { "invalid_request" } else { "invalid_grant" };
        assert_eq!((status, refused["error"].as_str()), (400, Some(expected)), "{changed}");
    }
    assert_eq!(fixture.exchange(&code, json!({})).0, 200, "none of these used it up");
}

#[test]
fn a_token_request_without_a_field_names_it() {
    let fixture = Fixture::new();
    let code = fixture.code();
    for field in ["grant_type", "code", "redirect_uri", "code_verifier", "client_id"] {
        let (status, refused) = fixture.exchange(&code, json!({field: null}));
        assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_request")), "{field}");
        assert!(refused["error_description"].as_str().expect("a sentence").contains(field));
    }
    for grant in ["password", "client_credentials", "implicit", "Authorization_Code"] {
        let (status, refused) = fixture.exchange(&code, json!({"grant_type": grant}));
        assert_eq!((status, refused["error"].as_str()), (400, Some("unsupported_grant_type")), "{grant}");
    }
}

#[test]
fn whatever_ends_sessions_revokes_authorization_codes() {
    for (act, sign_in_again) in [("disable", false), ("reset-password", true)] {
        let fixture = Fixture::new();
        let code = fixture.code();
        match act {
            "disable" => drop(fixture.server.cli().run(&["user", "disable", &fixture.user.email]).json()),
            _ => drop(
                fixture
                    .server
                    .cli()
                    .run_with_input(
                        &["user", "reset-password", &fixture.user.email, "--password-stdin"],
                        "another password",
                    )
                    .json(),
            ),
        }
        let (status, refused) = fixture.exchange(&code, json!({}));
        assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")), "{act}");
        let tab = fixture.server.tab();
        let page = tab.open(&fixture.request(&[]));
        let sent = tab.send(&page, &[("email", &fixture.user.email), ("password", "another password")]);
        assert_eq!(sent.status == 303, sign_in_again, "{act}");
    }
}

#[test]
fn an_authorization_code_lasts_a_minute_and_a_page_half_an_hour() {
    let server = ManualClockServer::start(&[]);
    let tab = Tab::on(&server.url());
    let request = format!(
        "/oauth/authorize?response_type=code&client_id={}&redirect_uri={REDIRECT}&state=s&code_challenge={}\
         &code_challenge_method=S256",
        server.api_key(),
        challenge(VERIFIER)
    );
    let credentials = [("email", server.email()), ("password", server.password())];
    let code = || {
        let page = tab.open(&request).expect(200);
        let consent = tab.follow(&tab.send(&page, &credentials).expect(303)).expect(200);
        tab.send(&consent, &[("decision", "allow")]).parameter("code").expect("a code")
    };
    let exchange = |code: &str| {
        let body = json!({
            "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER, "client_id": server.api_key(),
        });
        server.anonymous().post("/oauth/token", &body).status
    };
    let in_time = code();
    server.advance_seconds(59);
    assert_eq!(exchange(&in_time), 200);
    let late = code();
    server.advance_seconds(60);
    assert_eq!(exchange(&late), 400);

    let page = tab.open(&request);
    let consent = tab.follow(&tab.send(&page, &credentials).expect(303)).expect(200);
    server.advance_seconds(10 * 60);
    let expired =
        tab.send(&consent, &[("decision", "allow")]).expect(400).expect_title("This page has expired");
    assert!(expired.text.contains("Start again") && expired.text.contains("/oauth/authorize?"), "a way on");
    tab.send(&page, &credentials).expect(303);
    server.advance_seconds(20 * 60);
    tab.send(&page, &credentials).expect(400).expect_title("This page has expired");
}
