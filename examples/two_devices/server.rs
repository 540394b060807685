//! The real server in a process of its own, so that it can be killed like one.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::Result;

/// How long the server may take to become ready: far more than it needs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often to look.
const GLANCE: Duration = Duration::from_millis(5);

/// A server with a data folder that vanishes with it.
pub struct Server {
    binary: PathBuf,
    home: TempDir,
    /// `host:port`; the first start picks the port, later ones keep it.
    address: String,
    process: Option<Child>,
}

impl Server {
    /// Starts this binary on a free port; without one, builds the server as this program was built.
    pub async fn start(binary: Option<PathBuf>) -> Result<Self> {
        let mut server = Self {
            binary: binary.map_or_else(build, Ok)?,
            home: tempfile::tempdir()?,
            address: "127.0.0.1:0".into(),
            process: None,
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts it on the data that is there, and waits until it is ready.
    pub async fn start_again(&mut self) -> Result<()> {
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
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let url = fs::read_to_string(&address_file).unwrap_or_default();
            if let Some(address) = url.trim().strip_prefix("http://") {
                self.address = address.to_owned();
                return Ok(());
            }
            sleep(GLANCE).await;
        }
        Err("the server did not become ready".into())
    }

    /// `kill -9`: no warning, nothing flushed.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an app and gives its API key.
    pub fn create_app(&self, name: &str) -> Result<String> {
        let app = self.command(&["app", "create", name], "")?;
        Ok(app["api_key"].as_str().ok_or("the app has no key")?.to_owned())
    }

    /// Makes an account.
    pub fn create_user(&self, email: &str, password: &str) -> Result<()> {
        self.command(&["user", "create", email, "--password-stdin"], password).map(drop)
    }

    /// Everything that the server has written so far.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.data())?.collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Runs a command of the server's operator.
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

/// Builds the binary beside this example, in the same profile.
fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--bin", "tidelog", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    if !cargo.status()?.success() {
        return Err("the server does not build".into());
    }
    // This program is TARGET/PROFILE/examples/two_devices, the server TARGET/PROFILE/tidelog.
    let example = std::env::current_exe()?;
    let profile = example.ancestors().nth(2).ok_or("this program is in no target folder")?;
    Ok(profile.join("tidelog"))
}
