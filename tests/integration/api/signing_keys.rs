//! Signing keys are replaced while the server runs, without ending sessions.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tidelog::server::commands::{Command, KeyCommand};

use tidelog_test_kit::{Caller, ManualClockServer, Server, header_of, text};

const STATUS: &str = "/api/sync/status";
const DAY_HOURS: i64 = 24;

fn kid(caller: &Caller) -> String {
    text(&header_of(caller.token())["kid"])
}

fn rotate(server: &ManualClockServer) -> Value {
    server.command(Command::Key(KeyCommand::Rotate))
}

#[test]
fn the_new_key_signs_at_once_and_what_the_old_one_signed_stays_good() {
    let mut server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let before = server.sign_in(&user, &app);
    let hash = before.put_blob(b"sealed");
    let address = before.download_url(&hash);
    let rotated = server.cli().run(&["key", "rotate"]).json();
    assert_eq!(rotated["older_keys"], 1);
    let after = server.sign_in(&user, &app);
    assert_eq!(text(&rotated["kid"]), kid(&after));
    assert_ne!(kid(&before), kid(&after));
    for caller in [&before, &after] {
        caller.get(STATUS).ok();
        assert_eq!(caller.fetch_blob(&hash), b"sealed");
    }
    before.call_url(Method::GET, &address, HeaderMap::new(), None).expect_bytes(200);
    let noted = server.cli().run(&["audit", "--limit", "3"]).json();
    assert!(noted.as_array().expect("rows").iter().any(|row| row["action"] == "key_rotated"), "{noted}");

    server.stop();
    assert_eq!(server.cli().run(&["key", "rotate"]).json()["older_keys"], 2);
    server.start_again();
    for caller in [&before, &after] {
        caller.get(STATUS).ok();
    }
    assert_ne!(kid(&server.sign_in(&user, &app)), kid(&after));
}

#[test]
fn an_old_key_goes_once_nothing_that_it_signed_is_good_and_not_before() {
    let server = ManualClockServer::start(&[("auth.access_token_days", "7")]);
    let old = server.signed_in_caller();
    server.advance_hours(DAY_HOURS);
    let last_of_old = server.signed_in_caller();
    rotate(&server);
    let new = server.signed_in_caller();
    server.advance_hours(7 * DAY_HOURS - 1);
    server.retire_keys();
    old.get(STATUS).expect_error(401, "unauthenticated");
    last_of_old.get(STATUS).ok();
    server.advance_hours(2);
    server.retire_keys();
    last_of_old.get(STATUS).expect_error(401, "unauthenticated");
    new.get(STATUS).expect_error(401, "unauthenticated");
    server.signed_in_caller().get(STATUS).ok();
    assert_eq!(rotate(&server)["older_keys"], 1, "the first is gone");
    server.advance_hours(1_000 * DAY_HOURS);
    server.retire_keys();
    server.signed_in_caller().get(STATUS).ok();
    assert_eq!(rotate(&server)["older_keys"], 1, "the newest is never deleted");
}
