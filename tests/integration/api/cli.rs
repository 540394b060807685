//! The command line: commands print the same whether a server is running or not.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use tidelog_test_kit::{Cli, ManualClockServer, PASSWORD, Server, claims_of, text};

/// Runs a test next to a running server, and again on a data folder that no server uses.
fn with_and_without_server(test: impl Fn(&Cli)) {
    let mut server = Server::start();
    test(&server.cli());
    server.stop();
    let alone = tempfile::tempdir().expect("a temporary folder");
    test(&Cli::new(&alone.path().join("data")));
}

fn create_user(cli: &Cli, email: &str) -> String {
    text(&cli.run_with_input(&["user", "create", email, "--password-stdin"], PASSWORD).json()["user_id"])
}

fn only_item(list: &Value) -> Value {
    let list = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    assert_eq!(list.len(), 1, "{list:?}");
    list[0].clone()
}

#[test]
fn an_app_is_created_listed_shown_and_set_and_its_key_is_shown_once() {
    with_and_without_server(|cli| {
        let created = cli.run(&["app", "create", "Notes"]).json();
        let (id, key) = (text(&created["app_id"]), text(&created["api_key"]));
        let listed = only_item(&cli.run(&["app", "list"]).json());
        assert_eq!((&listed["app_id"], &listed["name"]), (&json!(id), &json!("Notes")));
        let shown = cli.run(&["app", "show", "Notes"]).json();
        assert_eq!((&shown["app_id"], &shown["cursor_format"]), (&json!(id), &json!("string")));
        assert_eq!(cli.run(&["app", "show", &id]).json(), shown, "an app id is accepted as well");
        let rotated = text(&cli.run(&["app", "rotate-key", "Notes"]).json()["api_key"]);
        assert_ne!(rotated, key);
        assert_eq!(shown["blob_hash"], "any");
        cli.run(&["app", "set", "Notes", "cursor_format=number", "blob_hash=verified"]).json();
        let shown = cli.run(&["app", "show", "Notes"]).json();
        assert_eq!((&shown["cursor_format"], &shown["blob_hash"]), (&json!("number"), &json!("verified")));
        for secret in [key, rotated] {
            assert!(!shown.to_string().contains(&secret) && !listed.to_string().contains(&secret));
        }
    });
}

#[test]
fn a_user_is_created_listed_disabled_enabled_reset_and_deleted() {
    with_and_without_server(|cli| {
        let id = create_user(cli, "Ada@Example.org");
        let listed = || only_item(&cli.run(&["user", "list"]).json());
        assert_eq!((&listed()["user_id"], &listed()["email"]), (&json!(id), &json!("ada@example.org")));
        assert_eq!(listed()["disabled_at"], Value::Null);
        cli.run(&["user", "disable", "ADA@example.org"]).json();
        assert!(listed()["disabled_at"].is_string());
        cli.run(&["user", "enable", "ada@example.org"]).json();
        assert_eq!(listed()["disabled_at"], Value::Null);
        let reset = ["user", "reset-password", "ada@example.org", "--password-stdin"];
        cli.run_with_input(&reset, "another good password\n").json();
        cli.run(&["user", "delete", "ada@example.org"]).json();
        assert_eq!(cli.run(&["user", "list"]).json(), json!([]));
    });
}

#[test]
fn a_flag_creates_an_administrator() {
    with_and_without_server(|cli| {
        let create = ["user", "create", "root@example.org", "--password-stdin", "--admin"];
        cli.run_with_input(&create, PASSWORD).json();
        assert_eq!(only_item(&cli.run(&["user", "list"]).json())["admin"], true);
    });
}

#[test]
fn devices_and_sessions_are_listed_and_revoked_with_and_without_a_running_server() {
    let mut server = Server::start();
    let me = server.signed_in_caller();
    let session = text(&claims_of(me.token())["sid"]);
    let devices = [me.device("Laptop"), me.device("Phone")];
    let listed = |server: &Server, noun: &str| server.cli().run(&[noun, "list"]).json();
    let beside = [listed(&server, "device"), listed(&server, "session")];
    assert_eq!(beside[0].as_array().map(Vec::len), Some(2));
    assert_eq!(only_item(&beside[1])["session_id"], json!(session));
    for device in &devices {
        assert!(beside[0].to_string().contains(device));
    }
    server.stop();
    assert_eq!(
        [listed(&server, "device"), listed(&server, "session")],
        beside,
        "the same result without a server"
    );
    server.cli().run(&["device", "revoke", &devices[0]]).json();
    assert_eq!(only_item(&listed(&server, "device"))["device_name"], "Phone");
    assert_eq!(listed(&server, "session"), json!([]), "its session went with it");
    server.start_again();
    me.get("/api/sync/status").expect_error(401, "unauthenticated");
    server.cli().run(&["device", "revoke", &devices[1]]).json();
    assert_eq!(listed(&server, "device"), json!([]));
}

#[test]
fn a_command_reports_failures_on_standard_error() {
    with_and_without_server(|cli| {
        cli.run(&["app", "create", "Notes"]).json();
        create_user(cli, "ada@example.org");
        let anonymous = "0190a0a0-0000-7000-8000-000000000000";
        let refused: [&[&str]; 17] = [
            &["app", "set", "Notes", "blob_hash=some"],
            &["app", "create", "Notes"],
            &["app", "create", ""],
            &["app", "create", &"n".repeat(101)],
            &["app", "show", "Absent"],
            &["app", "rotate-key", "Absent"],
            &["app", "set", "Notes", "cursor_format=roman"],
            &["app", "set", "Notes", "colour=red"],
            &["app", "set", "Absent", "cursor_format=number"],
            &["user", "disable", "nobody@example.org"],
            &["user", "enable", "nobody@example.org"],
            &["user", "delete", "nobody@example.org"],
            &["device", "revoke", anonymous],
            &["device", "revoke", "no-uuid"],
            &["session", "revoke", anonymous],
            &["nonsense"],
            &["app"],
        ];
        for command in refused {
            cli.run(command).expect_refusal();
        }
        let create = |email: &str, password: &str| {
            cli.run_with_input(&["user", "create", email, "--password-stdin"], password).expect_refusal()
        };
        create("ADA@example.org", PASSWORD);
        create("no address", PASSWORD);
        create("bob@example.org", "short");
        create("bob@example.org", "");
        let complaint = create("bob@example.org", &"secret".repeat(30));
        assert!(!complaint.contains("secret"), "an error repeats the password");
        assert_eq!(cli.run(&["user", "list"]).json().as_array().map(Vec::len), Some(1));
        assert_eq!(cli.run(&["app", "list"]).json().as_array().map(Vec::len), Some(1));
    });
}

#[test]
fn lists_are_readable_without_json() {
    with_and_without_server(|cli| {
        cli.run(&["app", "create", "Notes"]).json();
        create_user(cli, "ada@example.org");
        assert!(cli.run_plain(&["app", "list"]).text().contains("Notes"));
        assert!(cli.run_plain(&["app", "show", "Notes"]).text().contains("cursor_format"));
        assert!(cli.run_plain(&["user", "list"]).text().contains("ada@example.org"));
        cli.run_plain(&["device", "list"]).text();
        cli.run_plain(&["session", "list"]).text();
        cli.run_plain(&["check"]).text();
        cli.run_plain(&["config"]).text();
    });
}

#[test]
fn check_passes_on_an_intact_database_and_fails_on_a_damaged_one() {
    let mut server = Server::start();
    let me = server.signed_in_caller();
    me.push(&me.device("Laptop"), tidelog_test_kit::changes("row", 500));
    server.cli().run(&["check"]).json();
    server.stop();
    server.cli().run(&["check"]).json();
    let file = server.data().join("tidelog.db");
    let mut bytes = std::fs::read(&file).expect("the database is a file");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0x5a);
    std::fs::write(&file, bytes).expect("the database can be damaged");
    server.cli().run(&["check"]).expect_failure();
}

#[test]
fn the_openapi_command_prints_the_document_that_the_server_serves() {
    let server = Server::start();
    let printed = server.cli().run(&["openapi"]).json();
    assert_eq!(printed, server.anonymous().get("/api/openapi.json").ok());
    assert!(text(&printed["openapi"]).starts_with("3.1"));
}

#[test]
fn every_setting_is_shown_with_its_origin() {
    let cli = Cli::new(&tempfile::tempdir().expect("a temporary folder").path().join("data"));
    let settings = cli.run(&["config"]).json().to_string();
    assert!(settings.contains("default"), "{settings}");
    assert!(settings.contains("body"), "the cap on bodies is a setting: {settings}");
}

#[test]
fn healthcheck_tells_a_running_server_from_a_stopped_one() {
    let mut server = Server::start();
    let url = server.url();
    assert_eq!(server.cli().run(&["healthcheck"]).json()["url"], json!(url));
    server.cli().run(&["healthcheck", "--url", &url]).json();
    server.stop();
    server.cli().run(&["healthcheck"]).expect_refusal();
    server.cli().run(&["healthcheck", "--url", &url]).expect_refusal();
}

#[test]
fn healthcheck_asks_a_server_on_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cli = Cli::new(&folder.path().join("data"));
    let url = format!("unix:{}", folder.path().join("socket").display());
    cli.run(&["healthcheck", "--url", &url]).expect_refusal();
    let _server = ManualClockServer::start(&[("listen", &url)]);
    assert_eq!(cli.run(&["healthcheck", "--url", &url]).json()["url"], json!(url));
}

#[test]
fn healthcheck_gives_up_on_a_response_without_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = String::new();
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle"));
        while lines.read_line(&mut request).expect("a request") > 2 {}
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").expect("a head");
        while stream.write_all(&[b'x'; 1024]).is_ok() {}
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refusal = Cli::new(&folder.path().join("data")).run(&["healthcheck", "--url", &url]).expect_refusal();
    assert!(refusal.contains("longer than"), "{refusal}");
    answering.join().expect("it ends with the connection");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    server.cli().run(&["serve", "--listen", "127.0.0.1:0"]).expect_refusal();
    server.anonymous().get("/health").ok();
}
