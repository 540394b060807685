//! Personal access tokens, and what an app's own backend does with them.

use serde_json::{Value, json};
use tidelog::server::commands::{AppCommand, Command, TokenCommand};

use tidelog_test_kit::{App, Caller, ManualClockServer, Server, User, text};

const HOURS_PER_DAY: i64 = 24;

/// Returns a caller of the app's sessions with a personal access token created by these arguments.
fn administrator(server: &Server, arguments: &[&str]) -> Caller {
    let created = server.cli().run(&[&["token", "create", "--scope", "admin"], arguments].concat()).json();
    server.bearer(&text(&created["token"]))
}

fn sessions_of(app: &str) -> String {
    format!("/api/admin/apps/{app}/sessions")
}

fn external(id: &str) -> Value {
    json!({ "external_id": id })
}

#[test]
fn a_backend_lets_its_users_in_each_as_the_same_user_every_time() {
    let server = Server::start();
    let app = server.new_app("Notes");
    let backend = administrator(&server, &["--app", "Notes"]);
    let begin = |id: &str| backend.post(&sessions_of(&app.id), &external(id)).ok();
    let (first, again, other) = (begin("ada"), begin("ada"), begin("bob"));
    assert_eq!(first["user_id"], again["user_id"]);
    assert_ne!(first["user_id"], other["user_id"]);
    assert_eq!(text(&first["app_id"]), app.id);
    let (ada, bob) = (server.bearer(&text(&first["token"])), server.bearer(&text(&other["token"])));
    ada.device("Laptop");
    assert_eq!(
        server.bearer(&text(&again["token"])).get("/api/sync/devices").ok()[0]["device_name"],
        "Laptop"
    );
    assert_eq!(bob.get("/api/sync/devices").ok(), json!([]));
    let refresh = json!({"refresh_token": first["refresh_token"]});
    server.anonymous().post("/api/sync/auth/refresh", &refresh).ok();
}

#[test]
fn the_same_id_in_two_apps_is_two_users() {
    let server = Server::start();
    let (notes, tasks) = (server.new_app("Notes"), server.new_app("Tasks"));
    let backend = administrator(&server, &[]);
    let begin = |app: &App| backend.post(&sessions_of(&app.id), &external("ada")).ok()["user_id"].clone();
    assert_ne!(begin(&notes), begin(&tasks));
}

#[test]
fn another_app_and_one_that_is_not_there_look_alike() {
    let server = Server::start();
    let (_, tasks) = (server.new_app("Notes"), server.new_app("Tasks"));
    let backend = administrator(&server, &["--app", "Notes"]);
    let other = backend.post(&sessions_of(&tasks.id), &external("ada"));
    let absent = backend.post(&sessions_of(&tidelog_test_kit::fresh_id()), &external("ada"));
    let garbage = backend.post(&sessions_of("Tasks"), &external("ada"));
    for response in [&other, &absent, &garbage] {
        response.expect_error(404, "not_found");
        assert_eq!(response.json(), other.json());
    }
    administrator(&server, &[]).post(&sessions_of("x"), &external("ada")).expect_error(404, "not_found");
}

#[test]
fn ids_that_name_nobody_are_told_by_the_field() {
    let server = Server::start();
    let app = server.new_app("Notes");
    let backend = administrator(&server, &[]);
    for id in ["", "a\nb", &"x".repeat(256)] {
        let refused = backend.post(&sessions_of(&app.id), &external(id));
        refused.expect_error(422, "invalid_field");
        assert_eq!(refused.json()["field"], "external_id");
    }
    backend.post(&sessions_of(&app.id), &json!({})).expect_error(422, "invalid_field");
    backend.post(&sessions_of(&app.id), &external(&"名".repeat(255))).ok();
}

#[test]
fn a_disabled_or_deleted_user_is_out_at_once() {
    let server = Server::start();
    let app = server.new_app("Notes");
    let backend = administrator(&server, &[]);
    let begin = || backend.post(&sessions_of(&app.id), &external("ada"));
    let pair = begin().ok();
    let (ada, id) = (server.bearer(&text(&pair["token"])), text(&pair["user_id"]));
    server.cli().run(&["user", "disable", &id]).json();
    ada.get("/api/sync/status").expect_error(401, "unauthenticated");
    begin().expect_error(404, "not_found");
    server.cli().run(&["user", "delete", &id]).json();
    assert_ne!(text(&begin().ok()["user_id"]), id);
}

#[test]
fn a_user_of_another_system_has_no_password_to_sign_in_with() {
    let server = Server::start();
    let app = server.new_app("Notes");
    administrator(&server, &[]).post(&sessions_of(&app.id), &external("ada@example.org")).ok();
    for email in ["ada@example.org", ""] {
        let user = User { email: email.into(), id: String::new() };
        let response = server.anonymous().post("/api/sync/auth", &tidelog_test_kit::credentials(&user, &app));
        response.expect_error(401, "invalid_credentials");
    }
}

#[test]
fn a_token_is_shown_once_listed_without_itself_and_ended_at_once() {
    let server = Server::start();
    let app = server.new_app("Notes");
    let cli = server.cli();
    let created = cli.run(&["token", "create", "--scope", "admin", "--app", "Notes", "--days", "7"]).json();
    let (id, token) = (text(&created["token_id"]), text(&created["token"]));
    assert!(token.starts_with("tlp_"));
    let listed = cli.run(&["token", "list"]).json();
    assert_eq!(
        (text(&listed[0]["token_id"]), &listed[0]["scope"], &listed[0]["app"]),
        (id.clone(), &json!("admin"), &json!("Notes"))
    );
    assert_eq!(listed[0]["last_used_at"], Value::Null);
    assert!(!listed.to_string().contains(&token));
    let backend = server.bearer(&token);
    backend.post(&sessions_of(&app.id), &external("ada")).ok();
    assert!(cli.run(&["token", "list"]).json()[0]["last_used_at"].is_string());
    cli.run(&["token", "revoke", &id]).json();
    backend.post(&sessions_of(&app.id), &external("ada")).expect_error(401, "unauthenticated");
    assert_eq!(cli.run(&["token", "list"]).json(), json!([]));
    let stored = std::fs::read(server.data().join("tidelog.db")).expect("a database");
    assert!(!stored.windows(token.len()).any(|window| window == token.as_bytes()));
}

#[test]
fn a_token_ends_with_its_days() {
    let server = ManualClockServer::start(&[]);
    let create =
        Command::Token(TokenCommand::Create { scope: "admin".into(), app: Some("dev".into()), days: 7 });
    let created = server.command(create);
    let app = text(&server.command(Command::App(AppCommand::Show { app: "dev".into() }))["app_id"]);
    let backend = server.anonymous().with_token(&text(&created["token"]));
    server.advance_hours(7 * HOURS_PER_DAY - 1);
    let pair = backend.post(&sessions_of(&app), &external("ada")).ok();
    server.advance_hours(2);
    backend.post(&sessions_of(&app), &external("ada")).expect_error(401, "unauthenticated");
    assert_eq!(server.command(Command::Token(TokenCommand::List)), json!([]));
    server.anonymous().with_token(&text(&pair["token"])).get("/api/sync/status").ok();
}

#[test]
fn commands_that_name_what_is_not_there_say_so() {
    let server = Server::start();
    server.new_app("Notes");
    let cli = server.cli();
    for arguments in [
        &["token", "create", "--scope", "root"][..],
        &["token", "create", "--scope", "ota"],
        &["token", "create", "--scope", "admin", "--app", "Nothing"],
        &["token", "create", "--scope", "admin", "--days", "0"],
        &["token", "create", "--scope", "admin", "--days", "3651"],
        &["token", "revoke", "0198f4a2-7c11-7d3e-9a55-0d6c3b1f2a01"],
        &["issuer", "list", "Nothing"],
        &["issuer", "remove", "Notes", "https://id.example.org"],
        &[
            "issuer",
            "add",
            "Nothing",
            "https://id.example.org",
            "--audience",
            "a",
            "--jwks-url",
            "https://a/",
        ],
        &[
            "issuer",
            "add",
            "Notes",
            "https://id.example.org",
            "--audience",
            "a b",
            "--jwks-url",
            "https://a/",
        ],
        &["issuer", "add", "Notes", "https://id.example.org", "--audience", "a", "--jwks-url", "http://a/"],
        &["issuer", "add", "Notes", "http://127.0.0.1:9", "--audience", "a"],
        &["issuer", "add", "Notes", "https://id.example.org", "--audience", "a", "--jwks-file", "/nowhere"],
        &["issuer", "add", "Notes", "https://id.example.org", "--audience", "a", "--jwks-file", "/dev/null"],
    ] {
        cli.run(arguments).expect_refusal();
    }
    assert_eq!(cli.run(&["issuer", "list", "Notes"]).json(), json!([]));
    assert_eq!(cli.run(&["token", "list"]).json(), json!([]));
}

#[test]
fn the_audit_log_tells_of_tokens_issuers_and_users_of_other_systems() {
    let server = Server::start();
    let app = server.new_app("Notes");
    let cli = server.cli();
    let created = cli.run(&["token", "create", "--scope", "admin"]).json();
    let backend = server.bearer(&text(&created["token"]));
    backend.post(&sessions_of(&app.id), &external("ada")).ok();
    let issuer = "https://id.example.org";
    cli.run(&["issuer", "add", "Notes", issuer, "--audience", "a", "--jwks-url", "https://id.example.org/k"])
        .json();
    cli.run(&["issuer", "remove", "Notes", issuer]).json();
    cli.run(&["token", "revoke", &text(&created["token_id"])]).json();
    let rows = cli.run(&["audit"]).json();
    let actions: Vec<_> = rows.as_array().expect("a list").iter().map(|row| text(&row["action"])).collect();
    let expected =
        ["token_revoked", "app_set", "app_set", "signed_in", "user_created", "token_created", "app_created"];
    assert_eq!(actions, expected);
    assert!(!rows.to_string().contains(&text(&created["token"])));
}
