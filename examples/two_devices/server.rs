//! The real server, in a process of its own, so that it can be killed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::Result;

/// How long the server may take to start: far more than it needs.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often to check whether it is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A server with a temporary data folder.
pub struct Server {
    binary: PathBuf,
    home: TempDir,
    /// `host:port`; the first start chooses the port, later starts keep it.
    address: String,
    process: Option<Child>,
}

impl Server {
    /// Starts this binary on a free port; `None`: builds the server in the same profile as this program.
    pub async fn start(binary: Option<PathBuf>) -> Result<Self> {
        let mut server = Self {
            binary: binary.map_or_else(build, Ok)?,
            home: tempfile::tempdir()?,
            address: "127.0.0.1:0".into(),
            process: None,
        };
        server.restart().await?;
        Ok(server)
    }

    /// Starts the server with the existing data, and waits until it is ready.
    pub async fn restart(&mut self) -> Result<()> {
        let address_file = self.home.path().join("address");
        let _ = fs::remove_file(&address_file);
        let child = Command::new(&self.binary)
            .args(["serve", "--listen", &self.address, "--address-file"])
            .arg(&address_file)
            .arg("--data")
            .arg(self.data())
            .env("TIDELOG_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        self.process = Some(child);
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            let url = fs::read_to_string(&address_file).unwrap_or_default();
            if let Some(address) = url.trim().strip_prefix("http://") {
                self.address = address.to_owned();
                return Ok(());
            }
            sleep(POLL_INTERVAL).await;
        }
        Err("the server did not become ready".into())
    }

    /// Kills the server with `kill -9`: it gets no chance to write anything.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Creates an app and returns its API key.
    pub fn create_app(&self, name: &str) -> Result<String> {
        let app = self.command(&["app", "create", name], "")?;
        Ok(app["api_key"].as_str().ok_or("the app has no key")?.to_owned())
    }

    /// Creates a user.
    pub fn create_user(&self, email: &str, password: &str) -> Result<()> {
        self.command(&["user", "create", email, "--password-stdin"], password).map(drop)
    }

    /// All files that the server has written.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.data())?.collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Runs an operator command.
    fn command(&self, arguments: &[&str], input: &str) -> Result<Value> {
        let mut child = Command::new(&self.binary)
            .args(arguments)
            .arg("--json")
            .arg("--data")
            .arg(self.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child.stdin.take().ok_or("no input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("tidelog {} failed", arguments.join(" ")).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Builds the server in the same profile as this example.
fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--bin", "tidelog", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    if !cargo.status()?.success() {
        return Err("the server could not be built".into());
    }
    // This program is TARGET/PROFILE/examples/two_devices, the server TARGET/PROFILE/tidelog.
    let example = std::env::current_exe()?;
    let profile = example.ancestors().nth(2).ok_or("this program is not in a target folder")?;
    Ok(profile.join("tidelog"))
}
