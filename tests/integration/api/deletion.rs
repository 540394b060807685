//! What is deleted is gone: all that a user has in one app, by the app's own token, or the whole account.

use serde_json::{Value, json};
use tidelog::server::commands::{Command, UserCommand};

use tidelog_test_kit::{App, Caller, ClockedServer, Server, User, change, changes};

const DATA: &str = "/api/sync/data";
const STATUS: &str = "/api/sync/status";

/// A user with something of everything in an app.
fn fill(me: &Caller) -> String {
    me.put("/api/sync/keys", &json!({"encrypted_key": "c2VhbGVk"})).ok();
    let device = me.device("Laptop");
    me.push(&device, changes("row", 500));
    me.push(&device, vec![change("last")]);
    me.put_blob(b"a blob");
    me.post("/api/sync/keys/rotate/begin", &json!({"new_encrypted_key": "YW5vdGhlcg=="})).ok();
    device
}

struct Scene {
    server: Server,
    notes: App,
    photos: App,
    user: User,
}

impl Scene {
    fn set() -> Self {
        let server = Server::start();
        let (notes, photos) = (server.new_app("Notes"), server.new_app("Photos"));
        let user = server.new_user("ada@example.org");
        Self { server, notes, photos, user }
    }
}

#[test]
fn deleting_a_users_data_in_an_app_keeps_their_other_apps() {
    let scene = Scene::set();
    let (me, again) =
        (scene.server.sign_in(&scene.user, &scene.notes), scene.server.sign_in(&scene.user, &scene.notes));
    let elsewhere = scene.server.sign_in(&scene.user, &scene.photos);
    let device = fill(&me);
    let photos = fill(&elsewhere);
    let stranger = scene.server.sign_in(&scene.server.new_user("bob@example.org"), &scene.notes);
    fill(&stranger);

    me.delete(DATA).expect(204);
    for gone in [&me, &again] {
        gone.get(STATUS).refused(401, "unauthenticated");
        gone.delete(DATA).refused(401, "unauthenticated");
    }
    let me = scene.server.sign_in(&scene.user, &scene.notes);
    let status = me.get(STATUS).ok();
    assert_eq!(
        (&status["total_changes"], &status["blob_bytes"], &status["devices"]),
        (&json!(0), &json!(0), &json!(0))
    );
    me.get("/api/sync/keys").refused(404, "not_found");
    assert_eq!(me.get("/api/sync/devices").ok(), json!([]));
    me.post("/api/sync/pull", &json!({"device_id": device})).refused(404, "not_found");
    let new = me.device("Laptop");
    me.push(&new, vec![change("a new beginning")]);
    assert_eq!(me.pull_everything(&new).len(), 1);

    assert_eq!(elsewhere.pull_everything(&photos).len(), 501);
    assert_eq!(stranger.get(STATUS).ok()["total_changes"], 501);
    assert_eq!(scene.server.cli().run(&["user", "list"]).json().as_array().map(Vec::len), Some(2));
    let told = scene.server.cli().run(&["audit", "--user", "ada@example.org"]).json();
    assert!(told.as_array().expect("rows").iter().any(|row| row["action"] == "data_deleted"), "{told}");
    assert_eq!(scene.server.cli().run(&["check"]).json()["faults"], json!([]));
}

#[test]
fn the_next_sweep_removes_the_objects_of_deleted_data() {
    let server = ClockedServer::start(&[]);
    let me = server.somebody();
    fill(&me);
    me.upload_url(&"0".repeat(64), 5);
    assert_eq!(server.objects().len(), 1);
    me.delete(DATA).expect(204);
    server.sweep();
    assert_eq!(server.objects(), [""; 0]);
    let me = server.somebody();
    fill(&me);
    server.command(Command::User(UserCommand::Delete { email: server.email().into() }));
    server.sweep();
    assert_eq!(server.objects(), [""; 0]);
    server.assert_whole();
    assert_eq!(server.command(Command::User(UserCommand::List)), Value::Array(Vec::new()));
}
