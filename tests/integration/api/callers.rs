//! Access control: a table of every route and every kind of caller.
//!
//! The table must list the same operations as the server's OpenAPI document, so a route that is missing here fails
//! the test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use data_encoding::BASE64;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use tidelog_test_kit::{
    App, Caller, Contract, Operation, PASSWORD, Server, SigningKey, change, claims_of, fresh_id, hash_of,
    header_of,
};

/// How long a response may take. Far more than it needs: reaching this means that it does not come.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Anyone. Tokens are ignored.
    Public,
    /// Any live session, within its own log.
    Session,
    /// Like `Session`, but the request names a resource of the owner, which does not exist for anyone else.
    SessionOwner,
    /// Holders of a presigned URL issued to the owner. Tokens are ignored.
    PresignedUrl,
    /// Holders of an account token, within that account.
    AccountToken,
    /// Submitted forms. Tokens are ignored. The rules send JSON, so every caller gets 415.
    Page,
    /// Holders of an administrator's personal access token. For a token limited to another app, this app does not
    /// exist.
    AdminToken,
}

/// A route, who may call it, a request body, and the status that an authorised caller gets.
struct AccessRule {
    method: Method,
    path: &'static str,
    access: Access,
    body: fn(&Fixture) -> Option<Value>,
    response: u16,
}

fn row(
    method: Method,
    path: &'static str,
    access: Access,
    body: fn(&Fixture) -> Option<Value>,
    response: u16,
) -> AccessRule {
    AccessRule { method, path, access, body, response }
}

fn table() -> Vec<AccessRule> {
    use Access::{AccountToken, AdminToken, Page, PresignedUrl, Public, Session, SessionOwner};
    let nothing: fn(&Fixture) -> Option<Value> = |_| None;
    let empty: fn(&Fixture) -> Option<Value> = |_| Some(json!({}));
    let code: fn(&Fixture) -> Option<Value> = |_| Some(json!({"code": "000000"}));
    vec![
        row(Method::GET, "/health", Public, |_| None, 200),
        row(Method::GET, "/ready", Public, |_| None, 200),
        row(Method::GET, "/api/openapi.json", Public, |_| None, 200),
        row(Method::GET, "/api/sync/limits", Public, |_| None, 200),
        row(Method::GET, "/.well-known/oauth-authorization-server", Public, nothing, 200),
        row(Method::GET, "/oauth/authorize", Public, nothing, 400),
        row(Method::GET, "/oauth/consent", Public, nothing, 400),
        row(Method::POST, "/oauth/consent", Page, empty, 415),
        row(Method::POST, "/oauth/token", Public, empty, 400),
        row(Method::GET, "/oauth/userinfo", Session, nothing, 200),
        row(Method::POST, "/oauth/revoke", Public, empty, 400),
        row(Method::GET, "/oauth/icons/{app}", Public, nothing, 404),
        row(Method::POST, "/sign-in", Page, empty, 415),
        row(Method::GET, "/two-factor", Public, nothing, 400),
        row(Method::POST, "/two-factor", Page, empty, 415),
        row(Method::GET, "/forgot-password", Public, nothing, 404),
        row(Method::POST, "/forgot-password", Page, empty, 415),
        row(Method::GET, "/sign-up", Public, nothing, 404),
        row(Method::POST, "/sign-up", Page, empty, 415),
        row(Method::GET, "/setup/{secret}", Public, nothing, 404),
        row(Method::POST, "/setup/{secret}", Page, empty, 415),
        row(Method::GET, "/invite/{secret}", Public, nothing, 404),
        row(Method::POST, "/invite/{secret}", Page, empty, 415),
        row(Method::GET, "/reset/{secret}", Public, nothing, 404),
        row(Method::POST, "/reset/{secret}", Page, empty, 415),
        row(Method::GET, "/account", Public, nothing, 200),
        row(Method::GET, "/account/delete", Public, nothing, 303),
        row(Method::GET, "/account/export", Public, nothing, 303),
        row(Method::POST, "/account/delete", Page, empty, 415),
        row(Method::POST, "/account/sign-out", Page, empty, 415),
        row(Method::POST, "/account/password", Page, empty, 415),
        row(Method::POST, "/account/two-factor", Page, empty, 415),
        row(Method::POST, "/account/sessions/{id}", Page, empty, 415),
        row(Method::POST, "/account/devices/{id}", Page, empty, 415),
        row(
            Method::POST,
            "/api/account/token",
            Public,
            |_| Some(json!({"email": "nobody@example.org", "password": "wrong"})),
            401,
        ),
        row(Method::GET, "/api/account", AccountToken, nothing, 200),
        row(Method::GET, "/api/account/export", AccountToken, nothing, 200),
        row(Method::GET, "/api/account/sessions", AccountToken, nothing, 200),
        row(Method::GET, "/api/account/devices", AccountToken, nothing, 200),
        row(Method::POST, "/api/account/two-factor", AccountToken, nothing, 200),
        // With a wrong password or code: correct ones would end sessions that the next rules need.
        row(Method::POST, "/api/account/two-factor/confirm", AccountToken, code, 401),
        row(Method::POST, "/api/account/recovery-codes", AccountToken, code, 401),
        row(Method::DELETE, "/api/account/two-factor", AccountToken, code, 401),
        row(
            Method::POST,
            "/api/account/password",
            AccountToken,
            |_| Some(json!({"current_password": PASSWORD, "new_password": ""})),
            422,
        ),
        row(Method::DELETE, "/api/account", AccountToken, |_| Some(json!({"password": "wrong"})), 401),
        row(Method::DELETE, "/api/account/sessions/{id}", AccountToken, nothing, 404),
        row(Method::DELETE, "/api/account/devices/{id}", AccountToken, nothing, 404),
        row(Method::POST, "/api/account/logout", AccountToken, nothing, 204),
        row(
            Method::POST,
            "/api/sync/auth",
            Public,
            |_| Some(json!({"email": "a", "password": "b", "api_key": "c"})),
            401,
        ),
        row(Method::POST, "/api/sync/auth/refresh", Public, |_| Some(json!({"refresh_token": "none"})), 401),
        // A real change would end the sessions that the next rules need; an invalid new password ends none.
        row(
            Method::POST,
            "/api/sync/auth/password",
            Session,
            |_| Some(json!({"current_password": PASSWORD, "new_password": ""})),
            422,
        ),
        row(Method::GET, "/api/sync/devices", Session, |_| None, 200),
        row(
            Method::POST,
            "/api/sync/devices",
            Session,
            |_| Some(json!({"device_name": "New", "platform": "web"})),
            200,
        ),
        row(Method::GET, "/api/sync/status", Session, |_| None, 200),
        row(Method::PUT, "/api/sync/keys", Session, |_| Some(json!({"encrypted_key": "c2VhbGVk"})), 200),
        row(Method::GET, "/api/sync/keys", Session, |_| None, 200),
        row(
            Method::POST,
            "/api/sync/keys/rotate/begin",
            Session,
            |_| Some(json!({"new_encrypted_key": BASE64.encode(fresh_id().as_bytes())})),
            200,
        ),
        row(Method::GET, "/api/sync/keys/rotate", Session, |_| None, 200),
        row(Method::POST, "/api/sync/keys/rotate/entries", Session, |_| None, 200),
        row(
            Method::POST,
            "/api/sync/keys/rotate/batch",
            Session,
            |_| Some(json!({"entries": [{"seq": 1, "keep": true}]})),
            422,
        ),
        row(
            Method::POST,
            "/api/sync/keys/rotate/complete",
            Session,
            |_| Some(json!({"key_version": 1_000})),
            409,
        ),
        row(Method::POST, "/api/sync/keys/rotate/cancel", Session, |_| None, 204),
        row(Method::POST, "/api/sync/keys/rotate/blobs", Session, |_| None, 409),
        row(
            Method::POST,
            "/api/sync/keys/rotate/blobs/batch",
            Session,
            |fixture| Some(json!({"blobs": [{"hash": fixture.blob, "keep": true}]})),
            409,
        ),
        row(
            Method::POST,
            "/api/sync/blobs/upload",
            Session,
            |_| Some(json!({"hash": hash_of(b"another"), "size_bytes": 7})),
            200,
        ),
        row(
            Method::POST,
            "/api/sync/blobs/confirm",
            Session,
            |_| Some(json!({"hash": hash_of(b"another"), "size_bytes": 7})),
            409,
        ),
        row(
            Method::POST,
            "/api/sync/blobs/download",
            SessionOwner,
            |fixture| Some(json!({"hash": fixture.blob})),
            200,
        ),
        row(Method::GET, "/api/sync/blobs", Session, |_| None, 200),
        row(Method::PUT, "/api/sync/blobs/up/{token}", PresignedUrl, |_| Some(json!("BLOB")), 200),
        row(Method::GET, "/api/sync/blobs/down/{token}", PresignedUrl, |_| None, 200),
        row(Method::POST, "/api/sync/push", SessionOwner, |fixture| Some(fixture.batch()), 200),
        row(
            Method::POST,
            "/api/sync/pull",
            SessionOwner,
            |fixture| Some(json!({"device_id": fixture.device})),
            200,
        ),
        row(Method::GET, "/api/sync/subscribe", SessionOwner, |_| None, 200),
        row(Method::GET, "/api/sync/export", Session, |_| None, 200),
        row(Method::DELETE, "/api/sync/data", Session, |_| None, 204),
        row(Method::DELETE, "/api/sync/devices/{id}", SessionOwner, |_| None, 204),
        row(Method::DELETE, "/api/sync/blobs/{hash}", SessionOwner, |_| None, 204),
        row(Method::POST, "/api/sync/auth/logout", Session, |_| None, 204),
        row(
            Method::POST,
            "/api/admin/apps/{id}/sessions",
            AdminToken,
            |_| Some(json!({"external_id": "somebody"})),
            200,
        ),
    ]
}

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

#[test]
fn head_is_answered_on_every_route_with_the_status_and_the_headers_of_get() {
    let fixture = Fixture::new();
    for (caller, path) in fixture.get_routes() {
        let [get, head] = [Method::GET, Method::HEAD].map(|method| {
            let mut response = caller.call(method, &path, None);
            // They differ from one answer to the next.
            for (name, begin) in [
                ("date", ""),
                ("content-security-policy", "default-src 'none'; style-src 'nonce-"),
                ("set-cookie", ""),
            ] {
                let value = response.headers.get(name).map(|value| value.to_str().expect("text"));
                if value.is_some_and(|value| value.starts_with(begin)) {
                    response.headers.insert(name, HeaderValue::from_static("varies"));
                }
            }
            response
        });
        assert_eq!((head.status, &head.headers), (get.status, &get.headers), "{path}");
        assert!(
            head.headers.contains_key("content-length") || head.headers.contains_key("transfer-encoding")
        );
        assert_eq!(head.body, b"", "{path}");
    }
}

/// On one connection, where anything after the headers of a response would be taken for the next one, and where a
/// stream that stays open would never be followed by it.
#[test]
fn the_headers_are_all_that_head_is_answered_on_any_route() {
    let fixture = Fixture::new();
    let address = fixture.server.url().replace("http://", "");
    let mut connection = TcpStream::connect(&address).expect("a connection");
    connection.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut received = BufReader::new(connection.try_clone().expect("the same connection"));
    for (caller, path) in fixture.get_routes() {
        let token = caller.token();
        let request =
            format!("HEAD {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("it is sent");
        let headers = received.by_ref().lines().map(|line| line.expect("a response"));
        let headers: Vec<_> = headers.take_while(|line| !line.is_empty()).collect();
        assert!(headers[0].starts_with("HTTP/1.1 "), "after HEAD of the route before {path}: {}", headers[0]);
        assert!(!headers[0].starts_with("HTTP/1.1 405 "), "{path}");
    }
    let last = format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(last.as_bytes()).expect("it is sent");
    let mut rest = String::new();
    received.read_to_string(&mut rest).expect("a response");
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("}"), "{rest}");
}

#[test]
fn a_method_that_a_path_does_not_have_is_answered_with_those_that_it_has() {
    let server = Server::start();
    let anonymous = server.anonymous();
    for (method, path, allowed) in [
        (Method::POST, "/health", "GET, HEAD"),
        (Method::PUT, "/api/sync/devices", "POST, GET, HEAD"),
        (Method::GET, "/api/sync/push", "POST"),
        (Method::HEAD, "/api/sync/push", "POST"),
        (Method::POST, "/api/sync/blobs/down/token", "GET, HEAD"),
    ] {
        let refused = anonymous.call(method, path, None);
        assert_eq!((refused.status, refused.header("allow")), (405, allowed), "{}", refused.request_line());
    }
}
