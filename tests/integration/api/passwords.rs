//! Changing the password: password and key envelope change together, and all other sessions end.

use std::thread;

use data_encoding::BASE64;
use serde_json::{Value, json};

use tidelog_test_kit::{ApiResponse, App, Caller, PASSWORD, Server, ServerSetup, User, text};

const CHANGE: &str = "/api/sync/auth/password";
const KEYS: &str = "/api/sync/keys";
const STATUS: &str = "/api/sync/status";
const NEW: &str = "tidy lantern forgets october";

/// A user with a session and a key envelope in an app.
struct Fixture {
    server: Server,
    app: App,
    user: User,
    me: Caller,
}

impl Fixture {
    fn new() -> Self {
        let server = Server::start();
        let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
        let me = server.sign_in(&user, &app);
        me.put(KEYS, &json!({"encrypted_key": envelope("old")})).ok();
        Self { server, app, user, me }
    }

    fn try_sign_in(&self, password: &str) -> ApiResponse {
        let body = json!({"email": self.user.email, "password": password, "api_key": self.app.api_key});
        self.server.anonymous().post("/api/sync/auth", &body)
    }

    #[track_caller]
    fn password_is(&self, password: &str) {
        let other = if password == PASSWORD { NEW } else { PASSWORD };
        self.try_sign_in(other).expect_error(401, "invalid_credentials");
        self.try_sign_in(password).ok();
    }

    #[track_caller]
    fn key_is(&self, content: &str, revision: u64) {
        let key = self.me.get(KEYS).ok();
        assert_eq!(key["encrypted_key"], json!(envelope(content)));
        assert_eq!((&key["key_version"], &key["revision"]), (&json!(1), &json!(revision)));
    }

    #[track_caller]
    fn nothing_has_changed(&self) {
        self.password_is(PASSWORD);
        self.key_is("old", 1);
    }

    /// Asserts that neither the access token nor the refresh token works.
    #[track_caller]
    fn assert_revoked(&self, pair: &Value) {
        self.server.bearer(&text(&pair["token"])).get(STATUS).expect_error(401, "unauthenticated");
        refresh(&self.server, pair).expect_error(401, "unauthenticated");
    }
}

fn envelope(content: &str) -> String {
    BASE64.encode(content.as_bytes())
}

fn refresh(server: &Server, pair: &Value) -> ApiResponse {
    server.anonymous().post("/api/sync/auth/refresh", &json!({"refresh_token": pair["refresh_token"]}))
}

/// Returns a request to change the tests' password to the new one, with these fields added or replaced.
fn change_to(new: &str, extra: &Value) -> Value {
    let mut body = json!({"current_password": PASSWORD, "new_password": new});
    body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    body
}

#[test]
fn password_and_envelope_change_together_and_survive_a_crash() {
    let mut fixture = Fixture::new();
    let body = change_to(NEW, &json!({"encrypted_key": envelope("new"), "expected_revision": 1}));
    assert_eq!(fixture.me.post(CHANGE, &body).ok(), json!({"key_version": 1, "revision": 2}));
    fixture.server.kill();
    fixture.server.start_again();
    fixture.password_is(NEW);
    fixture.key_is("new", 2);
}

#[test]
fn without_an_envelope_the_stored_one_is_kept_and_its_state_returned() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.me.post(CHANGE, &change_to(NEW, &json!({}))).ok(),
        json!({"key_version": 1, "revision": 1})
    );
    fixture.password_is(NEW);
    fixture.key_is("old", 1);
}

#[test]
fn no_envelope_is_replaced_while_a_rotation_runs() {
    let fixture = Fixture::new();
    let begin = json!({"new_encrypted_key": envelope("next")});
    fixture.me.post("/api/sync/keys/rotate/begin", &begin).ok();
    let body = change_to(NEW, &json!({"encrypted_key": envelope("new"), "expected_revision": 1}));
    fixture.me.post(CHANGE, &body).expect_error(409, "rotation_in_progress");
    fixture.nothing_has_changed();
}

#[test]
fn a_log_without_a_key_returns_zeros_and_accepts_no_envelope() {
    let server = Server::start();
    let me = server.signed_in_caller();
    for expected in [json!({}), json!({"expected_revision": 0})] {
        let mut extra = json!({"encrypted_key": envelope("first")});
        extra.as_object_mut().expect("an object").extend(expected.as_object().expect("an object").clone());
        let refusal = me.post(CHANGE, &change_to(NEW, &extra)).expect_error(409, "key_version_conflict");
        assert_eq!((&refusal["key_version"], &refusal["revision"]), (&json!(0), &json!(0)));
    }
    me.get(KEYS).expect_error(404, "not_found");
    assert_eq!(me.post(CHANGE, &change_to(NEW, &json!({}))).ok(), json!({"key_version": 0, "revision": 0}));
}

#[test]
fn a_wrong_current_password_changes_nothing() {
    let fixture = Fixture::new();
    for wrong in ["", "wrong", &format!("{PASSWORD} "), &"x".repeat(1_000)] {
        let extra = json!({"current_password": wrong, "encrypted_key": envelope("new")});
        fixture.me.post(CHANGE, &change_to(NEW, &extra)).expect_error(401, "invalid_credentials");
    }
    fixture.nothing_has_changed();
}

#[test]
fn a_stale_revision_changes_neither_the_envelope_nor_the_password() {
    let fixture = Fixture::new();
    let bystander = fixture.server.tokens(&fixture.user, &fixture.app);
    for stale in [0, 2] {
        let extra = json!({"encrypted_key": envelope("new"), "expected_revision": stale});
        let refusal =
            fixture.me.post(CHANGE, &change_to(NEW, &extra)).expect_error(409, "key_version_conflict");
        assert_eq!((&refusal["key_version"], &refusal["revision"]), (&json!(1), &json!(1)));
    }
    fixture.nothing_has_changed();
    refresh(&fixture.server, &bystander).ok();
}

#[test]
fn an_invalid_new_password_changes_nothing_and_one_at_the_limits_is_accepted() {
    let fixture = Fixture::new();
    for faulty in [String::new(), "short".into(), "x".repeat(129), "x".repeat(100_000)] {
        let extra = json!({"encrypted_key": envelope("new")});
        let refusal = fixture.me.post(CHANGE, &change_to(&faulty, &extra)).expect_error(422, "invalid_field");
        assert_eq!(refusal["field"], "new_password");
    }
    for encrypted_key in [json!(""), json!("a2V"), json!(BASE64.encode(&[7; 4097])), json!(7)] {
        let refusal = fixture.me.post(CHANGE, &change_to(NEW, &json!({"encrypted_key": encrypted_key})));
        assert_eq!(refusal.expect_error(422, "invalid_field")["field"], "encrypted_key");
    }
    for missing in ["current_password", "new_password"] {
        let mut body = change_to(NEW, &json!({}));
        body.as_object_mut().expect("an object").remove(missing);
        fixture.me.post(CHANGE, &body).expect_error(422, "invalid_field");
    }
    fixture.nothing_has_changed();
    let longest = "x".repeat(128);
    fixture.me.post(CHANGE, &change_to(&longest, &json!({}))).ok();
    fixture.me.post(CHANGE, &change_to("8 bytes!", &json!({"current_password": longest}))).ok();
    fixture.try_sign_in("8 bytes!").ok();
}

#[test]
fn every_other_session_of_the_user_ends_in_all_apps() {
    let fixture = Fixture::new();
    let elsewhere = fixture.server.new_app("Tasks");
    let mine = fixture.server.tokens(&fixture.user, &fixture.app);
    let others =
        [&fixture.app, &fixture.app, &elsewhere].map(|app| fixture.server.tokens(&fixture.user, app));
    for pair in &others {
        fixture.server.bearer(&text(&pair["token"])).get(STATUS).ok();
    }
    let caller = fixture.server.bearer(&text(&mine["token"]));
    caller.post(CHANGE, &change_to(NEW, &json!({}))).ok();
    others.iter().for_each(|pair| fixture.assert_revoked(pair));
    fixture.me.get(STATUS).expect_error(401, "unauthenticated");
    caller.get(STATUS).ok();
    let next = refresh(&fixture.server, &mine).ok();
    fixture.server.bearer(&text(&next["token"])).get(STATUS).ok();
}

#[test]
fn a_repeat_after_a_lost_response_gets_the_same_answer_and_changes_nothing() {
    let fixture = Fixture::new();
    let body = change_to(NEW, &json!({"encrypted_key": envelope("new"), "expected_revision": 1}));
    let first = fixture.me.post(CHANGE, &body).ok();
    let signed_in_since = fixture.try_sign_in(NEW).ok();
    assert_eq!(fixture.me.post(CHANGE, &body).ok(), first);
    fixture.key_is("new", 2);
    refresh(&fixture.server, &signed_in_since).ok();
    let other_envelope = change_to(NEW, &json!({"encrypted_key": envelope("another")}));
    fixture.me.post(CHANGE, &other_envelope).expect_error(401, "invalid_credentials");
    fixture.key_is("new", 2);
    fixture
        .me
        .post(CHANGE, &change_to("yet another password", &json!({})))
        .expect_error(401, "invalid_credentials");
    fixture.password_is(NEW);
}

#[test]
fn a_repeat_with_equal_old_and_new_passwords_is_idempotent() {
    let fixture = Fixture::new();
    let body = change_to(PASSWORD, &json!({"encrypted_key": envelope("new"), "expected_revision": 1}));
    let first = fixture.me.post(CHANGE, &body).ok();
    assert_eq!(first, json!({"key_version": 1, "revision": 2}));
    assert_eq!(fixture.me.post(CHANGE, &body).ok(), first);
    fixture.key_is("new", 2);
    fixture.password_is(PASSWORD);
}

#[test]
fn of_eight_concurrent_changes_exactly_one_wins() {
    let fixture = Fixture::new();
    let password = |number: usize| format!("password number {number}");
    let content = |number: usize| format!("envelope {number}");
    let statuses: Vec<u16> = thread::scope(|scope| {
        let change = |number: usize| {
            let extra = json!({"encrypted_key": envelope(&content(number))});
            fixture.me.post(CHANGE, &change_to(&password(number), &extra)).status
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || change(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a response")).collect()
    });
    let winners: Vec<_> = (0..8).filter(|number| statuses[*number] == 200).collect();
    assert_eq!(winners.len(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
    fixture.key_is(&content(winners[0]), 2);
    for number in 0..8 {
        let response = fixture.try_sign_in(&password(number));
        assert_eq!(response.status, if number == winners[0] { 200 } else { 401 });
    }
}

#[test]
fn the_same_change_sent_twice_at_once_succeeds_twice_and_applies_once() {
    let fixture = Fixture::new();
    let body = change_to(NEW, &json!({"encrypted_key": envelope("new"), "expected_revision": 1}));
    let responses: Vec<Value> = thread::scope(|scope| {
        let change = || fixture.me.post(CHANGE, &body).ok();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(change)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a response")).collect()
    });
    assert!(
        responses.iter().all(|response| *response == json!({"key_version": 1, "revision": 2})),
        "{responses:?}"
    );
    fixture.key_is("new", 2);
    fixture.password_is(NEW);
}

#[test]
fn of_two_sessions_that_change_it_at_once_one_ends_the_other() {
    let fixture = Fixture::new();
    let sessions = [fixture.me.clone(), fixture.server.sign_in(&fixture.user, &fixture.app)];
    let change = |session: &Caller, new: &str| session.post(CHANGE, &change_to(new, &json!({})));
    let responses: Vec<ApiResponse> = thread::scope(|scope| {
        let threads = [
            scope.spawn(|| change(&sessions[0], "the first password")),
            scope.spawn(|| change(&sessions[1], "the second password")),
        ];
        threads.into_iter().map(|thread| thread.join().expect("a response")).collect()
    });
    let winner = usize::from(responses[1].status == 200);
    responses[winner].ok();
    responses[1 - winner].expect(401);
    sessions[winner].get(STATUS).ok();
    sessions[1 - winner].get(STATUS).expect_error(401, "unauthenticated");
}

#[test]
fn other_users_and_other_apps_keep_their_passwords_and_envelopes() {
    let fixture = Fixture::new();
    let elsewhere = fixture.server.new_app("Tasks");
    let my_other = fixture.server.sign_in(&fixture.user, &elsewhere);
    my_other.put(KEYS, &json!({"encrypted_key": envelope("elsewhere")})).ok();
    let bob = fixture.server.new_user("bob@example.org");
    let stranger = fixture.server.sign_in(&bob, &fixture.app);
    stranger.put(KEYS, &json!({"encrypted_key": envelope("bob's")})).ok();
    let extra = json!({"encrypted_key": envelope("new"), "expected_revision": 1});
    fixture.me.post(CHANGE, &change_to(NEW, &extra)).ok();
    fixture.key_is("new", 2);
    assert_eq!(stranger.get(KEYS).ok()["encrypted_key"], json!(envelope("bob's")));
    fixture.server.sign_in(&bob, &fixture.app).get(STATUS).ok();
    let body = json!({"email": fixture.user.email, "password": NEW, "api_key": elsewhere.api_key});
    let pair = fixture.server.anonymous().post("/api/sync/auth", &body).ok();
    let key = fixture.server.bearer(&text(&pair["token"])).get(KEYS).ok();
    assert_eq!((&key["encrypted_key"], &key["revision"]), (&json!(envelope("elsewhere")), &json!(1)));
}

#[test]
fn an_ended_session_changes_nothing() {
    let fixture = Fixture::new();
    let gone = fixture.server.sign_in(&fixture.user, &fixture.app);
    gone.post("/api/sync/auth/logout", &Value::Null).expect(204);
    gone.post(CHANGE, &change_to(NEW, &json!({}))).expect_error(401, "unauthenticated");
    fixture.server.anonymous().post(CHANGE, &change_to(NEW, &json!({}))).expect_error(401, "unauthenticated");
    fixture.nothing_has_changed();
}

#[test]
fn guesses_of_the_current_password_are_rate_limited() {
    const ATTEMPTS: usize = 50;
    let server = ServerSetup::default()
        .with("TIDELOG_AUTH_RATE_LIMIT_IP_BURST", "3")
        .with("TIDELOG_AUTH_RATE_LIMIT_IP_PER_SECOND", "1")
        .start();
    let me = server.signed_in_caller();
    // Requests refused before hashing count as well.
    let body = change_to(NEW, &json!({"encrypted_key": "no base64"}));
    let limited = (0..ATTEMPTS).map(|_| me.post(CHANGE, &body)).find(|response| response.status == 429);
    let limited = limited.expect("one of many attempts in a row is limited");
    limited.expect_error(429, "rate_limited");
    assert!(limited.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    me.get(STATUS).ok();
}
