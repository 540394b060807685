//! The real server in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Result, operator, process};

/// How long the server may take to become ready: far more than it needs.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often to look.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// As many sign-ins as there are clients, all from one address.
const SIGN_INS: &str = "100000";
/// The settings that would be in their way.
const RATE_LIMITS: [&str; 4] = [
    "TIDELOG_AUTH_RATE_LIMIT_IP_BURST",
    "TIDELOG_AUTH_RATE_LIMIT_IP_PER_SECOND",
    "TIDELOG_AUTH_RATE_LIMIT_ACCOUNT_BURST",
    "TIDELOG_AUTH_RATE_LIMIT_BACKOFF_AFTER_FAILURES",
];

/// The program that is measured.
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    /// Whether its databases are filled through its own command line and API. Otherwise the library of this source
    /// does it, which is faster, and right for a binary of this source only.
    pub(crate) seed_by_push: bool,
    /// `NAME=VALUE` of its environment instead of the settings that lift its rate limits: another version may call
    /// them otherwise.
    pub(crate) environment: Vec<String>,
}

impl Binary {
    fn environment(&self) -> Vec<(&str, &str)> {
        if self.environment.is_empty() {
            return RATE_LIMITS.iter().map(|name| (*name, SIGN_INS)).collect();
        }
        self.environment.iter().filter_map(|variable| variable.split_once('=')).collect()
    }
}

/// A running server. It is killed when this is dropped.
pub(crate) struct Server {
    process: Child,
    /// `host:port`.
    address: String,
    /// The key of the app that is measured.
    api_key: String,
}

impl Server {
    /// Starts it on a data folder and a free port, and waits until it is ready.
    pub(crate) fn start(binary: &Binary, data: &Path) -> Result<Self> {
        Self::start_with(binary, data, &[])
    }

    /// The same, with these settings by their names in the environment.
    pub(crate) fn start_with(binary: &Binary, data: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let folder = TempDir::new()?;
        let address_file = folder.path().join("address");
        let process = Command::new(&binary.path)
            .args(["serve", "--listen", "127.0.0.1:0", "--address-file"])
            .arg(&address_file)
            .arg("--data")
            .arg(data)
            .env("TIDELOG_LOG", "warn")
            .envs(binary.environment())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self { process, address: String::new(), api_key: operator::api_key(data) };
        let began = Instant::now();
        while began.elapsed() < START_TIMEOUT {
            let url = fs::read_to_string(&address_file).unwrap_or_default();
            if let Some(address) = url.trim().strip_prefix("http://") {
                server.address = address.to_owned();
                return Ok(server);
            }
            if let Some(status) = server.process.try_wait()? {
                return Err(format!("the server did not start: {status}").into());
            }
            sleep(POLL_INTERVAL);
        }
        Err("the server did not become ready".into())
    }

    /// Where clients reach it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The key of the app that is measured.
    pub(crate) fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Its number, as `process` takes it.
    pub(crate) fn pid(&self) -> String {
        self.process.id().to_string()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn rss(&self) -> Result<u64> {
        process::memory(&self.pid(), "VmRSS")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Builds the binary beside this program, in the same profile.
pub(crate) fn build() -> Result<PathBuf> {
    // This program is TARGET/PROFILE/tidelog-load, the server TARGET/PROFILE/tidelog.
    let program = std::env::current_exe()?;
    let folder = program.parent().ok_or("this program is in no target folder")?;
    let target = folder.parent().ok_or("the profile's folder is in no other")?;
    let profile = folder.file_name().and_then(|name| name.to_str()).ok_or("the profile has no name")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "tidelog", "--bin", "tidelog", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).arg("--target-dir").arg(target);
    cargo.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
    if !cargo.status()?.success() {
        return Err("the server does not build".into());
    }
    Ok(folder.join("tidelog"))
}
