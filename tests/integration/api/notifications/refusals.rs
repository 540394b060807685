//! Requests for event streams that are refused.

use super::*;

#[test]
fn a_stream_is_for_the_app_of_its_token() {
    let fixture = Fixture::new();
    let me = &fixture.laptop.caller;
    let other = fixture.server.new_app("Tasks");
    for app in [other.id, fresh_id()] {
        me.get(&format!("{SUBSCRIBE}?app_id={app}")).expect_error(403, "wrong_app");
    }
}

#[test]
fn malformed_parameters_are_named() {
    let fixture = Fixture::new();
    let (me, app) = (&fixture.laptop.caller, &fixture.app.id);
    for (query, field) in [
        ("".to_owned(), "app_id"),
        ("?app_id=".into(), "app_id"),
        ("?app_id=notes".into(), "app_id"),
        (format!("?app_id={app}&device_id=laptop"), "device_id"),
        (format!("?app_id={app}&device_id="), "device_id"),
        (format!("?app_id={app}&cursor=-1"), "cursor"),
        (format!("?app_id={app}&cursor=12-"), "cursor"),
        (format!("?app_id={app}&cursor=%00"), "cursor"),
        (format!("?app_id={app}&app_id={app}"), "query"),
    ] {
        let refusal = me.get(&format!("{SUBSCRIBE}{query}")).expect_error(422, "invalid_field");
        assert_eq!(refusal["field"], field, "{query}");
    }
}

#[test]
fn an_invalid_last_event_id_is_named() {
    let fixture = Fixture::new();
    let url = format!("{}{}", fixture.server.url(), fixture.laptop.path);
    for id in ["yesterday", "é"] {
        let response = reqwest::blocking::Client::new()
            .get(&url)
            .bearer_auth(fixture.laptop.caller.token())
            .header("last-event-id", id)
            .send()
            .expect("a response");
        assert_eq!(response.status(), 422);
        let refusal: serde_json::Value = response.json().expect("JSON");
        assert_eq!((&refusal["code"], &refusal["field"]), (&json!("invalid_field"), &json!("Last-Event-ID")));
    }
}

#[test]
fn an_unknown_or_foreign_device_is_not_found() {
    let fixture = Fixture::new();
    let bob = fixture.server.new_user("bob@example.org");
    let foreign = Installation::new(&fixture.server, &bob, &fixture.app, "Laptop").device;
    let removed = fixture.server.sign_in(&fixture.user, &fixture.app).device("Old");
    fixture.laptop.caller.delete(&format!("/api/sync/devices/{removed}")).expect(204);
    let refuse = |device: &str| {
        let path = format!("{}&device_id={device}", fixture.laptop.path);
        fixture.laptop.caller.get(&path).expect_error(404, "not_found")
    };
    let unknown = refuse(&fresh_id());
    assert_eq!((refuse(&foreign), refuse(&removed)), (unknown.clone(), unknown));
}

#[test]
fn a_stream_requires_a_session() {
    let fixture = Fixture::new();
    for stranger in [fixture.server.anonymous(), fixture.server.bearer("garbage")] {
        stranger.get(&fixture.laptop.path).expect_error(401, "unauthenticated");
    }
}
