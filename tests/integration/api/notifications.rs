//! Event streams: `/subscribe`.

mod caps;
mod catching_up;
mod endings;
mod hearing;
mod reconnects;
mod refusals;
mod slow_readers;

use serde_json::json;

use tidelog_test_kit::{App, Caller, EventReader, Server, ServerSetup, User, change, fresh_id};

const SUBSCRIBE: &str = "/api/sync/subscribe";

/// One user's laptop and phone, each with its own session.
struct Fixture {
    server: Server,
    app: App,
    user: User,
    laptop: Installation,
    phone: Installation,
}

/// A signed-in program on a device.
#[derive(Clone)]
struct Installation {
    caller: Caller,
    device: String,
    /// Path of its event streams.
    path: String,
}

impl Fixture {
    fn new() -> Self {
        Self::on(Server::start())
    }

    fn with(name: &str, value: &str) -> Self {
        Self::on(ServerSetup::default().with(name, value).start())
    }

    fn on(server: Server) -> Self {
        let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
        let laptop = Installation::new(&server, &user, &app, "Laptop");
        let phone = Installation::new(&server, &user, &app, "Phone");
        Self { server, app, user, laptop, phone }
    }

    fn latest(&self) -> String {
        self.laptop.latest()
    }
}

impl Installation {
    fn new(server: &Server, user: &User, app: &App, name: &str) -> Self {
        let caller = server.sign_in(user, app);
        let device = caller.device(name);
        let path = format!("{SUBSCRIBE}?app_id={}", app.id);
        Self { caller, device, path }
    }

    /// Returns the path of its event stream from this cursor on.
    fn path_from(&self, cursor: &str) -> String {
        format!("{}&device_id={}&cursor={cursor}", self.path, self.device)
    }

    /// Opens a stream that names the device and starts with future events.
    #[track_caller]
    fn listen(&self) -> EventReader {
        self.caller.open_stream(&format!("{}&device_id={}", self.path, self.device))
    }

    /// Opens a stream that names no device.
    #[track_caller]
    fn listen_without_device(&self) -> EventReader {
        self.caller.open_stream(&self.path)
    }

    /// Opens a stream from this cursor on.
    #[track_caller]
    fn listen_from(&self, cursor: &str) -> EventReader {
        self.caller.open_stream(&self.path_from(cursor))
    }

    /// Pushes one change and returns the newest cursor.
    #[track_caller]
    fn push(&self, row: &str) -> String {
        self.caller.push(&self.device, vec![change(row)]);
        self.latest()
    }

    fn latest(&self) -> String {
        self.caller.get("/api/sync/status").ok()["latest_cursor"].to_string().replace('"', "")
    }

    /// Begins a key rotation, which sends `keys` to all streams of the log at once, after the events before it.
    #[track_caller]
    fn rotate(&self) {
        let envelope = data_encoding::BASE64.encode(fresh_id().as_bytes());
        self.caller.post("/api/sync/keys/rotate/begin", &json!({"new_encrypted_key": envelope})).ok();
    }

    #[track_caller]
    fn cancel_rotation(&self) {
        self.caller.call(reqwest::Method::POST, "/api/sync/keys/rotate/cancel", None).expect(204);
    }

    #[track_caller]
    fn set_key(&self) {
        self.caller.put("/api/sync/keys", &json!({"encrypted_key": "c2VhbGVk"})).ok();
    }
}

/// Returns the seq in a cursor.
#[track_caller]
fn seq(cursor: &str) -> u64 {
    cursor.split('-').next().and_then(|seq| seq.parse().ok()).expect("a cursor begins with a seq")
}
