//! A bucket on a real S3 server in the test process, stored in a folder. It can kill another process immediately
//! before or after any request, so that a test reaches every step of a server that uses the bucket.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustix::process::{Pid, Signal, kill_process};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::ServerSetup;

const NAME: &str = "tidelog-blobs";
const KEY_ID: &str = "AKIATESTS";
const SECRET: &str = "secret-of-the-tests";

/// Kills a process at a chosen step of the traffic with the bucket.
#[derive(Default)]
struct KillPoint {
    process: Option<Pid>,
    /// Steps left until the kill; each request has two, before and after it is carried out.
    steps: usize,
}

impl KillPoint {
    /// Counts one step. Returns `true` if this was the step at which the process was killed.
    fn advance(&mut self) -> bool {
        let Some(process) = self.process else { return false };
        if self.steps > 0 {
            self.steps -= 1;
            return false;
        }
        self.process = None;
        // The process may have ended already.
        let _ = kill_process(process, Signal::KILL);
        true
    }
}

/// An S3 server with one bucket. Dropping it stops the server and removes the folder.
pub struct Bucket {
    folder: TempDir,
    url: String,
    kill_point: Arc<Mutex<KillPoint>>,
    _runtime: Runtime,
}

impl Bucket {
    /// Starts the server with an empty bucket.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join(NAME)).expect("a bucket");
        let files = s3s_fs::FileSystem::new(folder.path()).expect("a store of files");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let kill_point = Arc::<Mutex<KillPoint>>::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let shared = kill_point.clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((socket, _)) = listener.accept().await {
                let (service, kill_point) = (service.clone(), shared.clone());
                let response = service_fn(move |request| {
                    let (service, kill_point) = (service.clone(), kill_point.clone());
                    async move {
                        let advance = || kill_point.lock().unwrap_or_else(PoisonError::into_inner).advance();
                        if advance() {
                            // The request is not carried out, and the connection closes.
                            return Err(std::io::Error::other("the kill point is reached"));
                        }
                        let response = Service::call(&service, request).await;
                        advance();
                        response.map_err(|error| std::io::Error::other(format!("{error:?}")))
                    }
                });
                tokio::spawn(async move {
                    let connection = Builder::new(TokioExecutor::new());
                    let _ = connection.serve_connection(TokioIo::new(socket), response).await;
                });
            }
        });
        Self { folder, url, kill_point, _runtime: runtime }
    }

    /// Returns the settings of a server that stores its blobs here; clients use presigned URLs of this bucket.
    pub fn settings(&self) -> [(&'static str, &str); 5] {
        [
            ("blobs.backend", "s3"),
            ("blobs.s3.endpoint", &self.url),
            ("blobs.s3.bucket", NAME),
            ("blobs.s3.access_key_id", KEY_ID),
            ("blobs.s3.secret_access_key", SECRET),
        ]
    }

    /// Returns the same settings as environment variables.
    pub fn setup(&self) -> ServerSetup {
        let variable = |key: &str| format!("TIDELOG_{}", key.replace('.', "_").to_uppercase());
        let settings = self.settings();
        settings.iter().fold(ServerSetup::default(), |setup, (key, value)| setup.with(&variable(key), value))
    }

    /// Returns the URL of the S3 server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the names of all objects.
    pub fn objects(&self) -> Vec<String> {
        objects_in(&self.folder.path().join(NAME))
    }

    /// Returns the file of an object, for tests that damage it.
    pub fn file(&self, object: &str) -> PathBuf {
        self.folder.path().join(NAME).join(object)
    }

    /// Kills this process after this many steps from now.
    pub fn kill_at(&self, process: u32, steps: usize) {
        let process = Pid::from_raw(process.try_into().expect("a process id"));
        *self.kill_point.lock().unwrap_or_else(PoisonError::into_inner) = KillPoint { process, steps };
    }

    /// Cancels the planned kill. Returns `true` if it had not happened yet.
    pub fn cancel_kill(&self) -> bool {
        let mut kill_point = self.kill_point.lock().unwrap_or_else(PoisonError::into_inner);
        kill_point.process.take().is_some()
    }
}

/// Returns the sorted names of all files below a folder.
pub fn objects_in(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}
