//! A server in this process that can be stopped, copied, restored from the copy, and restarted.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidelog::clock::Clock;
use tidelog::config::{Sources, load};
use tidelog::server::commands::{AppCommand, Command};
use tidelog::server::{self, Running};

use tidelog_test_kit::proxy::Proxy;

pub(crate) struct TestServer {
    folder: TempDir,
    copy: Option<TempDir>,
    running: Option<Running>,
    pub(crate) api_key: String,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let folder = tidelog::dev::temporary_data_folder().unwrap();
        let mut server = Self { folder, copy: None, running: None, api_key: String::new() };
        server.restart().await;
        let app = server.command(Command::App(AppCommand::Create { name: "music store".into() })).await;
        server.api_key = app["api_key"].as_str().unwrap().to_owned();
        server
    }

    pub(crate) fn url(&self) -> &str {
        self.running().url()
    }

    pub(crate) async fn command(&self, command: Command) -> serde_json::Value {
        let running = self.running();
        command.execute(running.command_context()).await.unwrap()
    }

    pub(crate) async fn stop(&mut self) {
        self.running.take().expect("the server runs").stop().await;
    }

    /// Copies the database while the server is stopped.
    pub(crate) async fn copy(&mut self, proxy: &Proxy) {
        self.stop().await;
        let copy = tempfile::tempdir().unwrap();
        copy_files(&self.data(), copy.path());
        self.copy = Some(copy);
        self.restart().await;
        proxy.point_to(self.url());
    }

    /// Restores the database from the copy; everything after it is lost. Returns `false` if there is no copy.
    pub(crate) async fn restore(&mut self, proxy: &Proxy) -> bool {
        let Some(copy) = self.copy.take() else { return false };
        self.stop().await;
        copy_files(copy.path(), &self.data());
        self.restart().await;
        proxy.point_to(self.url());
        true
    }

    pub(crate) fn forget_copy(&mut self) {
        self.copy = None;
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the server runs")
    }

    async fn restart(&mut self) {
        let mut sources = Sources::default();
        sources.flags.push(("data", self.data().to_string_lossy().into_owned()));
        sources.flags.push(("listen", "127.0.0.1:0".into()));
        sources.flags.push(("auth.rate_limit.ip_burst", "100000".into()));
        sources.flags.push(("auth.rate_limit.backoff_after_failures", "100000".into()));
        sources.flags.push(("shutdown_timeout_seconds", "1".into()));
        sources.flags.push(("storage.synchronous", "normal".into()));
        let (settings, _) = load(&sources).unwrap();
        self.running = Some(server::start(settings, Clock::system()).await.unwrap());
    }
}

/// Replaces the databases of one folder by those of another. None of them may be open.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    for old in databases(to) {
        fs::remove_file(old).unwrap();
    }
    for file in databases(from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// The database files of a folder. The shared-memory file of a write-ahead log is not part of the database.
fn databases(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_database = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.ends_with(".db") || name.ends_with(".db-wal")
    };
    paths.filter(is_database).collect()
}
