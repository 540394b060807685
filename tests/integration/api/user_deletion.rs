//! Deletion of a user's data in one app, with the app's own token, and of the whole account.

use serde_json::{Value, json};
use tidelog::server::commands::{Command, UserCommand};

use tidelog_test_kit::{App, Caller, ManualClockServer, Server, User, change, changes};

const DATA: &str = "/api/sync/data";
const STATUS: &str = "/api/sync/status";

/// A user who has data of every kind in an app.
fn fill(me: &Caller) -> String {
    me.put("/api/sync/keys", &json!({"encrypted_key": "c2VhbGVk"})).ok();
    let device = me.device("Laptop");
    me.push(&device, changes("row", 500));
    me.push(&device, vec![change("last")]);
    me.put_blob(b"a blob");
    me.post("/api/sync/keys/rotate/begin", &json!({"new_encrypted_key": "YW5vdGhlcg=="})).ok();
    device
}

struct Fixture {
    server: Server,
    notes: App,
    photos: App,
    user: User,
}

impl Fixture {
    fn new() -> Self {
        let server = Server::start();
        let (notes, photos) = (server.new_app("Notes"), server.new_app("Photos"));
        let user = server.new_user("ada@example.org");
        Self { server, notes, photos, user }
    }
}

#[test]
fn deleting_a_users_data_in_an_app_keeps_their_other_apps() {
    let fixture = Fixture::new();
    let (me, again) = (
        fixture.server.sign_in(&fixture.user, &fixture.notes),
        fixture.server.sign_in(&fixture.user, &fixture.notes),
    );
    let elsewhere = fixture.server.sign_in(&fixture.user, &fixture.photos);
    let device = fill(&me);
    let photos = fill(&elsewhere);
    let stranger = fixture.server.sign_in(&fixture.server.new_user("bob@example.org"), &fixture.notes);
    fill(&stranger);

    me.delete(DATA).expect(204);
    for gone in [&me, &again] {
        gone.get(STATUS).expect_error(401, "unauthenticated");
        gone.delete(DATA).expect_error(401, "unauthenticated");
    }
    let me = fixture.server.sign_in(&fixture.user, &fixture.notes);
    let status = me.get(STATUS).ok();
    assert_eq!(
        (&status["total_changes"], &status["blob_bytes"], &status["devices"]),
        (&json!(0), &json!(0), &json!(0))
    );
    me.get("/api/sync/keys").expect_error(404, "not_found");
    assert_eq!(me.get("/api/sync/devices").ok(), json!([]));
    me.post("/api/sync/pull", &json!({"device_id": device})).expect_error(404, "not_found");
    let new = me.device("Laptop");
    me.push(&new, vec![change("a new beginning")]);
    assert_eq!(me.pull_everything(&new).len(), 1);

    assert_eq!(elsewhere.pull_everything(&photos).len(), 501);
    assert_eq!(stranger.get(STATUS).ok()["total_changes"], 501);
    assert_eq!(fixture.server.cli().run(&["user", "list"]).json().as_array().map(Vec::len), Some(2));
    let audit_log = fixture.server.cli().run(&["audit", "--user", "ada@example.org"]).json();
    assert!(
        audit_log.as_array().expect("rows").iter().any(|row| row["action"] == "data_deleted"),
        "{audit_log}"
    );
    assert_eq!(fixture.server.cli().run(&["check"]).json()["faults"], json!([]));
}

#[test]
fn the_next_sweep_removes_the_objects_of_deleted_data() {
    let server = ManualClockServer::start(&[]);
    let me = server.signed_in_caller();
    fill(&me);
    me.upload_url(&"0".repeat(64), 5);
    assert_eq!(server.objects().len(), 1);
    me.delete(DATA).expect(204);
    server.sweep();
    assert_eq!(server.objects(), [""; 0]);
    let me = server.signed_in_caller();
    fill(&me);
    server.command(Command::User(UserCommand::Delete { email: server.email().into() }));
    server.sweep();
    assert_eq!(server.objects(), [""; 0]);
    server.assert_consistent();
    assert_eq!(server.command(Command::User(UserCommand::List)), Value::Array(Vec::new()));
}
