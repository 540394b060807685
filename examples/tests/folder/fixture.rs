//! A user, and the folders that the program keeps in sync.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;
use tidelog::dev::Server;
use tidelog_client::{KdfCost, MemoryStore, SyncKitClient, SyncKitConfig};

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
/// A user who owns nothing, whether it exists or not.
const NOBODY: u32 = 65_534;

pub(crate) struct Fixture {
    pub(crate) server: Server,
}

impl Fixture {
    /// Creates the user's key, with the lowest KDF cost.
    pub(crate) async fn new() -> Self {
        let fixture = Self { server: Server::start().await.expect("a server") };
        fixture.client().await;
        fixture
    }

    /// Returns the user's SDK client, without the program.
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
        let program = tidelog_test_kit::example("folder");
        Folder { outer, inner, arguments, password: self.server.password().to_owned(), program, user: None }
    }

    /// A folder whose program permissions apply to, also where root runs the tests: then it is somebody else's.
    pub(crate) fn unprivileged_folder(&self) -> Folder {
        let mut folder = self.folder();
        if rustix::process::geteuid().is_root() {
            // The other user may not reach the folder that the program was built in.
            let program = folder.outside().join("folder-program");
            fs::copy(&folder.program, &program).expect("a copy");
            fs::set_permissions(folder.outside(), fs::Permissions::from_mode(0o755)).expect("permissions");
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("an owner");
            (folder.program, folder.user) = (program, Some(NOBODY));
        }
        folder
    }
}

/// A folder inside an otherwise empty one, so that a write outside it is noticed.
pub(crate) struct Folder {
    outer: TempDir,
    inner: PathBuf,
    arguments: Vec<String>,
    password: String,
    program: PathBuf,
    /// Runs the program, if it is not the user who runs the tests.
    user: Option<u32>,
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
        fs::write(&path, content).expect("a file");
        self.give_away(&path);
    }

    /// Makes what a test has written the property of the user who runs the program.
    fn give_away(&self, path: &Path) {
        for path in path.ancestors().take_while(|path| *path != self.inner) {
            chown(path, self.user, self.user).expect("an owner");
        }
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.inner.join(path)).expect("a file");
    }

    /// Runs the program once.
    pub(crate) async fn run(&self, more: &[&str]) -> Output {
        let mut command = self.program(more);
        tokio::task::spawn_blocking(move || command.output().expect("an end")).await.expect("an end")
    }

    /// Runs the program until this is dropped.
    pub(crate) fn watch(&self) -> Watching {
        let mut child = self.program(&["--watch"]).stdout(Stdio::piped()).spawn().expect("a start");
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        Watching { child, lines }
    }

    fn program(&self, more: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.env_clear().env("TIDELOG_PASSWORD", &self.password).env("TIDELOG_PASSPHRASE", PASSPHRASE);
        command.args(&self.arguments).args(more).arg(&self.inner);
        command
    }

    /// Runs the program once, and asserts that it prints no errors.
    pub(crate) async fn sync(&self) {
        let output = self.run(&[]).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    }

    /// Returns every file and its content, without the program's own files.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.inner, "", &mut files);
        files
    }
}

/// The running program.
pub(crate) struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    /// Waits until it has printed this.
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
