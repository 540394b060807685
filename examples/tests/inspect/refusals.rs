//! Errors: a sentence on standard error, nothing on standard output, and no side effects.

use crate::inspect::fixture::{CommandOutput, Fixture, PASSPHRASE};

fn assert_refused(output: &CommandOutput, sentence: &str) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{}", output.stderr);
    assert!(output.stderr.contains(sentence), "{}", output.stderr);
}

#[tokio::test]
async fn a_wrong_password_or_passphrase_is_reported_as_such() {
    let (fixture, _) = Fixture::lived_in().await;
    let output = fixture.inspector().with("TIDELOG_PASSWORD", "guessed").run(&["tables"]);
    assert_refused(&output, "wrong email, password or API key");
    let output = fixture.inspector().with("TIDELOG_PASSPHRASE", "guessed").run(&["tables"]);
    assert_refused(&output, "wrong passphrase");
    let output = fixture.inspector().with("TIDELOG_PASSPHRASE", "").run(&["tables"]);
    assert_refused(&output, "the passphrase is empty");
}

#[tokio::test]
async fn a_user_without_a_key_gets_an_error_and_no_key() {
    let fixture = Fixture::empty().await;
    assert_refused(&fixture.inspector().run(&["tables"]), "no key on the server");
    assert_eq!(fixture.inspector().json(&["status"])["status"]["key_version"], 0);
}

#[tokio::test]
async fn without_a_terminal_a_missing_secret_is_named_by_its_variable() {
    let fixture = Fixture::empty().await;
    assert_refused(&fixture.inspector().without("TIDELOG_PASSWORD").run(&["tables"]), "set TIDELOG_PASSWORD");
    assert_refused(
        &fixture.inspector().without("TIDELOG_PASSPHRASE").run(&["tables"]),
        "set TIDELOG_PASSPHRASE",
    );
}

#[tokio::test]
async fn an_unreachable_server_is_reported() {
    let fixture = Fixture::empty().await;
    let anonymous = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    assert_refused(&fixture.inspector_at(&anonymous).run(&["status"]), "the server cannot be reached");
}

#[tokio::test]
async fn an_unknown_table_or_row_is_reported_with_the_known_tables() {
    let (fixture, _) = Fixture::lived_in().await;
    assert_refused(&fixture.inspector().run(&["rows", "task"]), "its tables: notes, tasks");
    assert_refused(&fixture.inspector().run(&["history", "tasks", "7"]), "no entry for row \"7\"");
}

#[tokio::test]
async fn an_invalid_command_line_exits_with_1() {
    let fixture = Fixture::empty().await;
    assert_refused(&fixture.inspector().run(&["frobnicate"]), "unrecognized subcommand");
}

#[tokio::test]
async fn no_secret_is_ever_printed() {
    let (fixture, _) = Fixture::lived_in().await;
    for arguments in [&[] as &[&str], &["--json"], &["rows", "none"]] {
        let CommandOutput { stdout, stderr, .. } = fixture.inspector().run(arguments);
        for secret in [fixture.server.password(), PASSPHRASE, fixture.server.api_key()] {
            assert!(!stdout.contains(secret) && !stderr.contains(secret), "{arguments:?}");
        }
    }
}
