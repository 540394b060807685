//! What ends a stream, at once.

use super::*;
use tidelog_test_kit::{PASSWORD, SigningKey, claims_of, header_of, text};

impl Scene {
    #[track_caller]
    fn command(&self, arguments: &[&str]) {
        self.server.cli().run(arguments).json();
    }
}

/// The stream still hears of what happens.
#[track_caller]
fn lives(stream: &mut EventReader, writer: &Installation) {
    let pushed = writer.push("still there?");
    assert_eq!(stream.changed(), pushed);
}

#[test]
fn signing_out_ends_the_sessions_streams_and_no_others() {
    let scene = Scene::set();
    let mut streams = [scene.laptop.listen(), scene.laptop.listen_nameless()];
    let mut phone = scene.phone.listen();
    scene.laptop.caller.call(reqwest::Method::POST, "/api/sync/auth/logout", None).expect(204);
    streams.iter_mut().for_each(EventReader::ends);
    scene.laptop.caller.get(&scene.laptop.path).refused(401, "unauthenticated");
    lives(&mut phone, &Installation::new(&scene.server, &scene.user, &scene.app, "Laptop"));
}

#[test]
fn revoking_a_session_ends_its_streams() {
    let scene = Scene::set();
    let mut laptop = scene.laptop.listen();
    let mut phone = scene.phone.listen();
    scene.command(&["session", "revoke", &text(&claims_of(scene.phone.caller.token())["sid"])]);
    phone.ends();
    lives(&mut laptop, &Installation::new(&scene.server, &scene.user, &scene.app, "Phone"));
}

#[test]
fn removing_a_device_ends_its_streams_in_every_session() {
    let scene = Scene::set();
    let mut own = scene.phone.listen();
    let mut nameless = scene.phone.listen_nameless();
    // The laptop's session never spoke for the phone, so it lives on.
    let naming = format!("{}&device_id={}", scene.laptop.path, scene.phone.device);
    let mut opened_by_laptop = scene.laptop.caller.open_stream(&naming);
    let mut laptop = scene.laptop.listen();
    scene.laptop.caller.delete(&format!("/api/sync/devices/{}", scene.phone.device)).expect(204);
    for stream in [&mut own, &mut nameless, &mut opened_by_laptop] {
        stream.ends();
    }
    lives(&mut laptop, &Installation::new(&scene.server, &scene.user, &scene.app, "Phone"));
}

#[test]
fn revoking_a_device_ends_its_streams() {
    let scene = Scene::set();
    let mut phone = scene.phone.listen();
    scene.command(&["device", "revoke", &scene.phone.device]);
    phone.ends();
}

#[test]
fn disabling_or_deleting_a_user_ends_all_streams() {
    for fate in ["disable", "delete"] {
        let scene = Scene::set();
        let bob = scene.server.new_user("bob@example.org");
        let bystander = Installation::new(&scene.server, &bob, &scene.app, "Laptop");
        let mut bystanders = bystander.listen();
        let mut streams = [scene.laptop.listen(), scene.phone.listen_nameless()];
        scene.command(&["user", fate, &scene.user.email]);
        streams.iter_mut().for_each(EventReader::ends);
        lives(&mut bystanders, &Installation::new(&scene.server, &bob, &scene.app, "Phone"));
    }
}

#[test]
fn resetting_a_password_ends_all_streams() {
    let scene = Scene::set();
    let mut streams = [scene.laptop.listen(), scene.phone.listen()];
    let reset = ["user", "reset-password", &scene.user.email, "--password-stdin"];
    scene.server.cli().run_with_input(&reset, "another good password").json();
    streams.iter_mut().for_each(EventReader::ends);
}

#[test]
fn changing_a_password_ends_the_streams_of_other_sessions() {
    let scene = Scene::set();
    let mut laptop = scene.laptop.listen();
    let mut phone = scene.phone.listen();
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    scene.laptop.caller.post("/api/sync/auth/password", &change).ok();
    phone.ends();
    scene.laptop.set_key();
    scene.laptop.rotate();
    laptop.keys();
}

#[test]
fn replacing_an_api_key_ends_the_streams_of_the_app() {
    let scene = Scene::set();
    let elsewhere = scene.server.new_app("Tasks");
    let mut bystander = Installation::new(&scene.server, &scene.user, &elsewhere, "Laptop").listen();
    let mut streams = [scene.laptop.listen(), scene.phone.listen()];
    scene.command(&["app", "rotate-key", "Notes"]);
    streams.iter_mut().for_each(EventReader::ends);
    lives(&mut bystander, &Installation::new(&scene.server, &scene.user, &elsewhere, "Phone"));
}

#[test]
fn an_ended_stream_sends_no_further_events() {
    let scene = Scene::set();
    let mut phone = scene.phone.listen();
    scene.command(&["user", "disable", &scene.user.email]);
    scene.command(&["user", "enable", &scene.user.email]);
    Installation::new(&scene.server, &scene.user, &scene.app, "Laptop").push("later");
    phone.ends();
}

#[test]
fn a_stream_ends_with_its_token() {
    /// Seconds for which the token is good: enough to open a stream with it.
    const LIFE: i64 = 3;
    let mut scene = Scene::set();
    scene.server.stop();
    let key = SigningKey::stolen_from(&scene.server.data());
    scene.server.start_again();
    let token = scene.phone.caller.token();
    let mut claims = claims_of(token);
    claims["exp"] = json!(chrono::Utc::now().timestamp() + LIFE);
    let short = scene.phone.caller.with_token(&key.sign(&header_of(token), &claims));
    let mut phone = short.open_stream(&scene.phone.path);
    let mut other = scene.phone.listen();
    phone.ends();
    short.get(&scene.phone.path).refused(401, "unauthenticated");
    lives(&mut other, &scene.laptop);
}

#[test]
fn a_server_that_stops_does_not_wait_for_its_streams() {
    /// Longer than the kit waits for a server to stop.
    const FOR_EVER: &str = "600";
    let mut scene = Scene::with("TIDELOG_SHUTDOWN_TIMEOUT_SECONDS", FOR_EVER);
    let mut streams: Vec<_> = (0..50).map(|_| scene.phone.listen()).collect();
    scene.server.stop();
    streams.iter_mut().for_each(EventReader::ends);
}
