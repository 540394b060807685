//! Requests whose caller loses access while the body is still arriving: authorised when the head arrives, refused at
//! the end.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use tidelog_test_kit::{Caller, PASSWORD, Server, change, fresh_id};

/// A request of which all but the last byte has been sent.
struct SlowRequest {
    stream: TcpStream,
    last: u8,
}

impl SlowRequest {
    fn start(server: &Server, caller: &Caller, line: &str, body: &Value) -> Self {
        let address = server.url().replace("http://", "");
        let mut stream = TcpStream::connect(&address).expect("the server listens");
        let body = body.to_string();
        let (now, later) = body.as_bytes().split_at(body.len() - 1);
        let head = format!(
            "{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            caller.token(),
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("the head is sent");
        // The server asks for the body after it has authorised the request.
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).expect("the server wants the body");
        assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&go_on));
        stream.write_all(now).expect("most of the body is sent");
        Self { stream, last: later[0] }
    }

    #[track_caller]
    fn expect_refused(mut self) {
        self.stream.write_all(&[self.last]).expect("the rest of the body is sent");
        let mut response = String::new();
        self.stream.read_to_string(&mut response).expect("a response");
        assert!(response.starts_with("HTTP/1.1 401"), "{response}");
    }
}

#[test]
fn what_a_revoked_caller_had_under_way_is_not_carried_out() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let (me, witness) = (server.sign_in(&user, &app), server.sign_in(&user, &app));
    let device = me.device("Laptop");
    let push = json!({"device_id": device, "batch_id": fresh_id(), "changes": [change("late")]});
    let requests = [
        SlowRequest::start(&server, &me, "POST /api/sync/push", &push),
        SlowRequest::start(&server, &me, "PUT /api/sync/keys", &json!({"encrypted_key": "bGF0ZQ=="})),
        SlowRequest::start(
            &server,
            &me,
            "POST /api/sync/devices",
            &json!({"device_name": "Late", "platform": "web"}),
        ),
        SlowRequest::start(&server, &me, "POST /api/sync/pull", &json!({"device_id": device})),
        SlowRequest::start(
            &server,
            &me,
            "POST /api/sync/auth/password",
            &json!({"current_password": PASSWORD, "new_password": "a late password"}),
        ),
    ];
    me.post("/api/sync/auth/logout", &Value::Null).expect(204);
    requests.into_iter().for_each(SlowRequest::expect_refused);
    server.sign_in(&user, &app);
    assert_eq!(witness.total_changes(), 0);
    witness.get("/api/sync/keys").expect_error(404, "not_found");
    assert_eq!(witness.get("/api/sync/devices").ok().as_array().map(Vec::len), Some(1));
}

#[test]
fn what_a_deleted_user_had_under_way_lands_in_nobody_elses_log() {
    let server = Server::start();
    let app = server.new_app("Notes");
    let gone = server.new_user("gone@example.org");
    let caller = server.sign_in(&gone, &app);
    let requests = [
        SlowRequest::start(&server, &caller, "PUT /api/sync/keys", &json!({"encrypted_key": "bGF0ZQ=="})),
        SlowRequest::start(
            &server,
            &caller,
            "POST /api/sync/devices",
            &json!({"device_name": "Spy", "platform": "web"}),
        ),
    ];
    server.cli().run(&["user", "delete", "gone@example.org"]).json();
    let heir = server.sign_in(&server.new_user("heir@example.org"), &app);
    requests.into_iter().for_each(SlowRequest::expect_refused);
    heir.get("/api/sync/keys").expect_error(404, "not_found");
    assert_eq!(heir.get("/api/sync/devices").ok(), json!([]));
}
