//! The server as an operator runs it: `tidelog serve` on a data folder, stopped, killed and started again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Caller, Cli, Contract, Origin, Process};

/// Lifts the rate limits on sign-ins, so that tests may sign in as often as they need.
const NO_RATE_LIMIT: [(&str, &str); 4] = [
    ("TIDELOG_AUTH_RATE_LIMIT_IP_BURST", "100000"),
    ("TIDELOG_AUTH_RATE_LIMIT_IP_PER_SECOND", "100000"),
    ("TIDELOG_AUTH_RATE_LIMIT_ACCOUNT_BURST", "100000"),
    ("TIDELOG_AUTH_RATE_LIMIT_BACKOFF_AFTER_FAILURES", "100000"),
];

/// A running (or stopped) server and its data folder. Dropping it kills the process and removes the folder.
pub struct Server {
    home: TempDir,
    environment: Vec<(String, String)>,
    origin: Origin,
    process: Option<Process>,
}

/// Settings of a server, beyond the defaults.
#[derive(Default)]
pub struct ServerSetup {
    environment: Vec<(String, String)>,
}

impl ServerSetup {
    /// Sets an environment variable of the server.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the server on an empty data folder.
    pub fn start(self) -> Server {
        let mut environment: Vec<_> =
            NO_RATE_LIMIT.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        environment.extend(self.environment);
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut server = Server { home, environment, origin: Origin::default(), process: None };
        server.start_again();
        server
    }
}

impl Server {
    /// Starts a server on an empty data folder.
    pub fn start() -> Self {
        ServerSetup::default().start()
    }

    /// Starts the process on the existing data. Existing callers use its new address.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server is running already");
        let address_file = self.home.path().join("address");
        let _ = fs::remove_file(&address_file);
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let mut serve = command();
        serve
            .args(["serve", "--listen", "127.0.0.1:0", "--address-file"])
            .arg(&address_file)
            .arg("--data")
            .arg(self.data())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut process = Process::spawn(&mut serve).expect("the binary starts");
        let ready = process.wait_until(|| fs::read_to_string(&address_file).ok());
        let address =
            ready.unwrap_or_else(|end| panic!("the server is not ready ({end:?}):\n{}", self.log()));
        self.process = Some(process);
        self.origin.set(address.trim());
        Contract::load_from(&self.origin);
    }

    /// Sends SIGTERM, as a service manager does, and waits until the process has ended.
    pub fn stop(&mut self) {
        let mut process = self.take_process();
        process.signal(Signal::TERM);
        let status = process.wait();
        assert!(
            status.is_some_and(|status| status.success()),
            "a server that is asked to stop exits with 0, not {status:?}\n{}",
            self.log()
        );
    }

    /// Sends SIGKILL: nothing is flushed.
    pub fn kill(&mut self) {
        let mut process = self.take_process();
        process.signal(Signal::KILL);
        process.wait().expect("a killed process ends");
    }

    /// Stops the server and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Returns the data folder.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Returns a path next to the data folder, for a test's own files.
    pub fn scratch_path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Returns everything logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Returns the resident memory of the process, in KiB.
    #[cfg(target_os = "linux")]
    pub fn resident_kib(&self) -> u64 {
        let pid = self.process.as_ref().expect("the server is running").id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server is running").id()
    }

    /// Waits until something else has killed the process.
    pub fn wait_until_killed(&mut self) {
        let ended = self.take_process().wait();
        assert!(ended.is_some(), "the server was not killed:\n{}", self.log());
    }

    /// Returns the names of the objects in its blob store.
    pub fn objects(&self) -> Vec<String> {
        super::objects_in(&self.data().join("blobs"))
    }

    /// Returns its URL, like `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        self.origin.url()
    }

    /// Runs commands on its data folder with its settings, whether the server runs or not.
    pub fn cli(&self) -> Cli {
        Cli::with_environment(&self.data(), &self.environment)
    }

    /// Returns a caller without a token.
    pub fn anonymous(&self) -> Caller {
        Caller::new(self.origin.clone(), None)
    }

    /// Returns a caller with this token.
    pub fn bearer(&self, token: &str) -> Caller {
        Caller::new(self.origin.clone(), Some(token.to_owned()))
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn take_process(&mut self) -> Process {
        self.process.take().expect("the server is running")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process = None;
        if thread::panicking() {
            eprintln!("--- log of the server ---\n{}", self.log());
        }
    }
}

/// Returns a command that runs the binary without the developer's environment variables.
pub(crate) fn command() -> Command {
    let mut command = Command::new(crate::program::tidelog());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Copies the database files of a stopped server to another folder, in place of those there.
pub fn copy_database(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder can be made");
    for entry in database_files(to) {
        fs::remove_file(entry).expect("an old file can be removed");
    }
    for file in database_files(from) {
        fs::copy(&file, to.join(file.file_name().expect("a file has a name"))).expect("a file can be copied");
    }
}

fn database_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    let is_database = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("tidelog.db"))
    };
    entries.filter(is_database).collect()
}
