//! The account page and `/api/account`.

use reqwest::Method;
use serde_json::{Value, json};

use tidelog_test_kit::{Authenticator, Caller, PASSWORD, PageResponse, Server, Tab, User, change};

fn account_of(server: &Server, user: &User, password: &str) -> Caller {
    let body = json!({"email": user.email, "password": password});
    let token = server.anonymous().post("/api/account/token", &body).ok()["token"].clone();
    server.bearer(token.as_str().expect("a token"))
}

/// Signs in to the account page.
fn page_of(server: &Server, user: &User) -> (Tab, PageResponse) {
    let tab = server.tab();
    let page = tab.open("/account").expect(200).expect_title("Sign in");
    let sent = tab.send(&page, &[("email", &user.email), ("password", PASSWORD)]).expect(303);
    let page = tab.follow(&sent).expect(200).expect_title("Your account");
    (tab, page)
}

fn list(caller: &Caller, path: &str) -> Vec<Value> {
    caller.get(path).ok().as_array().expect("a list").clone()
}

#[test]
fn an_account_lists_sessions_and_ends_them() {
    let server = Server::start();
    let (notes, tasks) = (server.new_app("Notes"), server.new_app("Tasks"));
    let (ada, bob) = (server.new_user("ada@example.org"), server.new_user("bob@example.org"));
    let (laptop, phone) = (server.sign_in(&ada, &notes), server.sign_in(&ada, &tasks));
    laptop.device("Laptop");
    phone.device("Phone");
    let account = account_of(&server, &ada, PASSWORD);
    let sessions = list(&account, "/api/account/sessions");
    assert_eq!(sessions.len(), 2);
    assert_eq!((&sessions[0]["app"], &sessions[0]["devices"]), (&json!("Tasks"), &json!("Phone")));
    let id = sessions[0]["id"].as_str().expect("an id");
    let theirs = account_of(&server, &bob, PASSWORD);
    theirs.delete(&format!("/api/account/sessions/{id}")).expect_error(404, "not_found");
    phone.get("/api/sync/status").ok();
    account.delete(&format!("/api/account/sessions/{id}")).expect(204);
    phone.get("/api/sync/status").expect_error(401, "unauthenticated");
    account.delete(&format!("/api/account/sessions/{id}")).expect_error(404, "not_found");

    let devices = list(&account, "/api/account/devices");
    assert_eq!(devices.len(), 2, "a device survives its session");
    let laptops = devices.iter().find(|device| device["device_name"] == "Laptop").expect("the laptop");
    let id = laptops["id"].as_str().expect("an id");
    theirs.delete(&format!("/api/account/devices/{id}")).expect_error(404, "not_found");
    laptop.get("/api/sync/status").ok();
    account.delete(&format!("/api/account/devices/{id}")).expect(204);
    laptop.get("/api/sync/status").expect_error(401, "unauthenticated");
}

#[test]
fn the_account_page_ends_sessions_with_one_click_each() {
    let server = Server::start();
    let notes = server.new_app("Notes");
    let (ada, bob) = (server.new_user("ada@example.org"), server.new_user("bob@example.org"));
    let app = server.sign_in(&ada, &notes);
    app.device("Laptop");
    let (tab, page) = page_of(&server, &ada);
    let (strangers_tab, strangers_page) = page_of(&server, &bob);
    let sessions = list(&account_of(&server, &ada, PASSWORD), "/api/account/sessions");
    let path = format!("/account/sessions/{}", sessions[0]["id"].as_str().expect("an id"));
    let form = page.form_to(&path);
    strangers_tab.post(&path, &strangers_page.filled(&[])).expect(303);
    app.get("/api/sync/status").ok();
    let sent = tab.post(&path, &form.filled(&[])).expect(303);
    assert!(tab.follow(&sent).text.contains("Access revoked."));
    app.get("/api/sync/status").expect_error(401, "unauthenticated");
    let form = page.form_to("/account/sign-out");
    tab.post("/account/sign-out", &form.filled(&[])).expect(303);
    tab.open("/account").expect(200).expect_title("Sign in");
    tab.post(&path, &form.filled(&[])).expect(400).expect_title("This page has expired");
}

#[test]
fn changing_the_password_ends_every_other_session() {
    let server = Server::start();
    let (notes, ada) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let app = server.sign_in(&ada, &notes);
    let device = app.device("Laptop");
    let mut stream = app.open_stream(&format!("/api/sync/subscribe?app_id={}&device_id={device}", notes.id));
    let (account, other) = (account_of(&server, &ada, PASSWORD), account_of(&server, &ada, PASSWORD));
    let (tab, _) = page_of(&server, &ada);
    let change = |current: &str, new: &str| {
        account.post("/api/account/password", &json!({"current_password": current, "new_password": new}))
    };
    change("wrong", "another password").expect_error(401, "invalid_credentials");
    change(PASSWORD, "short").expect_error(422, "invalid_field");
    app.get("/api/sync/status").ok();
    change(PASSWORD, "another password").expect(204);
    for ended in [&account, &other] {
        ended.get("/api/account").expect_error(401, "unauthenticated");
    }
    app.get("/api/sync/status").expect_error(401, "unauthenticated");
    stream.expect_end();
    tab.open("/account").expect(200).expect_title("Sign in");
    account_of(&server, &ada, "another password").get("/api/account").ok();
}

#[test]
fn the_account_page_changes_the_password_and_stays_signed_in() {
    let server = Server::start();
    let ada = server.new_user("ada@example.org");
    let (tab, page) = page_of(&server, &ada);
    let (elsewhere, _) = page_of(&server, &ada);
    let form = page.form_to("/account/password");
    let wrong =
        tab.post("/account/password", &form.filled(&[("current", "wrong"), ("new", "another password")]));
    assert!(wrong.expect(422).error_message().expect("a fault").contains("Incorrect current password"));
    let right = form.filled(&[("current", PASSWORD), ("new", "another password")]);
    let sent = tab.post("/account/password", &right).expect(303);
    let done = tab.follow(&sent).expect(200).expect_title("Your account");
    assert!(done.text.contains("Your password has been changed."));
    elsewhere.open("/account").expect_title("Sign in");
    account_of(&server, &ada, "another password");
}

#[test]
fn two_factor_authentication_is_turned_on_and_off_on_the_account_page() {
    let server = Server::start();
    let ada = server.new_user("ada@example.org");
    let (tab, page) = page_of(&server, &ada);
    let act = |page: &PageResponse, fields: &[(&str, &str)]| {
        tab.post("/account/two-factor", &page.form_to("/account/two-factor").filled(fields))
    };
    let enrolment =
        act(&page, &[("action", "start")]).expect(200).expect_title("Turn on two-factor authentication");
    assert!(enrolment.text.contains("<svg"), "a picture for the phone");
    let secret = enrolment
        .text
        .split("<code>")
        .nth(1)
        .and_then(|rest| rest.split("</code>").next())
        .expect("a secret");
    let phone = Authenticator::new(secret);
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
            as i64;
    let wrong = act(&enrolment, &[("action", "confirm"), ("code", "aaaaaa")]).expect(422);
    assert!(wrong.text.contains(secret), "the same secret again");
    let codes = act(&enrolment, &[("action", "confirm"), ("code", &phone.code(now))])
        .expect(200)
        .expect_title("Your recovery codes");
    let again = act(&enrolment, &[("action", "confirm"), ("code", &phone.code(now))]).expect(200);
    assert_eq!(codes.text, again.text, "a repeated submit shows the codes again");
    let recovery: Vec<&str> =
        codes.text.split("<li>").skip(1).filter_map(|rest| rest.split("</li>").next()).collect();
    assert_eq!(recovery.len(), 10);
    let page = tab.open("/account");
    assert!(page.text.contains("10 of 10 recovery codes left"), "{}", page.text);
    let fresh = act(&page, &[("action", "new-recovery-codes"), ("code", recovery[0])])
        .expect(200)
        .expect_title("Your recovery codes");
    assert!(!fresh.text.contains(recovery[1]));
    let wrong = act(&page, &[("action", "turn-off"), ("code", recovery[1])]).expect(422);
    assert!(wrong.error_message().is_some());
    let code = fresh.text.split("<li>").nth(1).and_then(|rest| rest.split("</li>").next()).expect("a code");
    let sent = act(&page, &[("action", "turn-off"), ("code", code)]).expect(303);
    assert!(tab.follow(&sent).text.contains("Two-factor authentication is off."));
}

#[test]
fn deleting_an_account_requires_its_password_and_deletes_everything() {
    let server = Server::start();
    let (notes, ada) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let app = server.sign_in(&ada, &notes);
    let device = app.device("Laptop");
    app.push(&device, vec![change("row")]);
    app.put_blob(b"a file");
    let mut stream = app.open_stream(&format!("/api/sync/subscribe?app_id={}&device_id={device}", notes.id));
    let (tab, _) = page_of(&server, &ada);
    let page = tab.open("/account/delete").expect(200).expect_title("Delete your account?");
    assert!(page.text.contains("Backups"), "the page says what is kept");
    tab.send(&page, &[("password", "wrong")]).expect(422);
    app.get("/api/sync/status").ok();
    let gone =
        tab.send(&page, &[("password", PASSWORD)]).expect(200).expect_title("Your account has been deleted");
    assert_eq!(tab.send(&page, &[("password", PASSWORD)]).text, gone.text, "a repeated submit");
    app.get("/api/sync/status").expect_error(401, "unauthenticated");
    stream.expect_end();
    assert_eq!(server.cli().run(&["user", "list"]).json(), json!([]));
    let refused = json!({"email": ada.email, "password": PASSWORD});
    server.anonymous().post("/api/account/token", &refused).expect_error(401, "invalid_credentials");
}

#[test]
fn deleting_an_account_through_the_api_requires_its_password_too() {
    let server = Server::start();
    let ada = server.new_user("ada@example.org");
    let account = account_of(&server, &ada, PASSWORD);
    let delete =
        |password: &str| account.call(Method::DELETE, "/api/account", Some(&json!({"password": password})));
    delete("wrong").expect_error(401, "invalid_credentials");
    delete(PASSWORD).expect(204);
    account.get("/api/account").expect_error(401, "unauthenticated");
    assert_eq!(server.cli().run(&["user", "list"]).json(), json!([]));
}

#[test]
fn an_account_session_lasts_fifteen_minutes_regardless_of_use() {
    let server = tidelog_test_kit::ManualClockServer::start(&[]);
    let body = json!({"email": server.email(), "password": server.password()});
    let token = server.anonymous().post("/api/account/token", &body).ok()["token"].clone();
    let account = server.anonymous().with_token(token.as_str().expect("a token"));
    let tab = Tab::on(&server.url());
    let page = tab.open("/account");
    tab.send(&page, &[("email", server.email()), ("password", server.password())]).expect(303);
    server.advance_seconds(15 * 60 - 1);
    account.get("/api/account").ok();
    tab.open("/account").expect_title("Your account");
    server.advance_seconds(1);
    account.get("/api/account").expect_error(401, "unauthenticated");
    tab.open("/account").expect_title("Sign in");
}

#[test]
fn signing_out_ends_the_account_session() {
    let server = Server::start();
    let ada = server.new_user("ada@example.org");
    let account = account_of(&server, &ada, PASSWORD);
    account.post("/api/account/logout", &json!({})).expect(204);
    account.get("/api/account").expect_error(401, "unauthenticated");
}

#[test]
fn each_sign_in_has_its_own_same_site_cookie() {
    let server = Server::start();
    let ada = server.new_user("ada@example.org");
    let tab = server.tab();
    let page = tab.open("/account");
    let cookie = || {
        let sent = tab.send(&page, &[("email", &ada.email), ("password", PASSWORD)]).expect(303);
        sent.header("set-cookie")
    };
    let first = cookie();
    assert!(first.starts_with("tidelog-account=tlv_") && first.contains("SameSite=Strict"), "{first}");
    assert!(first.contains("HttpOnly") && !first.contains("Domain"), "{first}");
    let fixed = server.tab().with("cookie", "tidelog-account=tlv_chosen-by-somebody-else");
    let page = fixed.open("/account").expect_title("Sign in");
    assert!(!page.header("set-cookie").contains("chosen"));
}

#[test]
fn the_audit_log_records_sign_ins_password_changes_and_links() {
    let server = Server::start();
    let ada = server.new_user("ada@example.org");
    let account = account_of(&server, &ada, PASSWORD);
    page_of(&server, &ada);
    let change = json!({"current_password": PASSWORD, "new_password": "another password"});
    account.post("/api/account/password", &change).expect(204);
    server.cli().run(&["user", "reset-password", &ada.email, "--link"]).json();
    let invite = server.cli().run(&["invite", "create"]).json();
    server.cli().run(&["invite", "revoke", invite["invite_id"].as_str().expect("an id")]).json();
    let rows = server.cli().run(&["audit"]).json();
    let events: Vec<_> = rows.as_array().expect("rows").iter().rev().collect();
    let actions: Vec<_> = events.iter().map(|row| row["action"].as_str().expect("a name")).collect();
    let expected = [
        "user_created",
        "signed_in",
        "signed_in",
        "password_changed",
        "reset_link_created",
        "invite_created",
        "invite_revoked",
    ];
    assert_eq!(actions, expected);
    assert!(events[1..5].iter().all(|row| row["email"] == "ada@example.org"));
    assert!(
        events[1..4].iter().all(|row| row["client_ip"] == "127.0.0.1") && events[4]["client_ip"].is_null()
    );
}
