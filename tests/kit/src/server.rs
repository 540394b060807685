//! The server as a user runs it: `tidelog serve` on a data folder, asked to stop, killed, and started again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Caller, Cli, Contract, Origin};

/// How long a server may take to become ready, or to drain. Far more than it needs: reaching it means that it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the kit looks whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Lifts the rate limit on sign-ins, so that a test may sign in as often as it likes.
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
    process: Option<Child>,
}

/// What a server is started with, beyond the defaults.
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

    /// Starts it on an empty data folder.
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
    /// A server on an empty data folder.
    pub fn start() -> Self {
        ServerSetup::default().start()
    }

    /// Starts the process on the data that is there; callers made before follow it to its new address.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server is running already");
        let address_file = self.home.path().join("address");
        let _ = fs::remove_file(&address_file);
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let child = command()
            .args(["serve", "--listen", "127.0.0.1:0", "--address-file"])
            .arg(&address_file)
            .arg("--data")
            .arg(self.data())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.process = Some(child);
        let address = self.wait_for(|server| {
            server.assert_still_running();
            fs::read_to_string(&address_file).ok().filter(|address| !address.trim().is_empty())
        });
        self.origin.set(address.trim());
        Contract::learn_from(&self.origin);
    }

    /// Asks it to stop, as a service manager does, and waits until it has.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait_for(|server| server.child().try_wait().expect("the process can be asked"));
        self.process = None;
        assert!(
            status.success(),
            "a server that is asked to stop exits with 0, not {status}\n{}",
            self.log()
        );
    }

    /// `kill -9`: no warning, nothing flushed.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child().wait().expect("a killed process ends");
        self.process = None;
    }

    /// Stops it and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A place beside the data folder for a test's own files.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Everything that it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Memory that the process takes now, in KiB.
    #[cfg(target_os = "linux")]
    pub fn resident_kib(&self) -> u64 {
        let pid = self.process.as_ref().expect("the server is running").id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server is running").id()
    }

    /// Waits for it to end by somebody else's hand.
    pub fn wait_until_killed(&mut self) {
        self.wait_for(|server| server.child().try_wait().expect("the process can be asked"));
        self.process = None;
    }

    /// The names of the objects on its disk.
    pub fn objects(&self) -> Vec<String> {
        super::objects_in(&self.data().join("blobs"))
    }

    /// Where it listens, like `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        self.origin.url()
    }

    /// Commands on its data folder with its settings, whether it runs or not.
    pub fn cli(&self) -> Cli {
        Cli::with_environment(&self.data(), &self.environment)
    }

    /// Somebody who has not signed in.
    pub fn nobody(&self) -> Caller {
        Caller::new(self.origin.clone(), None)
    }

    /// Somebody who shows this token.
    pub fn bearer(&self, token: &str) -> Caller {
        Caller::new(self.origin.clone(), Some(token.to_owned()))
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn child(&mut self) -> &mut Child {
        self.process.as_mut().expect("the server is running")
    }

    fn signal(&mut self, signal: Signal) {
        kill_process(Pid::from_child(self.child()), signal).expect("the process is there");
    }

    fn assert_still_running(&mut self) {
        if let Some(status) = self.child().try_wait().expect("the process can be asked") {
            self.process = None;
            panic!("the server ended with {status} before it was ready:\n{}", self.log());
        }
    }

    /// The one place where the tests wait: for a process, with an end.
    fn wait_for<T>(&mut self, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "the server hangs:\n{}", self.log());
            thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("--- log of the server ---\n{}", self.log());
        }
    }
}

/// The binary, in an environment that holds nothing of the developer's.
pub(crate) fn command() -> Command {
    let mut command = Command::new(crate::program::tidelog());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Copies the files of a stopped server's database from one folder to another, over what is there.
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
