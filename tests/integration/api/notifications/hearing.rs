//! Who hears what.

use super::*;
use tidelog_test_kit::{Heard, Said};

#[test]
fn the_other_device_receives_the_newest_cursor_after_a_push() {
    let scene = Scene::set();
    let mut phone = scene.phone.listen();
    let first = scene.laptop.push("one");
    assert_eq!(phone.changed(), first);
    let second = scene.laptop.push("two");
    assert_eq!(phone.changed(), second);
    let page = json!({"device_id": scene.phone.device, "cursor": first});
    let page = scene.phone.caller.post("/api/sync/pull", &page).ok();
    assert_eq!(
        (page["changes"][0]["row_id"].as_str(), page["cursor"].as_str()),
        (Some("two"), Some(&*second))
    );
}

#[test]
fn a_device_is_not_notified_of_its_own_pushes() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let mut of_device = scene.laptop.listen();
    let mut of_session = scene.laptop.listen_nameless();
    let mut phone = scene.phone.listen();
    for row in ["one", "two", "three"] {
        scene.laptop.push(row);
        phone.changed();
    }
    // By the time that the phone has heard, everybody has who is to hear.
    scene.laptop.rotate();
    of_device.keys();
    of_session.keys();
}

#[test]
fn a_push_by_another_session_of_a_device_notifies_only_streams_that_do_not_name_it() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let mut naming = scene.laptop.listen();
    let mut nameless = scene.laptop.listen_nameless();
    let again = Installation::new(&scene.server, &scene.user, &scene.app, "Laptop");
    assert_eq!(again.device, scene.laptop.device);
    let pushed = again.push("by another session");
    assert_eq!(nameless.changed(), pushed);
    scene.laptop.rotate();
    naming.keys();
}

#[test]
fn a_session_is_not_notified_of_its_pushes_for_another_device() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let mut laptop = scene.laptop.listen();
    let mut phone = scene.phone.listen();
    let second = scene.laptop.caller.device("Second");
    scene.laptop.caller.push(&second, vec![change("by the same program")]);
    phone.changed();
    scene.laptop.rotate();
    laptop.keys();
}

#[test]
fn an_app_with_integer_cursors_receives_integers() {
    let server = Server::start();
    let (app, user) = (server.new_number_app("Numbers"), server.new_user("ada@example.org"));
    let laptop = Installation::new(&server, &user, &app, "Laptop");
    let phone = Installation::new(&server, &user, &app, "Phone");
    let mut hears = phone.listen();
    laptop.push("one");
    let id = hears.changed();
    assert_eq!(id.parse(), Ok(2));
    laptop.push("two");
    assert_eq!(phone.listen_from(&id).changed(), "3");
    assert_eq!(phone.caller.reopen_stream(&phone.path, &id).changed(), "3");
}

#[test]
fn every_step_of_a_rotation_notifies_all_devices() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let mut streams = [scene.laptop.listen(), scene.phone.listen(), scene.phone.listen_nameless()];
    let mut all_hear = || streams.iter_mut().for_each(|stream| stream.keys());
    scene.laptop.rotate();
    all_hear();
    scene.laptop.cancel_rotation();
    all_hear();
    scene.laptop.rotate();
    all_hear();
    scene.laptop.caller.call(reqwest::Method::POST, "/api/sync/keys/rotate/complete", None).ok();
    all_hear();
    scene.server.cli().run(&["rotation", "undo", &scene.user.email, "--app", "Notes"]).json();
    all_hear();
}

#[test]
fn a_push_that_is_not_stored_sends_no_event() {
    let scene = Scene::set();
    scene.laptop.set_key();
    let mut phone = scene.phone.listen();
    let batch = json!({"device_id": scene.laptop.device, "batch_id": fresh_id(), "changes": [change("one")]});
    scene.laptop.caller.post("/api/sync/push", &batch).ok();
    phone.changed();
    let repeat = scene.laptop.caller.post("/api/sync/push", &batch);
    repeat.ok();
    let mut invalid = batch.clone();
    invalid["batch_id"] = json!(fresh_id());
    invalid["changes"][0]["table"] = json!("no table");
    scene.laptop.caller.post("/api/sync/push", &invalid).refused(422, "invalid_change");
    let mut moved = batch;
    moved["batch_id"] = json!(fresh_id());
    scene.phone.push("meanwhile");
    moved["expected_cursor"] = json!("0");
    scene.laptop.caller.post("/api/sync/push", &moved).refused(409, "log_moved");
    scene.laptop.rotate();
    phone.keys();
}

#[test]
fn no_stream_receives_events_of_another_user_or_app() {
    let scene = Scene::set();
    let elsewhere = scene.server.new_app("Tasks");
    let bob = scene.server.new_user("bob@example.org");
    let strangers = [
        Installation::new(&scene.server, &bob, &scene.app, "Laptop"),
        Installation::new(&scene.server, &scene.user, &elsewhere, "Laptop"),
    ];
    let mut streams: Vec<_> = strangers.iter().map(Installation::listen_nameless).collect();
    let mut phone = scene.phone.listen();
    scene.laptop.push("canary");
    phone.changed();
    for (stranger, stream) in strangers.iter().zip(&mut streams) {
        stranger.set_key();
        stranger.rotate();
        stream.keys();
    }
}

#[test]
fn both_api_prefixes_serve_event_streams() {
    let scene = Scene::set();
    let versioned = scene.phone.path.replace("/api/sync", "/api/v1/sync");
    let mut phone = scene.phone.caller.open_stream(&versioned);
    assert_eq!(scene.laptop.push("one"), phone.changed());
}

#[test]
fn an_http_1_0_proxy_receives_events_without_chunks() {
    let scene = Scene::set();
    let mut phone = scene.phone.caller.open_old_stream(&scene.phone.path);
    assert_eq!(phone.headers.get("transfer-encoding"), None);
    assert_eq!(phone.headers.get("content-length"), None);
    assert_eq!(scene.laptop.push("one"), phone.changed());
}

#[test]
fn a_stream_carries_headers_for_proxies_and_browsers() {
    let scene = Scene::set();
    let mut phone = scene.phone.listen();
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(phone.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(phone.next_said(), Some(Said::Retry(3000)));
    assert_eq!(phone.next_said(), Some(Said::Comment("heartbeat".into())), "at once: nothing holds it back");
}

#[test]
fn an_idle_stream_sends_heartbeats() {
    let scene = Scene::with("TIDELOG_NOTIFICATIONS_HEARTBEAT_SECONDS", "1");
    let mut phone = scene.phone.listen();
    assert_eq!(phone.next_said(), Some(Said::Retry(3000)));
    for _ in 0..3 {
        assert_eq!(phone.next_said(), Some(Said::Comment("heartbeat".into())));
    }
    let id = Some(scene.laptop.push("one"));
    let told = Heard { event: "changed".into(), id, data: "{}".into() };
    let after_beats = std::iter::repeat_with(|| phone.next_said())
        .find(|said| *said != Some(Said::Comment("heartbeat".into())));
    assert_eq!(after_beats, Some(Some(Said::Event(told))));
}
