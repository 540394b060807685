//! What ends a session ends it on its next request, also when the command line did it beside the running server.

use serde_json::{Value, json};

use tidelog_test_kit::{App, Caller, PASSWORD, Server, User, claims_of, text};

const STATUS: &str = "/api/sync/status";
const REFRESH: &str = "/api/sync/auth/refresh";

/// One user with two sessions in one app, and a bystander who shares nothing with them but the server.
struct Scene {
    server: Server,
    app: App,
    user: User,
    pairs: [Value; 2],
    bystander: Caller,
}

impl Scene {
    fn set() -> Self {
        let server = Server::start();
        let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
        let pairs = [server.tokens(&user, &app), server.tokens(&user, &app)];
        let bystander = server.sign_in(&server.new_user("bob@example.org"), &server.new_app("Tasks"));
        let scene = Self { server, app, user, pairs, bystander };
        (0..2).for_each(|session| scene.lives(session));
        scene
    }

    fn session(&self, number: usize) -> Caller {
        self.server.bearer(&text(&self.pairs[number]["token"]))
    }

    #[track_caller]
    fn lives(&self, session: usize) {
        self.session(session).get(STATUS).ok();
    }

    /// Neither its token nor its refresh token works.
    #[track_caller]
    fn is_over(&self, session: usize) {
        self.session(session).get(STATUS).refused(401, "unauthenticated");
        let refresh = json!({"refresh_token": self.pairs[session]["refresh_token"]});
        self.server.nobody().post(REFRESH, &refresh).refused(401, "unauthenticated");
        self.session(session).get(STATUS).refused(401, "unauthenticated");
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
    let scene = Scene::set();
    let session = text(&claims_of(scene.session(0).token())["sid"]);
    scene.command(&["session", "revoke", &session]);
    scene.is_over(0);
    scene.lives(1);
    scene.bystander_is_untouched();
}

#[test]
fn removing_a_device_ends_its_sessions() {
    let scene = Scene::set();
    let device = scene.session(0).device("Laptop");
    scene.session(1).device("Phone");
    scene.session(1).delete(&format!("/api/sync/devices/{device}")).expect(204);
    scene.is_over(0);
    scene.lives(1);
    scene.bystander_is_untouched();
}

#[test]
fn revoking_a_device_ends_its_sessions() {
    let scene = Scene::set();
    let device = scene.session(0).device("Laptop");
    scene.command(&["device", "revoke", &device]);
    scene.is_over(0);
    scene.lives(1);
    let pull = scene.session(1).post("/api/sync/pull", &json!({"device_id": device}));
    pull.refused(403, "device_revoked");
}

#[test]
fn resetting_a_password_ends_every_session() {
    let scene = Scene::set();
    let reset = ["user", "reset-password", &scene.user.email, "--password-stdin"];
    scene.server.cli().run_with_input(&reset, "another good password").json();
    scene.is_over(0);
    scene.is_over(1);
    scene.bystander_is_untouched();
    let sign_in = |password: &str| {
        let body = json!({"email": scene.user.email, "password": password, "api_key": scene.app.api_key});
        scene.server.nobody().post("/api/sync/auth", &body)
    };
    sign_in(PASSWORD).refused(401, "invalid_credentials");
    sign_in("another good password").ok();
}

#[test]
fn a_disabled_user_must_sign_in_again_after_being_enabled() {
    let scene = Scene::set();
    scene.command(&["user", "disable", &scene.user.email]);
    scene.is_over(0);
    scene.is_over(1);
    scene.bystander_is_untouched();
    scene.command(&["user", "enable", &scene.user.email]);
    scene.is_over(0);
    scene.server.sign_in(&scene.user, &scene.app).get(STATUS).ok();
}

#[test]
fn deleting_a_user_deletes_everything_and_frees_the_email() {
    let scene = Scene::set();
    let device = scene.session(0).device("Laptop");
    scene.session(0).push(&device, tidelog_test_kit::changes("row", 3));
    scene.command(&["user", "delete", &scene.user.email]);
    scene.is_over(0);
    scene.is_over(1);
    scene.bystander_is_untouched();
    let namesake = scene.server.new_user(&scene.user.email);
    assert_ne!(namesake.id, scene.user.id);
    let fresh = scene.server.sign_in(&namesake, &scene.app);
    assert_eq!(fresh.total_changes(), 0);
    assert_eq!(fresh.get("/api/sync/devices").ok(), json!([]));
}

#[test]
fn replacing_an_api_key_ends_the_sessions_of_the_app() {
    let scene = Scene::set();
    let other_app = scene.server.new_app("Other");
    let elsewhere = scene.server.sign_in(&scene.user, &other_app);
    let rotated = scene.server.cli().run(&["app", "rotate-key", &scene.app.name]).json();
    scene.is_over(0);
    scene.is_over(1);
    scene.bystander_is_untouched();
    elsewhere.get(STATUS).ok();
    let sign_in = |key: &Value| {
        let body = json!({"email": scene.user.email, "password": PASSWORD, "api_key": key});
        scene.server.nobody().post("/api/sync/auth", &body)
    };
    sign_in(&json!(scene.app.api_key)).refused(401, "invalid_credentials");
    sign_in(&rotated["api_key"]).ok();
}

#[test]
fn revocations_survive_a_restart() {
    let mut scene = Scene::set();
    let session = text(&claims_of(scene.session(0).token())["sid"]);
    scene.command(&["session", "revoke", &session]);
    scene.server.restart();
    scene.is_over(0);
    scene.lives(1);
    scene.server.stop();
    scene.command(&["user", "disable", &scene.user.email]);
    scene.server.start_again();
    scene.is_over(1);
    scene.bystander_is_untouched();
}
