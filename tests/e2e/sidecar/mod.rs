//! Runs `examples/sidecar`: a web app with its own users, the real server next to it, and a program on two devices.

mod fixture;

use crate::issuer::Issuer;
use fixture::Fixture;
use serde_json::json;
use tidelog_client::{MemoryStore, SyncKitClient, SyncKitConfig, SyncKitError};
use tidelog_test_kit::{Server, text};

#[test]
fn users_of_a_web_app_sync_without_a_second_account() {
    let fixture = Fixture::new();
    fixture.sign_up("ada", "a password for ada");
    fixture.sign_up("bob", "a password for bob");
    let (laptop, phone) = (["--device", "Laptop"], ["--device", "Phone"]);
    fixture.program("ada", &laptop).arg("https://example.org/ada").expect_output("");
    fixture.program("ada", &phone).arg("https://example.org/more").expect_output("");
    let both = "https://example.org/ada\nhttps://example.org/more\n";
    fixture.program("ada", &phone).expect_output(both);
    fixture.program("ada", &laptop).expect_output(both);
    fixture.program("bob", &laptop).expect_output("");

    let users = fixture.server.cli().run(&["user", "list"]).json();
    assert_eq!(users.as_array().map(Vec::len), Some(2), "{users}");
    assert!(users.as_array().expect("a list").iter().all(|user| user["email"].is_null()));
    fixture.assert_nothing_shows("example.org");
}

#[test]
fn a_user_who_is_not_signed_in_or_was_disabled_gets_no_tokens() {
    let fixture = Fixture::new();
    fixture.sign_up("ada", "a password for ada");
    assert_eq!(fixture.post("/sync", "", None).0, 403);
    assert_eq!(fixture.post("/sync", "", Some("bookmarks=guessed")).0, 403);
    assert!(fixture.program("mallory", &[]).expect_failure().contains("Wrong name or password"));
    fixture.program("ada", &[]).expect_output("");

    let users = fixture.server.cli().run(&["user", "list"]).json();
    fixture.server.cli().run(&["user", "disable", &text(&users[0]["user_id"])]).json();
    assert!(fixture.program("ada", &[]).expect_failure().contains("sync is not available"));
}

#[test]
fn the_web_app_keeps_working_without_its_sidecar() {
    let mut fixture = Fixture::new();
    fixture.sign_up("ada", "a password for ada");
    fixture.server.stop();
    assert_eq!(fixture.sign_in("ada", "a password for ada").0, 303);
    assert!(fixture.program("ada", &[]).expect_failure().contains("sync is not available"));
}

#[tokio::test]
async fn a_token_of_an_existing_sign_in_is_all_a_program_needs() {
    let (server, issuer) = tokio::task::spawn_blocking(|| (Server::start(), Issuer::with_keys(&["OKP"])))
        .await
        .expect("both start");
    let app = server.new_app("Notes");
    server.cli().run(&["issuer", "add", "Notes", issuer.url(), "--audience", "notes"]).json();
    let config = SyncKitConfig { server_url: server.url(), api_key: app.api_key };
    let client = SyncKitClient::builder(config).key_store(MemoryStore::new()).build();
    let now = chrono::Utc::now().timestamp();
    let sign = |audience: &str| {
        let claims =
            json!({"iss": issuer.url(), "aud": audience, "sub": "ada", "iat": now, "exp": now + 300});
        issuer.sign("OKP", &json!({"alg": "EdDSA", "kid": "OKP", "typ": "JWT"}), &claims)
    };
    let refused = client.authenticate_with_assertion(&sign("another-app")).await;
    assert!(matches!(refused, Err(SyncKitError::CodeRefused)), "{refused:?}");
    let (user, _) = client.authenticate_with_assertion(&sign("notes")).await.expect("a session");
    assert_eq!(client.session_info().expect("it is signed in").user_id, user);
    assert_eq!(client.status().await.expect("an answer").total_changes, 0);
}
