//! The audit log records sign-ins, failed sign-ins, and changes to accounts and apps.

use serde_json::{Value, json};
use tidelog::server::commands::{AuditCommand, Command};

use tidelog_test_kit::{
    App, Caller, ManualClockServer, PASSWORD, Server, ServerSetup, User, credentials, text,
};

struct Fixture {
    server: Server,
    app: App,
    user: User,
}

impl Fixture {
    /// Starts a server that trusts the test as its proxy.
    fn new() -> Self {
        let server = ServerSetup::default().with("TIDELOG_TRUSTED_PROXIES", "127.0.0.1").start();
        let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
        Self { server, app, user }
    }

    /// Returns the rows, newest first.
    fn audit(&self, arguments: &[&str]) -> Vec<Value> {
        let rows = self.server.cli().run(&[&["audit"], arguments].concat()).json();
        rows.as_array().expect("a list").clone()
    }

    fn newest(&self) -> Value {
        self.audit(&["--limit", "1"]).remove(0)
    }

    fn from(&self, address: &str) -> Caller {
        self.server.anonymous().forwarded_for(address)
    }

    fn sign_in(&self, address: &str) -> Caller {
        let tokens = self.from(address).post("/api/sync/auth", &credentials(&self.user, &self.app)).ok();
        self.from(address).with_token(&text(&tokens["token"]))
    }

    fn fail(&self, address: &str, email: &str) {
        let mut wrong = credentials(&self.user, &self.app);
        wrong["email"] = email.into();
        wrong["password"] = "a secret of somebody".into();
        self.from(address).post("/api/sync/auth", &wrong).expect_error(401, "invalid_credentials");
    }

    fn cli(&self, arguments: &[&str]) {
        self.server.cli().run(arguments).json();
    }
}

#[test]
fn sign_ins_and_sign_outs_are_listed_newest_first_with_client_ips() {
    let fixture = Fixture::new();
    let me = fixture.sign_in("203.0.113.7");
    me.post("/api/sync/auth/logout", &Value::Null).expect(204);
    let rows = fixture.audit(&["--limit", "2"]);
    for (row, action) in rows.iter().zip(["signed_out", "signed_in"]) {
        assert_eq!(row["action"], action);
        assert_eq!(row["email"], fixture.user.email.as_str());
        assert_eq!(row["user_id"], fixture.user.id.as_str());
        assert_eq!(row["app"], "Notes");
        assert_eq!(row["client_ip"], "203.0.113.7");
        assert!(row["at"].is_string());
    }
    assert_eq!(rows.len(), 2);
    let others = fixture.server.new_user("bob@example.org");
    let of_bob = fixture.audit(&["--user", &others.email]);
    assert_eq!(of_bob.len(), 1);
    assert_eq!((&of_bob[0]["action"], &of_bob[0]["client_ip"]), (&json!("user_created"), &Value::Null));
    assert_eq!(fixture.audit(&["--user", &others.id]), of_bob);
    fixture.server.cli().run(&["audit", "--user", "nobody@example.org"]).expect_refusal();
    let table = fixture.server.cli().run_plain(&["audit"]).text();
    assert!(table.starts_with("at") && table.contains("signed_in"), "{table}");
}

#[test]
fn failures_are_recorded_once_per_account_and_client_ip_and_name_no_unknown_user() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.fail("203.0.113.7", "ADA@example.org ");
    }
    fixture.fail("203.0.113.8", "ada@example.org");
    fixture.fail("203.0.113.8", "my password, typed into the wrong field");
    let rows = fixture.audit(&["--limit", "3"]);
    assert!(rows.iter().all(|row| row["action"] == "sign_in_failed"), "{rows:?}");
    let row = |address: &str, user: Value| {
        let found = rows.iter().find(|row| row["client_ip"] == address && row["user_id"] == user);
        text(&found.unwrap_or_else(|| panic!("no row of {address}: {rows:?}"))["detail"])
    };
    assert_eq!(row("203.0.113.7", json!(fixture.user.id)), "password, 3 times");
    assert_eq!(row("203.0.113.8", json!(fixture.user.id)), "password");
    assert_eq!(row("203.0.113.8", Value::Null), "password");
    assert!(!format!("{:?}", fixture.audit(&[])).contains("typed"));
}

#[test]
fn changes_of_accounts_and_apps_are_recorded_with_their_actor() {
    let fixture = Fixture::new();
    let me = fixture.sign_in("203.0.113.7");
    let device = me.device("Laptop");
    me.delete(&format!("/api/sync/devices/{device}")).expect(204);
    let removed = fixture.newest();
    assert_eq!((&removed["action"], &removed["detail"]), (&json!("device_removed"), &json!(device)));
    assert_eq!(removed["client_ip"], "203.0.113.7");

    let me = fixture.sign_in("203.0.113.7");
    let change = json!({"current_password": PASSWORD, "new_password": "another good password"});
    me.post("/api/sync/auth/password", &change).ok();
    assert_eq!(fixture.newest()["action"], "password_changed");

    let by_operator: [(&[&str], &str); 5] = [
        (&["user", "disable", "ada@example.org"], "user_disabled"),
        (&["user", "enable", "ada@example.org"], "user_enabled"),
        (&["app", "set", "Notes", "blob_hash=verified"], "app_set"),
        (&["app", "rotate-key", "Notes"], "app_key_rotated"),
        (&["app", "create", "Photos"], "app_created"),
    ];
    for (arguments, action) in by_operator {
        fixture.cli(arguments);
        let newest = fixture.newest();
        assert_eq!(newest["action"], action);
        assert_eq!(newest["client_ip"], Value::Null, "{action}");
    }
    fixture
        .server
        .cli()
        .run_with_input(&["user", "reset-password", "ada@example.org", "--password-stdin"], PASSWORD)
        .json();
    let reset = fixture.newest();
    assert_eq!((&reset["action"], &reset["detail"]), (&json!("password_changed"), &json!("by an operator")));
}

#[test]
fn an_ended_session_is_recorded() {
    let fixture = Fixture::new();
    fixture.sign_in("203.0.113.7");
    let session = text(&fixture.server.cli().run(&["session", "list"]).json()[0]["session_id"]);
    fixture.cli(&["session", "revoke", &session]);
    let ended = fixture.newest();
    assert_eq!((&ended["action"], &ended["client_ip"]), (&json!("session_ended"), &Value::Null));
}

#[test]
fn reuse_of_a_refresh_token_is_recorded() {
    let server = ManualClockServer::start(&[]);
    let refresh =
        |token: &Value| server.anonymous().post("/api/sync/auth/refresh", &json!({"refresh_token": token}));
    let first = server.anonymous().post("/api/sync/auth", &server.credentials()).ok();
    let second = refresh(&first["refresh_token"]).ok();
    refresh(&second["refresh_token"]).ok();
    server.advance_seconds(61);
    refresh(&first["refresh_token"]).expect_error(401, "unauthenticated");
    let newest = server.command(Command::Audit(AuditCommand { user: None, limit: 1 }));
    assert_eq!(
        (&newest[0]["action"], &newest[0]["client_ip"]),
        (&json!("refresh_reused"), &json!("127.0.0.1"))
    );
}

#[test]
fn the_audit_log_holds_no_secret() {
    let fixture = Fixture::new();
    let tokens = fixture.server.tokens(&fixture.user, &fixture.app);
    fixture.fail("203.0.113.7", "ada@example.org");
    fixture.fail("203.0.113.7", PASSWORD);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    fixture.server.anonymous().post("/api/sync/auth/refresh", &refresh).ok();
    let key = text(&fixture.server.cli().run(&["app", "rotate-key", "Notes"]).json()["api_key"]);
    let audit_log = fixture.server.cli().run(&["audit", "--limit", "1000"]).text();
    let (token, refresh) = (text(&tokens["token"]), text(&tokens["refresh_token"]));
    for secret in [PASSWORD, "a secret of somebody", &token, &refresh, &fixture.app.api_key, &key] {
        assert!(!audit_log.contains(secret), "it contains {secret}");
    }
}

#[test]
fn deleting_a_user_deletes_their_audit_records() {
    let fixture = Fixture::new();
    fixture.sign_in("203.0.113.7");
    fixture.cli(&["user", "delete", "ada@example.org"]);
    let rows = fixture.audit(&[]);
    assert!(rows.iter().all(|row| row["user_id"].is_null() && row["email"].is_null()), "{rows:?}");
    assert!(!format!("{rows:?}").contains("203.0.113.7"));
    assert_eq!((&rows[0]["action"], &rows[0]["detail"]), (&json!("user_deleted"), &json!(fixture.user.id)));
}

#[test]
fn trusted_ips_survive_a_restart() {
    let mut fixture = Fixture {
        server: ServerSetup::default()
            .with("TIDELOG_TRUSTED_PROXIES", "127.0.0.1")
            .with("TIDELOG_AUTH_RATE_LIMIT_ACCOUNT_BURST", "5")
            .with("TIDELOG_AUTH_RATE_LIMIT_ACCOUNT_REFILL_SECONDS", "100000")
            .start(),
        app: App { name: String::new(), id: String::new(), api_key: String::new() },
        user: User { email: String::new(), id: String::new() },
    };
    fixture.app = fixture.server.new_app("Notes");
    fixture.user = fixture.server.new_user("ada@example.org");
    fixture.sign_in("203.0.113.7");
    fixture.sign_in("2001:db8:1:2::3");
    fixture.server.restart();
    for number in 0..5 {
        fixture.fail(&format!("198.51.100.{number}"), "ada@example.org");
    }
    let right = credentials(&fixture.user, &fixture.app);
    fixture.from("198.51.100.99").post("/api/sync/auth", &right).expect_error(429, "rate_limited");
    fixture.sign_in("203.0.113.7");
    fixture.sign_in("2001:db8:1:2:ffff::1");
}
