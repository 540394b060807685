//! A server that can be stopped, restarted, and restored to an earlier state.

use std::path::Path;

use tempfile::TempDir;
use tidelog::clock::Clock;
use tidelog::config::{Sources, load};
use tidelog::dev;
use tidelog::server::{self, Running};
use tidelog_client::SyncKitConfig;

use crate::replica::setup::Installation;
use tidelog_test_kit::sdk::{PASSPHRASE, builder};

pub(crate) const TODOS: &str = "CREATE TABLE todos (id TEXT PRIMARY KEY, title TEXT NOT NULL) STRICT;";

/// A server whose database can be copied and restored.
pub(crate) struct RestartableServer {
    folder: TempDir,
    listen: String,
    running: Option<Running>,
    pub(crate) sample: dev::Sample,
}

impl RestartableServer {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = start(&folder.path().join("data"), "127.0.0.1:0").await;
        let listen = running.url().trim_start_matches("http://").to_owned();
        let sample = dev::create_sample(running.command_context()).await.unwrap();
        Self { folder, listen, running: Some(running), sample }
    }

    pub(crate) async fn copy(&mut self) {
        self.copy_files("data", "copy").await;
    }

    pub(crate) async fn restore(&mut self) {
        self.copy_files("copy", "data").await;
    }

    pub(crate) async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.running = Some(start(&self.folder.path().join("data"), &self.listen).await);
    }

    async fn copy_files(&mut self, from: &str, to: &str) {
        self.stop().await;
        let (from, to) = (self.folder.path().join(from), self.folder.path().join(to));
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
        self.restart().await;
    }

    pub(crate) async fn install(&self, name: &str) -> Installation {
        let config = SyncKitConfig {
            server_url: format!("http://{}", self.listen),
            api_key: self.sample.api_key.clone(),
        };
        let client = builder(config).build();
        client.authenticate(&self.sample.email, &self.sample.password).await.unwrap();
        client.setup_encryption_new(PASSPHRASE).await.unwrap();
        let device = client.register_device(name, "linux").await.unwrap();
        Installation::with(client, device, TODOS, ["todos"])
    }
}

async fn start(data: &Path, listen: &str) -> Running {
    let mut sources = Sources::default();
    sources.flags.push(("data", data.to_string_lossy().into_owned()));
    sources.flags.push(("listen", listen.to_owned()));
    sources.flags.push(("shutdown_timeout_seconds", String::from("1")));
    let (settings, _) = load(&sources).unwrap();
    server::start(settings, Clock::system()).await.unwrap()
}
