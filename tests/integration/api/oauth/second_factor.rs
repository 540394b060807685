//! Two-factor authentication: turning it on, codes, and recovery codes.

use reqwest::Method;
use serde_json::{Value, json};
use tidelog::server::commands::{Command, UserCommand};

use super::{REDIRECT, VERIFIER, challenge};

use tidelog_test_kit::{Authenticator, Caller, ManualClockServer, PageResponse, Tab};

/// An account with two-factor authentication, and its owner's authenticator and recovery codes.
struct Owner {
    server: ManualClockServer,
    app: Authenticator,
    recovery_codes: Vec<String>,
}

fn account(server: &ManualClockServer, code: Option<&str>) -> Caller {
    let mut body = json!({"email": server.email(), "password": server.password()});
    if let Some(code) = code {
        body["code"] = code.into();
    }
    let token = server.anonymous().post("/api/account/token", &body).ok()["token"].clone();
    server.anonymous().with_token(token.as_str().expect("a token"))
}

impl Owner {
    fn new() -> Self {
        let server = ManualClockServer::start(&[]);
        let account = account(&server, None);
        let enrolment = account.post("/api/account/two-factor", &json!({})).ok();
        let app = Authenticator::new(enrolment["secret"].as_str().expect("a secret"));
        let code = app.code(server.now_seconds());
        let confirmed = account.post("/api/account/two-factor/confirm", &json!({"code": code})).ok();
        let codes = confirmed["recovery_codes"].as_array().expect("codes");
        let recovery_codes = codes.iter().map(|code| code.as_str().expect("a code").to_owned()).collect();
        // The code that turned it on cannot be used again.
        server.advance_seconds(30);
        Self { server, app, recovery_codes }
    }

    fn code(&self) -> String {
        self.app.code(self.server.now_seconds())
    }

    /// Signs in up to the page that asks for the code.
    fn code_page(&self, tab: &Tab) -> PageResponse {
        let request = format!(
            "/oauth/authorize?response_type=code&client_id={}&redirect_uri={REDIRECT}&state=s&code_challenge={}\
             &code_challenge_method=S256",
            self.server.api_key(),
            challenge(VERIFIER)
        );
        let page = tab.open(&request).expect(200);
        let credentials = [("email", self.server.email()), ("password", self.server.password())];
        tab.follow(&tab.send(&page, &credentials).expect(303))
            .expect(200)
            .expect_title("Two-factor authentication")
    }

    /// Signs in to the app with a recovery code.
    fn session(&self) -> Value {
        let tab = Tab::on(&self.server.url());
        let sent = tab.send(&self.code_page(&tab), &[("code", &self.recovery_codes[0])]).expect(303);
        let consent = tab.follow(&sent).expect(200);
        let code = tab.send(&consent, &[("decision", "allow")]).parameter("code").expect("a code");
        let body = json!({
            "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER, "client_id": self.server.api_key(),
        });
        self.server.anonymous().post("/oauth/token", &body).ok()
    }

    fn accepts(&self, code: &str) -> bool {
        let tab = Tab::on(&self.server.url());
        let page = self.code_page(&tab);
        let shown = tab.send(&page, &[("code", code)]);
        match shown.status {
            303 => true,
            _ => {
                assert!(shown.expect(422).error_message().expect("a fault").contains("incorrect"));
                false
            }
        }
    }
}

#[test]
fn with_two_factor_authentication_the_password_alone_is_not_enough() {
    let owner = Owner::new();
    let credentials = owner.server.credentials();
    let anonymous = owner.server.anonymous();
    anonymous.post("/api/sync/auth", &credentials).expect_error(403, "two_factor_required");
    let mut wrong = credentials.clone();
    wrong["password"] = "wrong".into();
    anonymous.post("/api/sync/auth", &wrong).expect_error(401, "invalid_credentials");
    let account = json!({"email": owner.server.email(), "password": owner.server.password()});
    anonymous.post("/api/account/token", &account).expect_error(403, "two_factor_required");
    let tab = Tab::on(&owner.server.url());
    let page = owner.code_page(&tab);
    let token = page.filled(&[])[0].1.clone();
    tab.open(&format!("/oauth/consent?flow={token}")).expect(400);
}

#[test]
fn a_code_works_once_near_its_time_and_none_before_it_works_afterwards() {
    let owner = Owner::new();
    let before = owner.app.code(owner.server.now_seconds() - 30);
    let code = owner.code();
    assert!(!owner.accepts("000000") || code == "000000");
    assert!(owner.accepts(&code));
    assert!(!owner.accepts(&code), "used");
    assert!(!owner.accepts(&before), "from a step before the one that was used");
    let next = owner.app.code(owner.server.now_seconds() + 30);
    assert!(owner.accepts(&next), "from a fast clock");
    owner.server.advance_seconds(24 * 60 * 60);
    assert!(!owner.accepts(&owner.app.code(owner.server.now_seconds() - 90)), "too old");
    let slow = owner.app.code(owner.server.now_seconds() - 30);
    assert!(owner.accepts(&slow), "from a slow clock");
}

#[test]
fn a_recovery_code_works_once_in_any_spelling() {
    let owner = Owner::new();
    assert_eq!(owner.recovery_codes.len(), 10);
    assert!(owner.accepts(&owner.recovery_codes[0]));
    assert!(!owner.accepts(&owner.recovery_codes[0]), "used");
    assert!(owner.accepts(&owner.recovery_codes[1].to_uppercase().replace('-', " ")));
    let left = account(&owner.server, Some(&owner.recovery_codes[2])).get("/api/account").ok();
    assert_eq!((&left["two_factor"], &left["recovery_codes_left"]), (&json!(true), &json!(7)));
}

#[test]
fn new_recovery_codes_and_turning_it_off_require_a_code() {
    let owner = Owner::new();
    let account = account(&owner.server, Some(&owner.code()));
    let wrong = json!({"code": "aaaa-aaaa-aaaa-aaaa"});
    account.post("/api/account/recovery-codes", &wrong).expect_error(401, "invalid_credentials");
    account
        .call(Method::DELETE, "/api/account/two-factor", Some(&wrong))
        .expect_error(401, "invalid_credentials");
    account.post("/api/account/two-factor", &json!({})).expect_error(409, "two_factor_is_on");
    let old = json!({"code": owner.recovery_codes[0]});
    let fresh = account.post("/api/account/recovery-codes", &old).ok();
    assert!(!owner.accepts(&owner.recovery_codes[1]), "replaced");
    let fresh = fresh["recovery_codes"][0].as_str().expect("a code");
    account.call(Method::DELETE, "/api/account/two-factor", Some(&json!({"code": fresh}))).expect(204);
    owner.server.anonymous().post("/api/sync/auth", &owner.server.credentials()).ok();
}

#[test]
fn an_operator_can_turn_off_two_factor_authentication() {
    let owner = Owner::new();
    let email = owner.server.email().to_owned();
    owner.server.command(Command::User(UserCommand::DisableTwoFactor { email }));
    owner.server.anonymous().post("/api/sync/auth", &owner.server.credentials()).ok();
}

#[test]
fn an_unconfirmed_secret_does_not_turn_on_two_factor_authentication() {
    let server = ManualClockServer::start(&[]);
    let account = account(&server, None);
    account.post("/api/account/two-factor", &json!({})).ok();
    account
        .post("/api/account/two-factor/confirm", &json!({"code": "000000"}))
        .expect_error(401, "invalid_credentials");
    server.anonymous().post("/api/sync/auth", &server.credentials()).ok();
}

#[test]
fn sign_ins_in_progress_end_when_two_factor_authentication_changes() {
    let owner = Owner::new();
    let tab = Tab::on(&owner.server.url());
    let page = owner.code_page(&tab);
    let account = account(&owner.server, Some(&owner.code()));
    account
        .call(Method::DELETE, "/api/account/two-factor", Some(&json!({"code": owner.recovery_codes[0]})))
        .expect(204);
    tab.send(&page, &[("code", &owner.recovery_codes[1])]).expect(400).expect_title("This page has expired");
}

#[test]
fn submitting_a_code_twice_gives_the_same_result() {
    let owner = Owner::new();
    let tab = Tab::on(&owner.server.url());
    let (page, code) = (owner.code_page(&tab), owner.code());
    let first = tab.send(&page, &[("code", &code)]).expect(303);
    let second = tab.send(&page, &[("code", &code)]).expect(303);
    assert_eq!(first.location(), second.location());
    tab.follow(&second).expect(200).expect_title("Allow dev to sync?");
}

#[test]
fn a_password_change_requires_a_code_and_its_repeat_does_not() {
    let owner = Owner::new();
    let tokens = owner.session();
    let app = owner.server.anonymous().with_token(tokens["access_token"].as_str().expect("a token"));
    let change = |current: &str, code: Option<&str>| {
        let mut body = json!({"current_password": current, "new_password": "tidy lantern forgets october"});
        if let Some(code) = code {
            body["code"] = code.into();
        }
        app.post("/api/sync/auth/password", &body)
    };
    let current = owner.server.password();
    change(current, None).expect_error(403, "two_factor_required");
    change(current, Some("aaaa-aaaa-aaaa-aaaa")).expect_error(401, "invalid_credentials");
    change("wrong", Some(&owner.recovery_codes[1])).expect_error(401, "invalid_credentials");
    change(current, Some(&owner.recovery_codes[1])).ok();
    change(current, Some(&owner.recovery_codes[1])).ok();
    change(current, None).ok();
}
