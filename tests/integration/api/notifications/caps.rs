//! Limits on the number of event streams.

use super::*;
use reqwest::Method;
use tidelog_test_kit::ApiResponse;

const PER_USER: &str = "TIDELOG_NOTIFICATIONS_MAX_STREAMS_PER_USER";
const PER_SERVER: &str = "TIDELOG_NOTIFICATIONS_MAX_STREAMS";

impl Installation {
    /// Opens a stream as soon as the limit allows: the server may first have to notice a disconnect.
    #[track_caller]
    fn listen_soon(&self) -> EventReader {
        const ATTEMPTS: usize = 20_000;
        let unknown = format!("{}&device_id={}", self.path, fresh_id());
        // A missing device is reported only if the limit allows another stream.
        let has_room = (0..ATTEMPTS).any(|_| self.caller.get(&unknown).status == 404);
        assert!(has_room, "a stream slot is not released");
        self.listen()
    }
}

#[track_caller]
fn assert_retryable(response: &ApiResponse) {
    assert!(response.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
}

#[test]
fn the_stream_limit_per_user_does_not_affect_other_users() {
    let fixture = Fixture::with(PER_USER, "3");
    let streams = [fixture.laptop.listen(), fixture.laptop.listen_without_device(), fixture.phone.listen()];
    let refused = fixture.phone.caller.get(&fixture.phone.path);
    refused.expect_error(429, "rate_limited");
    assert_eq!((refused.header("x-ratelimit-limit"), refused.header("x-ratelimit-remaining")), ("3", "0"));
    assert_retryable(&refused);
    let bob = fixture.server.new_user("bob@example.org");
    Installation::new(&fixture.server, &bob, &fixture.app, "Laptop").listen();
    drop(streams);
}

#[test]
fn the_stream_limit_of_the_server_does_not_affect_other_requests() {
    let fixture = Fixture::with(PER_SERVER, "3");
    let streams = [fixture.laptop.listen(), fixture.phone.listen(), fixture.phone.listen()];
    let bob = fixture.server.new_user("bob@example.org");
    let late = Installation::new(&fixture.server, &bob, &fixture.app, "Laptop");
    // The kit fails a test on any status from 500 on, so this request is sent by hand.
    let refused = reqwest::blocking::Client::new()
        .get(format!("{}{}", fixture.server.url(), late.path))
        .bearer_auth(late.caller.token())
        .send()
        .expect("a response");
    assert_eq!(refused.status(), 503);
    let wait = refused.headers()["retry-after"].to_str().expect("text").parse::<u64>();
    assert!(wait.is_ok_and(|seconds| seconds > 0));
    let refusal: serde_json::Value = refused.json().expect("JSON");
    assert_eq!(refusal["code"], "unavailable");
    late.push("one");
    assert_eq!(late.caller.pull_everything(&late.device).len(), 1);
    drop(streams);
}

#[test]
fn the_limits_endpoint_reports_the_stream_limits() {
    let server = ServerSetup::default().with(PER_USER, "7").with(PER_SERVER, "11").start();
    let limits = server.anonymous().get("/api/sync/limits").ok();
    assert_eq!((&limits["max_streams_per_user"], &limits["max_streams"]), (&json!(7), &json!(11)));
    let limits = Server::start().anonymous().get("/api/sync/limits").ok();
    assert_eq!((&limits["max_streams_per_user"], &limits["heartbeat_seconds"]), (&json!(100), &json!(15)));
}

#[test]
fn every_way_to_disconnect_frees_the_stream() {
    let fixture = Fixture::with(PER_USER, "2");
    let _stays = fixture.laptop.listen();
    drop(fixture.phone.listen());
    let torn_away = fixture.phone.listen_soon();
    torn_away.reset();
    let half_closed = fixture.phone.listen_soon();
    half_closed.close_sending_half();
    let mut last = fixture.phone.listen_soon();
    assert_eq!(fixture.laptop.push("one"), last.expect_changed());
}

#[test]
fn a_refused_stream_does_not_count_towards_the_limit() {
    let fixture = Fixture::with(PER_USER, "1");
    for _ in 0..3 {
        let unknown = format!("{}&device_id={}", fixture.phone.path, fresh_id());
        fixture.phone.caller.get(&unknown).expect_error(404, "not_found");
        fixture.phone.caller.get(&fixture.phone.path_from("1000")).expect_error(409, "log_rewound");
    }
    fixture.phone.listen();
}

#[test]
fn five_hundred_streams_each_receive_one_event_for_a_push() {
    const USERS: usize = 5;
    const STREAMS: usize = 100;
    let mut fixture = Fixture::new();
    let mut users = Vec::new();
    for number in 0..USERS {
        let user = fixture.server.new_user(&format!("user-{number}@example.org"));
        let reader = Installation::new(&fixture.server, &user, &fixture.app, "Reader");
        let writer = Installation::new(&fixture.server, &user, &fixture.app, "Writer");
        let streams: Vec<_> = (0..STREAMS).map(|_| reader.listen()).collect();
        users.push((writer, streams));
    }
    for (writer, streams) in &mut users {
        let pushed = writer.push("one");
        for stream in streams {
            assert_eq!(stream.expect_changed(), pushed);
        }
    }
    fixture.server.stop();
    for stream in users.iter_mut().flat_map(|(_, streams)| streams) {
        stream.expect_end();
    }
}

#[test]
fn head_of_a_stream_keeps_no_stream_open() {
    let fixture = Fixture::with(PER_USER, "1");
    for _ in 0..3 {
        let head = fixture.laptop.caller.call(Method::HEAD, &fixture.laptop.path, None);
        assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
    }
    let stream = fixture.laptop.listen();
    let head = fixture.laptop.caller.call(Method::HEAD, &fixture.laptop.path, None);
    assert_eq!(head.status, 429, "the limit holds for HEAD as well");
    drop(stream);
}
