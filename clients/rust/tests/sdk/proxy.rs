//! The network on a bad day: a TCP proxy before a real server, which swallows answers or answers in the server's place.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is still to go wrong.
#[derive(Default)]
struct Troubles {
    answers_to_pass: AtomicUsize,
    answers_to_swallow: AtomicUsize,
    refusals_to_give: AtomicUsize,
}

/// What has come by.
#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

/// Listens on a port of its own until it is dropped.
pub(crate) struct Proxy {
    url: String,
    troubles: Arc<Troubles>,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(server_url: &str) -> Self {
        let server = server_url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let troubles = Arc::new(Troubles::default());
        let seen = Arc::new(Seen::default());
        let task = tokio::spawn(accept(listener, server, troubles.clone(), seen.clone()));
        Self { url, troubles, seen, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next answers reach the server's end of the proxy, and go no further.
    pub(crate) fn swallow_answers(&self, count: usize) {
        self.swallow_answers_after(0, count);
    }

    /// The same, once so many answers have passed.
    pub(crate) fn swallow_answers_after(&self, passed: usize, count: usize) {
        self.troubles.answers_to_pass.store(passed, Ordering::SeqCst);
        self.troubles.answers_to_swallow.store(count, Ordering::SeqCst);
    }

    /// The next requests are answered 503 by the proxy itself, `Retry-After: 0`.
    pub(crate) fn refuse_requests(&self, count: usize) {
        self.troubles.refusals_to_give.store(count, Ordering::SeqCst);
    }

    /// How many requests began with this method and path, whatever became of them.
    pub(crate) fn requests(&self, method_and_path: &str) -> usize {
        let began_so = |request: &&String| request.starts_with(method_and_path);
        self.seen.0.lock().unwrap().iter().filter(began_so).count()
    }
}

impl Seen {
    /// Remembers the first line of what begins a request. (What begins none are later parts of a large body.)
    fn note(&self, bytes: &[u8]) {
        let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if line.ends_with(b" HTTP/1.1") {
            self.0.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: String, troubles: Arc<Troubles>, seen: Arc<Seen>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&server).await else { continue };
        tokio::spawn(carry(client, server, troubles.clone(), seen.clone()));
    }
}

/// Carries bytes both ways until one side, or a trouble, ends it; then both connections close.
async fn carry(client: TcpStream, server: TcpStream, troubles: Arc<Troubles>, seen: Arc<Seen>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let to_client = Arc::new(tokio::sync::Mutex::new(to_client));
    tokio::select! {
        () = requests(from_client, to_server, &to_client, &troubles, &seen) => {}
        () = answers(from_server, &to_client, &troubles) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    client: &tokio::sync::Mutex<OwnedWriteHalf>,
    troubles: &Troubles,
    seen: &Seen,
) {
    const REFUSAL: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        seen.note(&buffer[..read]);
        if take_one(&troubles.refusals_to_give) {
            let _ = client.lock().await.write_all(REFUSAL).await;
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, client: &tokio::sync::Mutex<OwnedWriteHalf>, troubles: &Troubles) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // The server has answered: what it was asked for is done.
        if !take_one(&troubles.answers_to_pass) && take_one(&troubles.answers_to_swallow) {
            return;
        }
        if client.lock().await.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
