//! An installed reverse proxy, on a free port, with all its files in a temporary folder.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;
use tidelog_test_kit::Process;

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Nginx,
    Caddy,
}

/// A running (or stopped) proxy.
pub(crate) struct ReverseProxy {
    kind: Kind,
    address: String,
    url: String,
    folder: TempDir,
    process: Option<Process>,
}

impl ReverseProxy {
    /// Starts a proxy in front of the server at this URL.
    pub(crate) fn in_front_of(kind: Kind, server: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // A port that was free a moment ago: proxies cannot report a port that they chose themselves.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port").to_string();
        let settings = match kind {
            Kind::Nginx => nginx(&folder, &address, server),
            Kind::Caddy => caddy(&folder, &address, server),
        };
        fs::write(folder.path().join("settings"), settings).expect("a file");
        let mut proxy = Self { kind, url: format!("http://{address}"), address, folder, process: None };
        proxy.start();
        proxy
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Starts the process, and waits until it listens.
    pub(crate) fn start(&mut self) {
        let settings = self.folder.path().join("settings");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let mut command = match self.kind {
            Kind::Nginx => {
                let mut nginx = Command::new("nginx");
                nginx.arg("-p").arg(self.folder.path()).args(["-e", "stderr", "-c"]).arg(settings);
                nginx
            }
            Kind::Caddy => {
                let mut caddy = Command::new("caddy");
                caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(settings);
                caddy
            }
        };
        // Per-user state of the proxy goes here.
        for home in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(home, self.folder.path());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut process = Process::spawn(&mut command).expect("the proxy is installed: run scripts/test");
        let ready = process.wait_until(|| TcpStream::connect(&self.address).ok());
        assert!(ready.is_ok(), "the proxy is not ready ({:?}):\n{}", ready.err(), self.log());
        self.process = Some(process);
    }

    /// Sends SIGTERM, as a service manager does, and waits until the process has ended.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("the proxy is running");
        process.signal(Signal::TERM);
        assert!(process.wait().is_some(), "the proxy hangs:\n{}", self.log());
    }

    fn log_file(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for ReverseProxy {
    fn drop(&mut self) {
        self.process = None;
        if std::thread::panicking() {
            eprintln!("--- log of the proxy ---\n{}", self.log());
        }
    }
}

/// `proxy_pass` and nothing else: HTTP/1.0 to the server, and buffered responses. The remaining lines only set paths
/// of files.
fn nginx(folder: &TempDir, address: &str, server: &str) -> String {
    let folder = folder.path().display();
    format!(
        "daemon off;
         master_process off;
         pid {folder}/pid;
         events {{}}
         http {{
             access_log off;
             client_body_temp_path {folder}/body;
             proxy_temp_path {folder}/proxy;
             fastcgi_temp_path {folder}/fastcgi;
             uwsgi_temp_path {folder}/uwsgi;
             scgi_temp_path {folder}/scgi;
             server {{
                 listen {address};
                 location / {{ proxy_pass {server}; }}
             }}
         }}"
    )
}

/// `reverse_proxy` and nothing else. Without a grace period, Caddy would wait for streams to end before it stops.
fn caddy(folder: &TempDir, address: &str, server: &str) -> String {
    let folder = folder.path().display();
    let port = address.rsplit(':').next().unwrap_or_default();
    format!(
        "{{
             admin off
             auto_https off
             grace_period 1s
             storage file_system {folder}/storage
         }}
         http://127.0.0.1:{port} {{
             bind 127.0.0.1
             reverse_proxy {server}
         }}"
    )
}
