//! A user, and the to-do app on the user's devices.

use std::process::Command;

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::todo::terminal::Terminal;
use tidelog_test_kit::proxy::Proxy;
use tidelog_test_kit::{App, PASSWORD, Server, User};

pub(crate) const PASSPHRASE: &str = "seven wet geese over the harbour";

/// A server whose URL survives restarts, and a folder for the devices' files.
pub(crate) struct Fixture {
    pub(crate) server: Server,
    proxy: Proxy,
    app: App,
    user: User,
    home: TempDir,
    _runtime: Runtime,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let server = Server::start();
        let (app, user) = (server.new_app("Todos"), server.new_user("mia@example.com"));
        let runtime = Runtime::new().expect("a runtime");
        let proxy = runtime.block_on(Proxy::in_front_of(&server.url()));
        Self { server, proxy, app, user, home: tempfile::tempdir().expect("a folder"), _runtime: runtime }
    }

    /// Starts the server again at the same URL.
    pub(crate) fn start_again(&mut self) {
        self.server.start_again();
        self.proxy.redirector()(&self.server.url());
    }

    /// Returns the app on a device, with an empty environment.
    pub(crate) fn app_on(&self, device: &str) -> Command {
        let mut app = Command::new(tidelog_test_kit::example("todo"));
        app.args(["--server", self.proxy.url(), "--api-key", &self.app.api_key, "--email", &self.user.email]);
        app.arg("--database").arg(self.home.path().join(format!("{device}.db")));
        app
    }

    /// Starts the app on a device with credentials in its environment, and waits until it is live.
    pub(crate) fn start(&self, device: &str) -> Terminal {
        let mut app = self.app_on(device);
        app.env("TIDELOG_PASSWORD", PASSWORD).env("TIDELOG_PASSPHRASE", PASSPHRASE);
        let terminal = Terminal::run(&app);
        terminal.wait_for("● live");
        terminal
    }
}
