//! A bucket on a real S3 server in the tests' own process, over a folder. It can tell of each request, and end another process at
//! the very moment: so a test reaches every step that a server takes towards its bucket.

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

/// Ends a process at a certain moment of the traffic with the bucket.
#[derive(Default)]
struct Trap {
    victim: Option<Pid>,
    /// Moments until it springs; each request has two, before and after it is carried out.
    moments: usize,
}

impl Trap {
    /// One moment has come. `true`: it was the one.
    fn springs(&mut self) -> bool {
        let Some(victim) = self.victim else { return false };
        if self.moments > 0 {
            self.moments -= 1;
            return false;
        }
        self.victim = None;
        // It may have ended by itself.
        let _ = kill_process(victim, Signal::KILL);
        true
    }
}

/// The bucket. It goes with its server when dropped.
pub struct Bucket {
    folder: TempDir,
    url: String,
    trap: Arc<Mutex<Trap>>,
    _runtime: Runtime,
}

impl Bucket {
    /// A new one, empty.
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
        let trap = Arc::<Mutex<Trap>>::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let watch = trap.clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((socket, _)) = listener.accept().await {
                let (service, watch) = (service.clone(), watch.clone());
                let answer = service_fn(move |request| {
                    let (service, watch) = (service.clone(), watch.clone());
                    async move {
                        let spring = || watch.lock().unwrap_or_else(PoisonError::into_inner).springs();
                        if spring() {
                            // It is not done, and whoever asked, if it is not dead, finds the connection closed.
                            return Err(std::io::Error::other("the trap has sprung"));
                        }
                        let answer = Service::call(&service, request).await;
                        spring();
                        answer.map_err(|error| std::io::Error::other(format!("{error:?}")))
                    }
                });
                tokio::spawn(async move {
                    let connection = Builder::new(TokioExecutor::new());
                    let _ = connection.serve_connection(TokioIo::new(socket), answer).await;
                });
            }
        });
        Self { folder, url, trap, _runtime: runtime }
    }

    /// Settings of a server that keeps its blobs here, with clients that send and fetch them here themselves.
    pub fn settings(&self) -> [(&'static str, &str); 5] {
        [
            ("blobs.backend", "s3"),
            ("blobs.s3.endpoint", &self.url),
            ("blobs.s3.bucket", NAME),
            ("blobs.s3.access_key_id", KEY_ID),
            ("blobs.s3.secret_access_key", SECRET),
        ]
    }

    /// The same, in the environment.
    pub fn setup(&self) -> ServerSetup {
        let variable = |key: &str| format!("TIDELOG_{}", key.replace('.', "_").to_uppercase());
        let settings = self.settings();
        settings.iter().fold(ServerSetup::default(), |setup, (key, value)| setup.with(&variable(key), value))
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every object, by its name.
    pub fn objects(&self) -> Vec<String> {
        objects_in(&self.folder.path().join(NAME))
    }

    /// Where an object is, for a test that wants to break it.
    pub fn file(&self, object: &str) -> PathBuf {
        self.folder.path().join(NAME).join(object)
    }

    /// Ends this process after so many moments from now.
    pub fn trap(&self, victim: u32, moments: usize) {
        let victim = Pid::from_raw(victim.try_into().expect("an id of a process"));
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = Trap { victim, moments };
    }

    /// Ends nobody any more. `true`: the trap had not sprung.
    pub fn disarm(&self) -> bool {
        let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
        trap.victim.take().is_some()
    }
}

/// The objects in a folder, by their names, sorted; what is still gathering is none.
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
