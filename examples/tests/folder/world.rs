//! A user, and folders that the program keeps the same.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;
use tidelog::dev::Server;
use tidelog_client::{KdfCost, MemoryStore, SyncKitClient, SyncKitConfig};

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

pub(crate) struct World {
    pub(crate) server: Server,
}

impl World {
    /// The user's key is there, made cheaply.
    pub(crate) async fn new() -> Self {
        let world = Self { server: Server::start().await.expect("a server") };
        world.client().await;
        world
    }

    /// The user without the program.
    pub(crate) async fn client(&self) -> SyncKitClient {
        let config =
            SyncKitConfig { server_url: self.server.url().into(), api_key: self.server.api_key().into() };
        let builder = SyncKitClient::builder(config).key_store(MemoryStore::new()).kdf_cost(KdfCost::MIN);
        let client = builder.build();
        client.authenticate(self.server.email(), self.server.password()).await.expect("a session");
        client.setup_encryption_new(PASSPHRASE).await.expect("a key");
        client
    }

    pub(crate) fn folder(&self) -> Folder {
        let outer = TempDir::new().expect("a folder");
        let inner = outer.path().join("synced");
        fs::create_dir(&inner).expect("a folder");
        let arguments = [
            "--server",
            self.server.url(),
            "--api-key",
            self.server.api_key(),
            "--email",
            self.server.email(),
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        Folder { outer, inner, arguments, password: self.server.password().to_owned() }
    }
}

/// A folder inside a folder of its own, so that what leads out of it shows.
pub(crate) struct Folder {
    outer: TempDir,
    inner: PathBuf,
    arguments: Vec<String>,
    password: String,
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.inner
    }

    pub(crate) fn outside(&self) -> &Path {
        self.outer.path()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.inner.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.inner.join(path)).expect("a file");
    }

    /// Runs the program once.
    pub(crate) async fn run(&self, more: &[&str]) -> Output {
        let mut command = self.program(more);
        tokio::task::spawn_blocking(move || command.output().expect("an end")).await.expect("an end")
    }

    /// Lets the program go on until this is dropped.
    pub(crate) fn watch(&self) -> Watching {
        let mut child = self.program(&["--watch"]).stdout(Stdio::piped()).spawn().expect("a start");
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        Watching { child, lines }
    }

    fn program(&self, more: &[&str]) -> Command {
        let mut command = Command::new(tidelog_test_kit::example("folder"));
        command.env_clear().env("TIDELOG_PASSWORD", &self.password).env("TIDELOG_PASSPHRASE", PASSPHRASE);
        command.args(&self.arguments).args(more).arg(&self.inner);
        command
    }

    /// Runs the program once; it has nothing to complain of.
    pub(crate) async fn sync(&self) {
        let output = self.run(&[]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }

    /// Every file with its content, but for the program's own.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.inner, "", &mut files);
        files
    }
}

/// The program, at work.
pub(crate) struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    /// Waits until it has said so.
    pub(crate) fn says(&mut self, what: &str) {
        assert!(
            self.lines.by_ref().any(|line| line.expect("text").contains(what)),
            "it ended without: {what}"
        );
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else if kind.is_file() && !name.starts_with(".tidelog-state") {
            files.insert(name, fs::read(entry.path()).expect("a file"));
        }
    }
}

pub(crate) fn some(files: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(path, content)| ((*path).to_owned(), content.to_vec())).collect()
}
