//! Events that end a stream at once.

use super::*;
use tidelog_test_kit::{PASSWORD, SigningKey, claims_of, header_of, text};

impl Fixture {
    #[track_caller]
    fn command(&self, arguments: &[&str]) {
        self.server.cli().run(arguments).json();
    }
}

/// Asserts that the stream still receives events.
#[track_caller]
fn assert_open(stream: &mut EventReader, writer: &Installation) {
    let pushed = writer.push("still there?");
    assert_eq!(stream.expect_changed(), pushed);
}

#[test]
fn signing_out_ends_the_sessions_streams_and_no_others() {
    let fixture = Fixture::new();
    let mut streams = [fixture.laptop.listen(), fixture.laptop.listen_without_device()];
    let mut phone = fixture.phone.listen();
    fixture.laptop.caller.call(reqwest::Method::POST, "/api/sync/auth/logout", None).expect(204);
    streams.iter_mut().for_each(EventReader::expect_end);
    fixture.laptop.caller.get(&fixture.laptop.path).expect_error(401, "unauthenticated");
    assert_open(&mut phone, &Installation::new(&fixture.server, &fixture.user, &fixture.app, "Laptop"));
}

#[test]
fn revoking_a_session_ends_its_streams() {
    let fixture = Fixture::new();
    let mut laptop = fixture.laptop.listen();
    let mut phone = fixture.phone.listen();
    fixture.command(&["session", "revoke", &text(&claims_of(fixture.phone.caller.token())["sid"])]);
    phone.expect_end();
    assert_open(&mut laptop, &Installation::new(&fixture.server, &fixture.user, &fixture.app, "Phone"));
}

#[test]
fn removing_a_device_ends_its_streams_in_every_session() {
    let fixture = Fixture::new();
    let mut own = fixture.phone.listen();
    let mut nameless = fixture.phone.listen_without_device();
    // The laptop's session never used the phone's device, so it stays valid.
    let naming = format!("{}&device_id={}", fixture.laptop.path, fixture.phone.device);
    let mut opened_by_laptop = fixture.laptop.caller.open_stream(&naming);
    let mut laptop = fixture.laptop.listen();
    fixture.laptop.caller.delete(&format!("/api/sync/devices/{}", fixture.phone.device)).expect(204);
    for stream in [&mut own, &mut nameless, &mut opened_by_laptop] {
        stream.expect_end();
    }
    assert_open(&mut laptop, &Installation::new(&fixture.server, &fixture.user, &fixture.app, "Phone"));
}

#[test]
fn revoking_a_device_ends_its_streams() {
    let fixture = Fixture::new();
    let mut phone = fixture.phone.listen();
    fixture.command(&["device", "revoke", &fixture.phone.device]);
    phone.expect_end();
}

#[test]
fn disabling_or_deleting_a_user_ends_all_streams() {
    for fate in ["disable", "delete"] {
        let fixture = Fixture::new();
        let bob = fixture.server.new_user("bob@example.org");
        let bystander = Installation::new(&fixture.server, &bob, &fixture.app, "Laptop");
        let mut bystanders = bystander.listen();
        let mut streams = [fixture.laptop.listen(), fixture.phone.listen_without_device()];
        fixture.command(&["user", fate, &fixture.user.email]);
        streams.iter_mut().for_each(EventReader::expect_end);
        assert_open(&mut bystanders, &Installation::new(&fixture.server, &bob, &fixture.app, "Phone"));
    }
}

#[test]
fn resetting_a_password_ends_all_streams() {
    let fixture = Fixture::new();
    let mut streams = [fixture.laptop.listen(), fixture.phone.listen()];
    let reset = ["user", "reset-password", &fixture.user.email, "--password-stdin"];
    fixture.server.cli().run_with_input(&reset, "another good password").json();
    streams.iter_mut().for_each(EventReader::expect_end);
}

#[test]
fn changing_a_password_ends_the_streams_of_other_sessions() {
    let fixture = Fixture::new();
    let mut laptop = fixture.laptop.listen();
    let mut phone = fixture.phone.listen();
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    fixture.laptop.caller.post("/api/sync/auth/password", &change).ok();
    phone.expect_end();
    fixture.laptop.set_key();
    fixture.laptop.rotate();
    laptop.expect_keys();
}

#[test]
fn replacing_an_api_key_ends_the_streams_of_the_app() {
    let fixture = Fixture::new();
    let elsewhere = fixture.server.new_app("Tasks");
    let mut bystander = Installation::new(&fixture.server, &fixture.user, &elsewhere, "Laptop").listen();
    let mut streams = [fixture.laptop.listen(), fixture.phone.listen()];
    fixture.command(&["app", "rotate-key", "Notes"]);
    streams.iter_mut().for_each(EventReader::expect_end);
    assert_open(&mut bystander, &Installation::new(&fixture.server, &fixture.user, &elsewhere, "Phone"));
}

#[test]
fn an_ended_stream_sends_no_further_events() {
    let fixture = Fixture::new();
    let mut phone = fixture.phone.listen();
    fixture.command(&["user", "disable", &fixture.user.email]);
    fixture.command(&["user", "enable", &fixture.user.email]);
    Installation::new(&fixture.server, &fixture.user, &fixture.app, "Laptop").push("later");
    phone.expect_end();
}

#[test]
fn a_stream_ends_with_its_token() {
    /// Lifetime of the token: long enough to open a stream.
    const LIFETIME_SECONDS: i64 = 3;
    let mut fixture = Fixture::new();
    fixture.server.stop();
    let key = SigningKey::stolen_from(&fixture.server.data());
    fixture.server.start_again();
    let token = fixture.phone.caller.token();
    let mut claims = claims_of(token);
    claims["exp"] = json!(chrono::Utc::now().timestamp() + LIFETIME_SECONDS);
    let short = fixture.phone.caller.with_token(&key.sign(&header_of(token), &claims));
    let mut phone = short.open_stream(&fixture.phone.path);
    let mut other = fixture.phone.listen();
    phone.expect_end();
    short.get(&fixture.phone.path).expect_error(401, "unauthenticated");
    assert_open(&mut other, &fixture.laptop);
}

#[test]
fn a_server_that_stops_does_not_wait_for_its_streams() {
    /// Longer than the kit waits for a server to stop, in seconds.
    const TEN_MINUTES: &str = "600";
    let mut fixture = Fixture::with("TIDELOG_SHUTDOWN_TIMEOUT_SECONDS", TEN_MINUTES);
    let mut streams: Vec<_> = (0..50).map(|_| fixture.phone.listen()).collect();
    fixture.server.stop();
    streams.iter_mut().for_each(EventReader::expect_end);
}
