//! Access control: a table of every route and every kind of caller.
//!
//! The table must list the same operations as the server's OpenAPI document, so a route that is missing here fails
//! the test.

mod head;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use table::{Access, AccessRule, table};
use tidelog_test_kit::{
    App, Caller, Contract, Operation, PASSWORD, Server, SigningKey, change, claims_of, fresh_id, hash_of,
    header_of,
};

/// An owner with a device, and all other kinds of callers.
struct Fixture {
    server: Server,
    app: App,
    other_tenant_app: App,
    device: String,
    /// The hash of a blob, and the tokens of its presigned upload and download URLs.
    blob: String,
    upload_token: String,
    download_token: String,
    owner: Caller,
    other_user: Caller,
    other_app: Caller,
    without_session: Vec<(&'static str, Caller)>,
    /// Personal access tokens, and the status that administration routes return for each.
    access_tokens: Vec<(&'static str, Caller, u16)>,
    /// The owner's account session, which belongs to no app.
    account: Caller,
}

impl Fixture {
    fn new() -> Self {
        let mut server = Server::start();
        let (app, other_tenant_app) = (server.new_app("Notes"), server.new_app("Tasks"));
        let (ada, bob) = (server.new_user("ada@example.org"), server.new_user("bob@example.org"));
        let owner = server.sign_in(&ada, &app);
        let revoked = server.sign_in(&ada, &app);
        revoked.call(Method::POST, "/api/sync/auth/logout", None);
        let (other_user, other_app) = (server.sign_in(&bob, &app), server.sign_in(&ada, &other_tenant_app));
        let device = owner.device("Laptop");
        // Each has a key and a device of the same name, so that the same calls succeed for all.
        for caller in [&owner, &other_user, &other_app] {
            caller.put("/api/sync/keys", &json!({"encrypted_key": "c2VhbGVk"})).ok();
            caller.post("/api/sync/devices", &json!({"device_name": "New", "platform": "web"})).expect(201);
        }
        let blob = owner.put_blob(b"blob");
        let token = |url: String| url.rsplit('/').next().expect("a token").to_owned();
        let upload_token = token(owner.upload_url(&hash_of(b"sent"), 6));
        let download_token = token(owner.download_url(&blob));
        server.stop();
        let expired = expired(&SigningKey::stolen_from(&server.data()), owner.token());
        server.start_again();
        let without_session = vec![
            ("none", server.anonymous()),
            ("garbage", server.bearer("garbage")),
            ("expired", server.bearer(&expired)),
            ("revoked", revoked),
        ];
        let access_token = |arguments: &[&str]| {
            let created = server.cli().run(&[&["token", "create"], arguments].concat()).json();
            server.bearer(created["token"].as_str().expect("a token"))
        };
        let access_tokens = vec![
            ("administrator", access_token(&["--scope", "admin"]), 200),
            ("administrator of the app", access_token(&["--scope", "admin", "--app", "Notes"]), 200),
            ("administrator of another app", access_token(&["--scope", "admin", "--app", "Tasks"]), 404),
            ("publisher of the app", access_token(&["--scope", "ota", "--app", "Notes"]), 401),
        ];
        server.new_user("cleo@example.org");
        let credentials = json!({"email": ada.email, "password": PASSWORD});
        let account = server.anonymous().post("/api/account/token", &credentials).ok()["token"].clone();
        let account = server.bearer(account.as_str().expect("a token"));
        Self {
            server,
            app,
            other_tenant_app,
            device,
            blob,
            upload_token,
            download_token,
            owner,
            other_user,
            other_app,
            without_session,
            access_tokens,
            account,
        }
    }

    /// An account session of a user without devices.
    fn account_token(&self) -> Caller {
        let credentials = json!({"email": "cleo@example.org", "password": PASSWORD});
        let token = self.server.anonymous().post("/api/account/token", &credentials).ok()["token"].clone();
        self.server.bearer(token.as_str().expect("a token"))
    }

    fn batch(&self) -> Value {
        json!({"device_id": self.device, "batch_id": fresh_id(), "changes": [change("row")]})
    }

    /// The path of a route, about resources of the owner.
    fn path(&self, caller: &Caller, row: &AccessRule, prefix: &str) -> String {
        let token = if row.method == Method::PUT { &self.upload_token } else { &self.download_token };
        let id = if row.access == Access::AdminToken { &self.app.id } else { &self.device };
        let path = row.path.replace("{id}", id).replace("{hash}", &self.blob);
        let mut path = path.replace("{token}", token).replace("/api/sync", prefix);
        if path.ends_with("/subscribe") {
            // Naming another app than the token's is a different error with its own test.
            let app = if std::ptr::eq(caller, &self.other_app) { &self.other_tenant_app } else { &self.app };
            path = format!("{path}?app_id={}&device_id={}", app.id, self.device);
        }
        path
    }

    fn call(&self, caller: &Caller, row: &AccessRule, prefix: &str) -> u16 {
        let path = self.path(caller, row, prefix);
        let status = caller.call(row.method.clone(), &path, (row.body)(self).as_ref()).status;
        if row.method == Method::GET {
            let head = caller.call(Method::HEAD, &path, None).status;
            assert_eq!(head, status, "HEAD {path} lets in others than GET");
        }
        status
    }

    /// Returns the routes that answer GET, each with somebody who may call it.
    fn get_routes(&self) -> Vec<(&Caller, String)> {
        let rows = table().into_iter().filter(|row| row.method == Method::GET);
        let called = |row: AccessRule| {
            let caller = if row.access == Access::AccountToken { &self.account } else { &self.owner };
            (caller, self.path(caller, &row, "/api/sync"))
        };
        rows.map(called).collect()
    }
}

/// Returns the same token as if it had been issued a month earlier.
fn expired(key: &SigningKey, token: &str) -> String {
    const MONTH_SECONDS: i64 = 30 * 24 * 60 * 60;
    let mut claims = claims_of(token);
    for claim in ["iat", "exp"] {
        claims[claim] = json!(claims[claim].as_i64().expect("a number") - MONTH_SECONDS);
    }
    key.sign(&header_of(token), &claims)
}

#[test]
fn the_access_table_and_the_openapi_document_list_the_same_operations() {
    let _server = Server::start();
    let operation =
        |row: &AccessRule| Operation { method: row.method.to_string(), path: row.path.to_owned() };
    let in_table: BTreeSet<_> = table().iter().map(operation).collect();
    let documented = Contract::operations();
    let without_rule: Vec<_> = documented.difference(&in_table).collect();
    let without_route: Vec<_> = in_table.difference(&documented).collect();
    assert!(without_rule.is_empty(), "routes without an access rule: {without_rule:?}");
    assert!(without_route.is_empty(), "access rules without a documented route: {without_route:?}");
}

#[test]
fn every_route_answers_every_kind_of_caller_as_the_access_table_says() {
    let fixture = Fixture::new();
    let mut wrong = BTreeMap::new();
    for prefix in ["/api/sync", "/api/v1/sync"] {
        for row in table() {
            let mut expect = |who: &str, caller: &Caller, status: u16| {
                let answered = fixture.call(caller, &row, prefix);
                if answered != status {
                    let what = format!("{} {} {who}", row.method, row.path.replace("/api/sync", prefix));
                    wrong.insert(what, format!("answered {answered}, not {status}"));
                }
            };
            let needs_none = matches!(row.access, Access::Public | Access::PresignedUrl | Access::Page);
            for (who, caller) in &fixture.without_session {
                expect(who, caller, if needs_none { row.response } else { 401 });
            }
            if row.access == Access::AccountToken {
                // This caller is another account, which owns none of the fixture's resources.
                let account = fixture.account_token();
                expect("account", &account, row.response);
            } else {
                expect("account", &fixture.account, if needs_none { row.response } else { 401 });
            }
            for (who, caller, administered) in &fixture.access_tokens {
                let response = match row.access {
                    Access::Public | Access::PresignedUrl | Access::Page => row.response,
                    Access::AdminToken => *administered,
                    Access::Session | Access::SessionOwner | Access::AccountToken => 401,
                };
                expect(who, caller, response);
            }
            if matches!(row.access, Access::AdminToken | Access::AccountToken) {
                for caller in [&fixture.owner, &fixture.other_user, &fixture.other_app] {
                    expect("session", caller, 401);
                }
                continue;
            }
            // These would end the sessions that the next rules need; they have their own tests.
            if ["/api/sync/auth/logout", "/api/sync/data"].contains(&row.path) {
                continue;
            }
            let to_strangers = if row.access == Access::SessionOwner { 404 } else { row.response };
            expect("other user", &fixture.other_user, to_strangers);
            expect("other app", &fixture.other_app, to_strangers);
            if row.method != Method::DELETE {
                expect("owner", &fixture.owner, row.response);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(fixture.owner.total_changes(), 2, "one push by the owner under each prefix, none by others");
    assert_eq!(fixture.other_user.total_changes() + fixture.other_app.total_changes(), 0);
}

#[test]
fn the_owner_may_remove_the_device_and_sign_out() {
    let fixture = Fixture::new();
    let destroying = |path: &str| table().into_iter().find(|row| row.path == path).expect("a row");
    let remove = destroying("/api/sync/devices/{id}");
    assert_eq!(fixture.call(&fixture.owner, &remove, "/api/sync"), remove.response);
    let logout = destroying("/api/sync/auth/logout");
    assert_eq!(fixture.call(&fixture.other_user, &logout, "/api/v1/sync"), logout.response);
    for out in [&fixture.owner, &fixture.other_user] {
        out.get("/api/sync/status").expect_error(401, "unauthenticated");
    }
}
