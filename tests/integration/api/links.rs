//! Set-up links, invites and reset links.

use std::fs;

use serde_json::{Value, json};

use tidelog_test_kit::{ManualClockServer, PASSWORD, PageResponse, Server, ServerSetup, Tab};

fn server_with_invites() -> Server {
    ServerSetup::default().with("TIDELOG_AUTH_SIGN_UP", "invite").start()
}

/// Returns the path of a link printed by the command line.
fn path(created: &Value) -> String {
    let url = created["url"].as_str().expect("an address");
    format!("/{}", url.splitn(4, '/').nth(3).expect("a path"))
}

fn sign_up(tab: &Tab, path: &str, email: &str, password: &str) -> PageResponse {
    let page = tab.open(path).expect(200);
    tab.send(&page, &[("email", email), ("password", password)])
}

#[test]
fn the_setup_link_creates_the_first_administrator_and_changes_at_each_start() {
    let mut server = Server::start();
    let file = server.data().join("setup-link");
    let first = fs::read_to_string(&file).expect("a link");
    assert!(!server.log().contains("tll_"), "not in the log");
    let tab = server.tab();
    tab.open(first.trim()).expect(200).expect_title("Set up this server");
    server.restart();
    let second = fs::read_to_string(&file).expect("a link");
    assert_ne!(first, second);
    let tab = server.tab();
    tab.open(&path(&json!({"url": first.trim()}))).expect(404);
    let page = tab.open(second.trim()).expect(200);
    let sent = tab.send(&page, &[("email", "root@example.org"), ("password", PASSWORD)]);
    sent.expect(200).expect_title("Your server is ready");
    let users = server.cli().run(&["user", "list"]).json();
    assert_eq!((&users[0]["email"], &users[0]["admin"]), (&json!("root@example.org"), &json!(true)));
    tab.open(second.trim()).expect(404).expect_title("This link is no longer valid");
    server.restart();
    assert!(!file.exists(), "no link if there is an administrator");
}

#[test]
fn an_administrator_created_on_the_command_line_disables_the_setup_link() {
    let server = Server::start();
    let link = fs::read_to_string(server.data().join("setup-link")).expect("a link");
    server
        .cli()
        .run_with_input(&["user", "create", "root@example.org", "--admin", "--password-stdin"], PASSWORD)
        .json();
    server.tab().open(link.trim()).expect(404);
}

#[test]
fn an_invite_creates_as_many_accounts_as_it_allows() {
    let server = server_with_invites();
    server.new_app("Notes");
    let created = server.cli().run(&["invite", "create", "--app", "Notes", "--uses", "2"]).json();
    let path = path(&created);
    let tab = server.tab();
    for _ in 0..5 {
        tab.open(&path).expect(200).expect_title("Create an account for Notes");
    }
    assert!(sign_up(&tab, &path, "nobody", PASSWORD).expect(422).error_message().is_some());
    assert!(
        sign_up(&tab, &path, "ada@example.org", "short")
            .expect(422)
            .error_message()
            .expect("why")
            .contains("8")
    );
    sign_up(&tab, &path, "ada@example.org", PASSWORD).expect(200).expect_title("Your account is ready");
    assert!(
        sign_up(&tab, &path, " ADA@example.org", PASSWORD)
            .expect(422)
            .error_message()
            .expect("why")
            .contains("Sign in")
    );
    let left = server.cli().run(&["invite", "list"]).json();
    assert_eq!((&left[0]["uses_left"], &left[0]["app"]), (&json!(1), &json!("Notes")));
    sign_up(&tab, &path, "bob@example.org", PASSWORD).expect(200);
    tab.open(&path).expect(404).expect_title("This link is no longer valid");
    assert_eq!(server.cli().run(&["invite", "list"]).json(), json!([]));
    let users = server.cli().run(&["user", "list"]).json();
    assert!(users.as_array().expect("users").iter().all(|user| user["admin"] == false));
}

#[test]
fn submitting_the_sign_up_form_twice_creates_one_account() {
    let server = server_with_invites();
    let path = path(&server.cli().run(&["invite", "create"]).json());
    let tab = server.tab();
    let page = tab.open(&path);
    let fields = [("email", "ada@example.org"), ("password", PASSWORD)];
    tab.send(&page, &fields).expect(200).expect_title("Your account is ready");
    tab.send(&page, &fields).expect(200).expect_title("Your account is ready");
}

#[test]
fn a_revoked_invite_and_a_closed_server_create_no_account() {
    let server = server_with_invites();
    let created = server.cli().run(&["invite", "create"]).json();
    server.tab().open(&path(&created)).expect(200);
    server.cli().run(&["invite", "revoke", created["invite_id"].as_str().expect("an id")]).json();
    server.tab().open(&path(&created)).expect(404);
    server.tab().open("/sign-up").expect(404).expect_title("Sign-up is closed");
    let closed = Server::start();
    let created = closed.cli().run(&["invite", "create"]).json();
    assert!(created["note"].as_str().expect("a note").contains("auth.sign_up"));
    closed.tab().open(&path(&created)).expect(404);
    for (arguments, why) in [
        (vec!["invite", "create", "--app", "none"], "none"),
        (vec!["invite", "create", "--uses", "0"], "0"),
        (vec!["invite", "create", "--days", "1000"], "1000"),
    ] {
        let refused = closed.cli().run(&arguments).expect_refusal();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn an_open_server_creates_one_account_per_email() {
    let server = ServerSetup::default().with("TIDELOG_AUTH_SIGN_UP", "open").start();
    let tab = server.tab();
    assert!(tab.open("/account").text.contains("/sign-up"), "the sign-in link is shown");
    sign_up(&tab, "/sign-up", "ada@example.org", PASSWORD).expect(200).expect_title("Your account is ready");
    assert!(
        sign_up(&server.tab(), "/sign-up", "ada@example.org", "another password")
            .expect(422)
            .error_message()
            .is_some()
    );
    let app = server.new_app("Notes");
    let users = server.cli().run(&["user", "list"]).json();
    let user =
        tidelog_test_kit::User { email: "ada@example.org".into(), id: users[0]["user_id"].to_string() };
    server.sign_in(&user, &app);
}

#[test]
fn a_reset_link_sets_a_password_and_nothing_else() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let caller = server.sign_in(&user, &app);
    caller.put("/api/sync/keys", &json!({"encrypted_key": "c2VhbGVk"})).ok();
    let reset = || path(&server.cli().run(&["user", "reset-password", "ada@example.org", "--link"]).json());
    let (old, link) = (reset(), reset());
    let tab = server.tab();
    tab.open(&old).expect(404);
    let page = tab.open(&link).expect(200).expect_title("Set a new password");
    assert!(
        page.text.contains("ada@example.org") && page.text.contains("passphrase that encrypts"),
        "{}",
        page.text
    );
    assert!(tab.send(&page, &[("password", "short")]).expect(422).error_message().is_some());
    caller.get("/api/sync/status").ok();
    tab.send(&page, &[("password", "another password")])
        .expect(200)
        .expect_title("Your password has been changed");
    tab.open(&link).expect(404);
    caller.get("/api/sync/status").expect_error(401, "unauthenticated");
    let credentials = json!({"email": user.email, "password": "another password", "api_key": app.api_key});
    let token = server.anonymous().post("/api/sync/auth", &credentials).ok()["token"].clone();
    let key = server.bearer(token.as_str().expect("a token")).get("/api/sync/keys").ok();
    assert_eq!((&key["encrypted_key"], &key["revision"]), (&json!("c2VhbGVk"), &json!(1)));
    assert!(
        server
            .cli()
            .run(&["user", "reset-password", "nobody@example.org", "--link"])
            .expect_refusal()
            .contains("nobody")
    );
}

#[test]
fn a_link_works_for_one_purpose_and_its_page_sends_no_referrer() {
    let server = server_with_invites();
    let link = path(&server.cli().run(&["invite", "create"]).json());
    let tab = server.tab();
    assert_eq!(tab.open(&link).header("referrer-policy"), "no-referrer");
    assert_eq!(tab.open("/invite/tll_made-up").header("referrer-policy"), "no-referrer");
    let secret = link.rsplit('/').next().expect("a secret");
    assert_eq!(secret.len(), "tll_".len() + 43, "256 bits");
    for other in ["setup", "reset"] {
        tab.open(&format!("/{other}/{secret}")).expect(404);
    }
    tab.open(&link[..link.len() - 1]).expect(404);
    let database = fs::read(server.data().join("tidelog.db")).expect("the database");
    let wal = fs::read(server.data().join("tidelog.db-wal")).unwrap_or_default();
    let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
    assert!(!holds(&database) && !holds(&wal), "only its hash is kept");
}

#[test]
fn links_expire() {
    let server = ManualClockServer::start(&[("auth.sign_up", "invite")]);
    let make = |command| path(&server.command(command));
    use tidelog::server::commands::{Command, InviteCommand, Password, UserCommand};
    let invite = make(Command::Invite(InviteCommand::Create { app: None, uses: 1, days: 2, mail: None }));
    let reset = make(Command::User(UserCommand::ResetPassword {
        email: server.email().into(),
        link: true,
        mail: false,
        password: Password::default(),
    }));
    let tab = Tab::on(&server.url());
    server.advance_seconds(24 * 60 * 60 - 1);
    tab.open(&reset).expect(200);
    server.advance_seconds(1);
    tab.open(&reset).expect(404);
    tab.open(&invite).expect(200);
    server.advance_hours(24);
    tab.open(&invite).expect(404);
}
