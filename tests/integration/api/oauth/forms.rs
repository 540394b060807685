//! Forms from another site or another browser, pages in frames, and cookies.

use super::Fixture;
use tidelog_test_kit::{PASSWORD, PageResponse};

#[test]
fn a_form_works_only_in_the_browser_that_loaded_it() {
    let fixture = Fixture::new();
    let (mine, theirs) = (fixture.server.tab(), fixture.server.tab());
    let page = mine.open(&fixture.request(&[]));
    let credentials = [("email", fixture.user.email.as_str()), ("password", PASSWORD)];
    // An attacker's page cannot make the victim's browser sign in as the attacker, nor finish a flow that the
    // attacker began.
    theirs.send(&page, &credentials).expect(400).expect_title("This page has expired");
    theirs.open(&fixture.request(&[])).expect(200);
    theirs.send(&page, &credentials).expect(400).expect_title("This page has expired");
    let consent = fixture.consent_page(&mine);
    theirs.send(&consent, &[("decision", "allow")]).expect(400).expect_title("This page has expired");
    mine.send(&consent, &[("decision", "allow")]).expect(303);
}

#[test]
fn a_cross_site_form_is_refused_even_with_a_valid_state() {
    let fixture = Fixture::new();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let tab = fixture.server.tab();
        let page = fixture.consent_page(&tab);
        let tab = tab.with(name, value);
        tab.send(&page, &[("decision", "allow")]).expect(400).expect_title("This page has expired");
    }
    let tab = fixture.server.tab().with("sec-fetch-site", "same-origin").with("origin", "null");
    let page = fixture.consent_page(&tab);
    tab.send(&page, &[("decision", "allow")]).expect(303);
}

#[test]
fn flow_states_cannot_be_skipped_or_swapped() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let log_in = tab.open(&fixture.request(&[]));
    let consent = fixture.consent_page(&tab);
    let token_of =
        |page: &PageResponse| page.filled(&[]).into_iter().find(|(name, _)| name == "flow").expect("a token");
    let (early, late) = (token_of(&log_in), token_of(&consent));
    let with =
        |token: &(String, String), more: (&str, &str)| vec![token.clone(), (more.0.into(), more.1.into())];
    tab.post("/oauth/consent", &with(&early, ("decision", "allow"))).expect(400);
    tab.post("/two-factor", &with(&early, ("code", "000000"))).expect(400);
    tab.post("/two-factor", &with(&late, ("code", "000000"))).expect(400);
    tab.post("/sign-in", &with(&late, ("email", "x"))).expect(400);
    tab.post("/account/password", &with(&late, ("current", PASSWORD))).expect(400);
    tab.open(&format!("/oauth/consent?flow={}", early.1)).expect(400);
    tab.post("/oauth/consent", &[]).expect(400);
}

#[test]
fn a_consent_page_takes_one_decision_and_repeats_its_result() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let page = fixture.consent_page(&tab);
    let first = tab.send(&page, &[("decision", "allow")]).expect(303);
    let second = tab.send(&page, &[("decision", "allow")]).expect(303);
    assert_eq!(first.location(), second.location(), "one code, so none is used twice");
    tab.send(&page, &[("decision", "deny")]).expect(400).expect_title("This page has expired");
    let token = page.filled(&[])[0].1.clone();
    let back =
        tab.open(&format!("/oauth/consent?flow={token}")).expect(400).expect_title("This page has expired");
    assert!(back.text.contains("Start again"));
}

#[test]
fn no_page_can_be_framed_or_load_anything_and_only_consent_may_redirect() {
    let fixture = Fixture::new();
    let tab = fixture.server.tab();
    let pages = [
        tab.open(&fixture.request(&[])),
        fixture.consent_page(&tab),
        tab.open("/account"),
        tab.open("/sign-up"),
        tab.open("/invite/x"),
        tab.open("/oauth/authorize"),
    ];
    for (number, page) in pages.iter().enumerate() {
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(policy.contains("base-uri 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(["same-origin", "no-referrer"].contains(&page.header("referrer-policy").as_str()));
        let leads = policy.split(';').find(|part| part.contains("form-action")).expect("a rule").trim();
        let expected =
            if number == 1 { "form-action 'self' http://127.0.0.1:4711" } else { "form-action 'self'" };
        assert_eq!(leads, expected);
        assert!(
            !page.text.contains("<script") && !page.text.contains("src=\"http"),
            "nothing from other origins"
        );
        for event in ["onclick", "onload", "onerror", "onsubmit", "onfocus", "javascript:"] {
            assert!(!page.text.contains(event), "{event}");
        }
    }
}

#[test]
fn cookies_are_http_only_and_same_site() {
    let fixture = Fixture::with_public_url("https://sync.example.org");
    let tab = fixture.server.tab().with("host", "sync.example.org");
    let cookie = tab.open(&fixture.request(&[])).header("set-cookie");
    assert!(cookie.starts_with("__Host-tidelog-browser="), "{cookie}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/;"] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    assert!(!cookie.contains("Domain"));
}

#[test]
fn names_of_users_and_apps_are_escaped() {
    let fixture = Fixture::new();
    let nasty = "<script>alert(1)</script>\"'>&amp;";
    let app = fixture.server.new_app(nasty);
    let tab = fixture.server.tab();
    let page = tab.open(&fixture.request(&[("client_id", &app.api_key), ("state", nasty)]));
    assert!(!page.text.contains("<script>") && page.text.contains("&lt;script&gt;"), "{}", page.text);
    let again = tab.send(&page, &[("email", nasty), ("password", "wrong")]).expect(422);
    assert!(!again.text.contains("<script>"), "{}", again.text);
    let sent = tab.send(&again, &[("email", &fixture.user.email), ("password", PASSWORD)]).expect(303);
    let consent = tab.follow(&sent).expect(200);
    assert_eq!(tab.send(&consent, &[("decision", "allow")]).parameter("state").as_deref(), Some(nasty));
}

#[test]
fn wrong_credentials_get_the_same_message_whatever_is_wrong() {
    let fixture = Fixture::new();
    fixture.server.new_user("disabled@example.org");
    fixture.server.cli().run(&["user", "disable", "disabled@example.org"]).json();
    let tab = fixture.server.tab();
    let page = tab.open(&fixture.request(&[]));
    let faults: Vec<_> = [
        ("ada@example.org", "wrong"),
        ("nobody@example.org", PASSWORD),
        ("disabled@example.org", PASSWORD),
        ("", ""),
        ("no address", PASSWORD),
        ("ada@example.org", &"x".repeat(200)),
    ]
    .into_iter()
    .map(|(email, password)| {
        let again = tab.send(&page, &[("email", email), ("password", password)]).expect(422);
        assert!(
            !again.text.contains(&format!("value=\"{password}\"")) || password.is_empty(),
            "no password is returned"
        );
        again.error_message()
    })
    .collect();
    assert!(faults.iter().all(|fault| fault.is_some() && *fault == faults[0]), "{faults:?}");
}
