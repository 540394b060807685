//! Which subscribers receive which events.

use super::*;
use tidelog_test_kit::{StreamEvent, StreamItem};

#[test]
fn the_other_device_receives_the_newest_cursor_after_a_push() {
    let fixture = Fixture::new();
    let mut phone = fixture.phone.listen();
    let first = fixture.laptop.push("one");
    assert_eq!(phone.expect_changed(), first);
    let second = fixture.laptop.push("two");
    assert_eq!(phone.expect_changed(), second);
    let page = json!({"device_id": fixture.phone.device, "cursor": first});
    let page = fixture.phone.caller.post("/api/sync/pull", &page).ok();
    assert_eq!(
        (page["changes"][0]["row_id"].as_str(), page["cursor"].as_str()),
        (Some("two"), Some(&*second))
    );
}

#[test]
fn a_device_is_not_notified_of_its_own_pushes() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let mut of_device = fixture.laptop.listen();
    let mut of_session = fixture.laptop.listen_without_device();
    let mut phone = fixture.phone.listen();
    for row in ["one", "two", "three"] {
        fixture.laptop.push(row);
        phone.expect_changed();
    }
    // When the phone has received its event, all other subscribers have received theirs.
    fixture.laptop.rotate();
    of_device.expect_keys();
    of_session.expect_keys();
}

#[test]
fn a_push_by_another_session_of_a_device_notifies_only_streams_that_do_not_name_it() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let mut naming = fixture.laptop.listen();
    let mut nameless = fixture.laptop.listen_without_device();
    let again = Installation::new(&fixture.server, &fixture.user, &fixture.app, "Laptop");
    assert_eq!(again.device, fixture.laptop.device);
    let pushed = again.push("by another session");
    assert_eq!(nameless.expect_changed(), pushed);
    fixture.laptop.rotate();
    naming.expect_keys();
}

#[test]
fn a_session_is_not_notified_of_its_pushes_for_another_device() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let mut laptop = fixture.laptop.listen();
    let mut phone = fixture.phone.listen();
    let second = fixture.laptop.caller.device("Second");
    fixture.laptop.caller.push(&second, vec![change("by the same program")]);
    phone.expect_changed();
    fixture.laptop.rotate();
    laptop.expect_keys();
}

#[test]
fn an_app_with_integer_cursors_receives_integers() {
    let server = Server::start();
    let (app, user) = (server.new_number_app("Numbers"), server.new_user("ada@example.org"));
    let laptop = Installation::new(&server, &user, &app, "Laptop");
    let phone = Installation::new(&server, &user, &app, "Phone");
    let mut hears = phone.listen();
    laptop.push("one");
    let id = hears.expect_changed();
    assert_eq!(id.parse(), Ok(2));
    laptop.push("two");
    assert_eq!(phone.listen_from(&id).expect_changed(), "3");
    assert_eq!(phone.caller.reopen_stream(&phone.path, &id).expect_changed(), "3");
}

#[test]
fn every_step_of_a_rotation_notifies_all_devices() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let mut streams =
        [fixture.laptop.listen(), fixture.phone.listen(), fixture.phone.listen_without_device()];
    let mut all_hear = || streams.iter_mut().for_each(|stream| stream.expect_keys());
    fixture.laptop.rotate();
    all_hear();
    fixture.laptop.cancel_rotation();
    all_hear();
    fixture.laptop.rotate();
    all_hear();
    fixture.laptop.caller.call(reqwest::Method::POST, "/api/sync/keys/rotate/complete", None).ok();
    all_hear();
    fixture.server.cli().run(&["rotation", "undo", &fixture.user.email, "--app", "Notes"]).json();
    all_hear();
}

#[test]
fn a_push_that_is_not_stored_sends_no_event() {
    let fixture = Fixture::new();
    fixture.laptop.set_key();
    let mut phone = fixture.phone.listen();
    let batch =
        json!({"device_id": fixture.laptop.device, "batch_id": fresh_id(), "changes": [change("one")]});
    fixture.laptop.caller.post("/api/sync/push", &batch).ok();
    phone.expect_changed();
    let repeat = fixture.laptop.caller.post("/api/sync/push", &batch);
    repeat.ok();
    let mut invalid = batch.clone();
    invalid["batch_id"] = json!(fresh_id());
    invalid["changes"][0]["table"] = json!("no table");
    fixture.laptop.caller.post("/api/sync/push", &invalid).expect_error(422, "invalid_change");
    let mut moved = batch;
    moved["batch_id"] = json!(fresh_id());
    fixture.phone.push("meanwhile");
    moved["expected_cursor"] = json!("0");
    fixture.laptop.caller.post("/api/sync/push", &moved).expect_error(409, "log_moved");
    fixture.laptop.rotate();
    phone.expect_keys();
}

#[test]
fn no_stream_receives_events_of_another_user_or_app() {
    let fixture = Fixture::new();
    let elsewhere = fixture.server.new_app("Tasks");
    let bob = fixture.server.new_user("bob@example.org");
    let strangers = [
        Installation::new(&fixture.server, &bob, &fixture.app, "Laptop"),
        Installation::new(&fixture.server, &fixture.user, &elsewhere, "Laptop"),
    ];
    let mut streams: Vec<_> = strangers.iter().map(Installation::listen_without_device).collect();
    let mut phone = fixture.phone.listen();
    fixture.laptop.push("canary");
    phone.expect_changed();
    for (stranger, stream) in strangers.iter().zip(&mut streams) {
        stranger.set_key();
        stranger.rotate();
        stream.expect_keys();
    }
}

#[test]
fn both_api_prefixes_serve_event_streams() {
    let fixture = Fixture::new();
    let versioned = fixture.phone.path.replace("/api/sync", "/api/v1/sync");
    let mut phone = fixture.phone.caller.open_stream(&versioned);
    assert_eq!(fixture.laptop.push("one"), phone.expect_changed());
}

#[test]
fn an_http_1_0_proxy_receives_events_without_chunks() {
    let fixture = Fixture::new();
    let mut phone = fixture.phone.caller.open_http_1_0_stream(&fixture.phone.path);
    assert_eq!(phone.headers.get("transfer-encoding"), None);
    assert_eq!(phone.headers.get("content-length"), None);
    assert_eq!(fixture.laptop.push("one"), phone.expect_changed());
}

#[test]
fn a_stream_carries_headers_for_proxies_and_browsers() {
    let fixture = Fixture::new();
    let mut phone = fixture.phone.listen();
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(phone.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(phone.next_item(), Some(StreamItem::Retry(3000)));
    assert_eq!(
        phone.next_item(),
        Some(StreamItem::Comment("heartbeat".into())),
        "at once: nothing delays it"
    );
}

#[test]
fn an_idle_stream_sends_heartbeats() {
    let fixture = Fixture::with("TIDELOG_NOTIFICATIONS_HEARTBEAT_SECONDS", "1");
    let mut phone = fixture.phone.listen();
    assert_eq!(phone.next_item(), Some(StreamItem::Retry(3000)));
    for _ in 0..3 {
        assert_eq!(phone.next_item(), Some(StreamItem::Comment("heartbeat".into())));
    }
    let id = Some(fixture.laptop.push("one"));
    let expected = StreamEvent { event: "changed".into(), id, data: "{}".into() };
    let after_beats = std::iter::repeat_with(|| phone.next_item())
        .find(|item| *item != Some(StreamItem::Comment("heartbeat".into())));
    assert_eq!(after_beats, Some(Some(StreamItem::Event(expected))));
}
