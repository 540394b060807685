//! Being told of changes: `/subscribe`.

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

/// One user's laptop and phone, each signed in by itself.
struct Scene {
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
    /// Where its streams are.
    path: String,
}

impl Scene {
    fn set() -> Self {
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

    /// The address of its stream, from this position on.
    fn path_from(&self, cursor: &str) -> String {
        format!("{}&device_id={}&cursor={cursor}", self.path, self.device)
    }

    /// A stream that names the device and wants only what is yet to come.
    #[track_caller]
    fn listen(&self) -> EventReader {
        self.caller.open_stream(&format!("{}&device_id={}", self.path, self.device))
    }

    /// A stream that names no device.
    #[track_caller]
    fn listen_nameless(&self) -> EventReader {
        self.caller.open_stream(&self.path)
    }

    /// A stream that knows the log up to here.
    #[track_caller]
    fn listen_from(&self, cursor: &str) -> EventReader {
        self.caller.open_stream(&self.path_from(cursor))
    }

    /// Pushes one change; the newest cursor of the log.
    #[track_caller]
    fn push(&self, row: &str) -> String {
        self.caller.push(&self.device, vec![change(row)]);
        self.latest()
    }

    fn latest(&self) -> String {
        self.caller.get("/api/sync/status").ok()["latest_cursor"].to_string().replace('"', "")
    }

    /// Begins a rotation of the key: all streams of the log hear of it, at once and after what they heard before.
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

/// The seq in a cursor.
#[track_caller]
fn seq(cursor: &str) -> u64 {
    cursor.split('-').next().and_then(|seq| seq.parse().ok()).expect("a cursor begins with a seq")
}
