//! Devices: registration, reinstallation and removal.

use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Server, change, fresh_id};

const DEVICES: &str = "/api/sync/devices";

fn register(caller: &Caller, name: &str, install: Option<&str>, status: u16) -> Value {
    let mut body = json!({"device_name": name, "platform": "linux"});
    if let Some(install) = install {
        body["install_id"] = json!(install);
    }
    caller.post(DEVICES, &body).expect(status)
}

#[test]
fn registering_a_name_again_updates_the_platform() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let me = server.sign_in(&user, &app);
    let new = register(&me, "Laptop", None, 201);
    assert_eq!((&new["user_id"], &new["app_id"]), (&json!(user.id), &json!(app.id)));
    assert_eq!((&new["device_name"], &new["platform"]), (&json!("Laptop"), &json!("linux")));
    let again = me.post(DEVICES, &json!({"device_name": "Laptop", "platform": "macos"})).expect(200);
    assert_eq!((&again["id"], &again["created_at"]), (&new["id"], &new["created_at"]));
    assert_eq!(again["platform"], "macos");
    assert_eq!(me.get(DEVICES).ok(), json!([again]));
}

#[test]
fn two_installations_with_one_name_are_two_devices() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let (one, two) = (fresh_id(), fresh_id());
    let first = register(&me, "Phone", Some(&one), 201);
    let second = register(&me, "Phone", Some(&two), 201);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["device_name"], "Phone");
    assert_ne!(second["device_name"], first["device_name"]);
    assert!(second["device_name"].as_str().is_some_and(|name| name.starts_with("Phone")), "{second}");
    assert_eq!(register(&me, "Phone", Some(&one), 200)["id"], first["id"]);
    assert_eq!(register(&me, "Phone", Some(&two), 200)["id"], second["id"]);
    let third = register(&me, "Phone", Some(&fresh_id()), 201);
    assert_ne!(third["device_name"], second["device_name"]);
    assert_eq!(me.get(DEVICES).ok().as_array().map(Vec::len), Some(3));
}

#[test]
fn the_longest_name_can_still_get_a_suffix() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let longest = "ü".repeat(255);
    register(&me, &longest, Some(&fresh_id()), 201);
    let second = register(&me, &longest, Some(&fresh_id()), 201);
    assert!(second["device_name"].as_str().is_some_and(|name| name.chars().count() <= 255));
}

#[test]
fn every_documented_platform_is_accepted() {
    let server = Server::start();
    let me = server.signed_in_caller();
    for platform in ["macos", "windows", "linux", "ios", "android", "web"] {
        let body = json!({"device_name": platform, "platform": platform});
        assert_eq!(me.post(DEVICES, &body).expect(201)["platform"], platform);
    }
}

#[test]
fn an_invalid_registration_names_the_field_and_creates_nothing() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let faults = [
        ("device_name", json!("")),
        ("device_name", json!("n".repeat(256))),
        ("device_name", json!("tab\there")),
        ("device_name", json!("nul\u{0}")),
        ("device_name", json!(7)),
        ("device_name", Value::Null),
        ("platform", json!("beos")),
        ("platform", json!("Linux")),
        ("platform", json!("")),
        ("platform", json!(["linux"])),
        ("install_id", json!("not a uuid")),
        ("install_id", json!(1)),
    ];
    for (field, value) in faults {
        let mut body = json!({"device_name": "Laptop", "platform": "linux"});
        body[field] = value;
        let refusal = me.post(DEVICES, &body).expect_error(422, "invalid_field");
        assert_eq!(refusal["field"], json!(field));
    }
    assert_eq!(me.get(DEVICES).ok(), json!([]));
}

#[test]
fn a_removed_device_is_refused_and_its_name_registers_a_new_one() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let (using, removing) = (server.sign_in(&user, &app), server.sign_in(&user, &app));
    let old = using.device("Laptop");
    using.push(&old, vec![change("kept")]);
    removing.delete(&format!("{DEVICES}/{old}")).expect(204);
    assert_eq!(removing.get(DEVICES).ok(), json!([]));

    let batch = json!({"device_id": old, "batch_id": fresh_id(), "changes": [change("late")]});
    removing.post("/api/sync/push", &batch).expect_error(403, "device_revoked");
    removing.post("/api/sync/pull", &json!({"device_id": old})).expect_error(403, "device_revoked");
    removing.delete(&format!("{DEVICES}/{old}")).expect_error(404, "not_found");

    let new = register(&removing, "Laptop", None, 201)["id"].as_str().expect("an id").to_owned();
    assert_ne!(new, old);
    let kept = removing.pull_everything(&new);
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0]["row_id"], &kept[0]["device_id"]), (&json!("kept"), &json!(old)));
}

#[test]
fn an_invalid_device_id_is_not_found() {
    let server = Server::start();
    let me = server.signed_in_caller();
    for id in [fresh_id(), "1".into(), "not-a-uuid".into(), "%00".into(), "x".repeat(300)] {
        me.delete(&format!("{DEVICES}/{id}")).expect_error(404, "not_found");
    }
}

#[test]
fn registering_one_name_concurrently_creates_one_device() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| me.device("Laptop"))).collect();
        threads.into_iter().map(|thread| thread.join().expect("an id")).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(me.get(DEVICES).ok().as_array().map(Vec::len), Some(1));
}
