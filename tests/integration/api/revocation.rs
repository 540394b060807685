//! A revoked session is refused from its next request on, also when the command line revokes it while the server runs.

use serde_json::{Value, json};

use tidelog_test_kit::{App, Caller, PASSWORD, Server, User, claims_of, text};

const STATUS: &str = "/api/sync/status";
const REFRESH: &str = "/api/sync/auth/refresh";

/// One user with two sessions in one app, and an unrelated user on the same server.
struct Fixture {
    server: Server,
    app: App,
    user: User,
    pairs: [Value; 2],
    bystander: Caller,
}

impl Fixture {
    fn new() -> Self {
        let server = Server::start();
        let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
        let pairs = [server.tokens(&user, &app), server.tokens(&user, &app)];
        let bystander = server.sign_in(&server.new_user("bob@example.org"), &server.new_app("Tasks"));
        let fixture = Self { server, app, user, pairs, bystander };
        (0..2).for_each(|session| fixture.assert_valid(session));
        fixture
    }

    fn session(&self, number: usize) -> Caller {
        self.server.bearer(&text(&self.pairs[number]["token"]))
    }

    #[track_caller]
    fn assert_valid(&self, session: usize) {
        self.session(session).get(STATUS).ok();
    }

    /// Asserts that neither the access token nor the refresh token works.
    #[track_caller]
    fn assert_revoked(&self, session: usize) {
        self.session(session).get(STATUS).expect_error(401, "unauthenticated");
        let refresh = json!({"refresh_token": self.pairs[session]["refresh_token"]});
        self.server.anonymous().post(REFRESH, &refresh).expect_error(401, "unauthenticated");
        self.session(session).get(STATUS).expect_error(401, "unauthenticated");
    }

    #[track_caller]
    fn bystander_is_untouched(&self) {
        self.bystander.get(STATUS).ok();
    }

    #[track_caller]
    fn command(&self, arguments: &[&str]) {
        self.server.cli().run(arguments).json();
    }
}

#[test]
fn revoking_a_session_takes_effect_at_once_and_keeps_the_others() {
    let fixture = Fixture::new();
    let session = text(&claims_of(fixture.session(0).token())["sid"]);
    fixture.command(&["session", "revoke", &session]);
    fixture.assert_revoked(0);
    fixture.assert_valid(1);
    fixture.bystander_is_untouched();
}

#[test]
fn removing_a_device_ends_its_sessions() {
    let fixture = Fixture::new();
    let device = fixture.session(0).device("Laptop");
    fixture.session(1).device("Phone");
    fixture.session(1).delete(&format!("/api/sync/devices/{device}")).expect(204);
    fixture.assert_revoked(0);
    fixture.assert_valid(1);
    fixture.bystander_is_untouched();
}

#[test]
fn revoking_a_device_ends_its_sessions() {
    let fixture = Fixture::new();
    let device = fixture.session(0).device("Laptop");
    fixture.command(&["device", "revoke", &device]);
    fixture.assert_revoked(0);
    fixture.assert_valid(1);
    let pull = fixture.session(1).post("/api/sync/pull", &json!({"device_id": device}));
    pull.expect_error(403, "device_revoked");
}

#[test]
fn resetting_a_password_ends_every_session() {
    let fixture = Fixture::new();
    let reset = ["user", "reset-password", &fixture.user.email, "--password-stdin"];
    fixture.server.cli().run_with_input(&reset, "another good password").json();
    fixture.assert_revoked(0);
    fixture.assert_revoked(1);
    fixture.bystander_is_untouched();
    let sign_in = |password: &str| {
        let body = json!({"email": fixture.user.email, "password": password, "api_key": fixture.app.api_key});
        fixture.server.anonymous().post("/api/sync/auth", &body)
    };
    sign_in(PASSWORD).expect_error(401, "invalid_credentials");
    sign_in("another good password").ok();
}

#[test]
fn a_disabled_user_must_sign_in_again_after_being_enabled() {
    let fixture = Fixture::new();
    fixture.command(&["user", "disable", &fixture.user.email]);
    fixture.assert_revoked(0);
    fixture.assert_revoked(1);
    fixture.bystander_is_untouched();
    fixture.command(&["user", "enable", &fixture.user.email]);
    fixture.assert_revoked(0);
    fixture.server.sign_in(&fixture.user, &fixture.app).get(STATUS).ok();
}

#[test]
fn deleting_a_user_deletes_everything_and_frees_the_email() {
    let fixture = Fixture::new();
    let device = fixture.session(0).device("Laptop");
    fixture.session(0).push(&device, tidelog_test_kit::changes("row", 3));
    fixture.command(&["user", "delete", &fixture.user.email]);
    fixture.assert_revoked(0);
    fixture.assert_revoked(1);
    fixture.bystander_is_untouched();
    let namesake = fixture.server.new_user(&fixture.user.email);
    assert_ne!(namesake.id, fixture.user.id);
    let fresh = fixture.server.sign_in(&namesake, &fixture.app);
    assert_eq!(fresh.total_changes(), 0);
    assert_eq!(fresh.get("/api/sync/devices").ok(), json!([]));
}

#[test]
fn replacing_an_api_key_ends_the_sessions_of_the_app() {
    let fixture = Fixture::new();
    let other_app = fixture.server.new_app("Other");
    let elsewhere = fixture.server.sign_in(&fixture.user, &other_app);
    let rotated = fixture.server.cli().run(&["app", "rotate-key", &fixture.app.name]).json();
    fixture.assert_revoked(0);
    fixture.assert_revoked(1);
    fixture.bystander_is_untouched();
    elsewhere.get(STATUS).ok();
    let sign_in = |key: &Value| {
        let body = json!({"email": fixture.user.email, "password": PASSWORD, "api_key": key});
        fixture.server.anonymous().post("/api/sync/auth", &body)
    };
    sign_in(&json!(fixture.app.api_key)).expect_error(401, "invalid_credentials");
    sign_in(&rotated["api_key"]).ok();
}

#[test]
fn revocations_survive_a_restart() {
    let mut fixture = Fixture::new();
    let session = text(&claims_of(fixture.session(0).token())["sid"]);
    fixture.command(&["session", "revoke", &session]);
    fixture.server.restart();
    fixture.assert_revoked(0);
    fixture.assert_valid(1);
    fixture.server.stop();
    fixture.command(&["user", "disable", &fixture.user.email]);
    fixture.server.start_again();
    fixture.assert_revoked(1);
    fixture.bystander_is_untouched();
}
