//! The network on a bad day: a TCP proxy before a real server, which swallows answers, answers in the server's place, goes away
//! and comes back, and treats streams as real proxies do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How requests for streams begin.
pub const SUBSCRIBE: &str = "GET /api/sync/subscribe";
/// Bytes of an endless line, after which the proxy ends it nevertheless: far more than fits into the system's buffers.
const ENDLESS_BYTES: usize = 64 * 1024 * 1024;

/// What becomes of requests for streams.
#[derive(Clone, Copy, Default)]
pub enum Streams {
    /// They reach the server, and its answer the client.
    #[default]
    Pass,
    /// They reach the server. Nothing comes back.
    HoldBack,
    /// They reach the server. Only the head of the answer comes back.
    HoldBackBodies,
    /// They are answered so, by the proxy itself.
    Answer(&'static str),
    /// They are answered with a line that does not end.
    Endless,
}

/// What is still to go wrong.
#[derive(Default)]
struct Troubles {
    answers_to_pass: AtomicUsize,
    answers_to_swallow: AtomicUsize,
    refusals_to_give: AtomicUsize,
    is_away: AtomicBool,
    byte_by_byte: AtomicBool,
    streams: Mutex<Streams>,
    /// Counts the times at which all connections were cut.
    cuts: watch::Sender<u64>,
    /// Counts the times at which all connections fell silent.
    freezes: AtomicUsize,
    /// Streams from which the client hung up before an endless line had ended.
    hang_ups: watch::Sender<usize>,
}

/// What has come by.
#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

/// Listens on a port of its own until it is dropped.
pub struct Proxy {
    url: String,
    troubles: Arc<Troubles>,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn before(server_url: &str) -> Self {
        let server = server_url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let troubles = Arc::new(Troubles::default());
        let seen = Arc::new(Seen::default());
        let task = tokio::spawn(accept(listener, server, troubles.clone(), seen.clone()));
        Self { url, troubles, seen, task }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next answers reach the server's end of the proxy, and go no further.
    pub fn swallow_answers(&self, count: usize) {
        self.swallow_answers_after(0, count);
    }

    /// The same, once so many answers have passed.
    pub fn swallow_answers_after(&self, passed: usize, count: usize) {
        self.troubles.answers_to_pass.store(passed, Ordering::SeqCst);
        self.troubles.answers_to_swallow.store(count, Ordering::SeqCst);
    }

    /// The next requests are answered 503 by the proxy itself, `Retry-After: 0`.
    pub fn refuse_requests(&self, count: usize) {
        self.troubles.refusals_to_give.store(count, Ordering::SeqCst);
    }

    /// Closes every connection; new ones are welcome.
    pub fn cut(&self) {
        self.troubles.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes every connection, and every new one.
    pub fn go_away(&self) {
        self.troubles.is_away.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Ends what [`go_away`](Self::go_away) began.
    pub fn come_back(&self) {
        self.troubles.is_away.store(false, Ordering::SeqCst);
    }

    /// No connection that is open now carries another byte to the client, and none of them closes.
    pub fn freeze(&self) {
        self.troubles.freezes.fetch_add(1, Ordering::SeqCst);
    }

    /// From now on, each byte of an answer travels alone.
    pub fn send_byte_by_byte(&self) {
        self.troubles.byte_by_byte.store(true, Ordering::SeqCst);
    }

    /// From now on, this becomes of requests for streams.
    pub fn treat_streams(&self, streams: Streams) {
        *self.troubles.streams.lock().unwrap() = streams;
    }

    /// From how many endless lines the client has hung up, now and from now on.
    pub fn hang_ups(&self) -> watch::Receiver<usize> {
        self.troubles.hang_ups.subscribe()
    }

    /// How many requests began with this method and path, whatever became of them.
    pub fn requests(&self, method_and_path: &str) -> usize {
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
        if troubles.is_away.load(Ordering::SeqCst) {
            continue;
        }
        let line = Line::new(troubles.clone(), seen.clone());
        let Ok(server) = TcpStream::connect(&server).await else { continue };
        tokio::spawn(line.carry(client, server));
    }
}

/// One connection of a client, and what has come over it.
struct Line {
    troubles: Arc<Troubles>,
    seen: Arc<Seen>,
    cuts: watch::Receiver<u64>,
    /// How many freezes there were when it began.
    freezes: usize,
    /// What becomes of the answers: decided by the newest request.
    streams: Mutex<Streams>,
}

impl Line {
    fn new(troubles: Arc<Troubles>, seen: Arc<Seen>) -> Self {
        let (cuts, freezes) = (troubles.cuts.subscribe(), troubles.freezes.load(Ordering::SeqCst));
        Self { troubles, seen, cuts, freezes, streams: Mutex::default() }
    }

    /// Carries bytes both ways until one side, or a trouble, ends it; then both connections close.
    async fn carry(self, client: TcpStream, server: TcpStream) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let to_client = tokio::sync::Mutex::new(to_client);
        let mut cuts = self.cuts.clone();
        tokio::select! {
            _ = cuts.changed() => {}
            () = self.requests(from_client, to_server, &to_client) => {}
            () = self.answers(from_server, &to_client) => {}
        }
    }

    async fn requests(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        client: &tokio::sync::Mutex<OwnedWriteHalf>,
    ) {
        const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            self.seen.note(&buffer[..read]);
            if take_one(&self.troubles.refusals_to_give) {
                let _ = client.lock().await.write_all(REFUSAL.as_bytes()).await;
                return;
            }
            let is_stream = buffer.starts_with(SUBSCRIBE.as_bytes());
            let streams = if is_stream { *self.troubles.streams.lock().unwrap() } else { Streams::Pass };
            *self.streams.lock().unwrap() = streams;
            match streams {
                Streams::Answer(answer) => {
                    let _ = client.lock().await.write_all(answer.as_bytes()).await;
                    return;
                }
                Streams::Endless => return self.send_endless_line(&mut *client.lock().await).await,
                _ => {}
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }

    async fn send_endless_line(&self, client: &mut OwnedWriteHalf) {
        const HEAD: &str =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: ";
        let mut sent = client.write_all(HEAD.as_bytes()).await;
        let part = [b'x'; 64 * 1024];
        for _ in 0..ENDLESS_BYTES / part.len() {
            if sent.is_err() {
                self.troubles.hang_ups.send_modify(|hang_ups| *hang_ups += 1);
                return;
            }
            sent = client.write_all(&part).await;
        }
    }

    async fn answers(&self, mut from: OwnedReadHalf, client: &tokio::sync::Mutex<OwnedWriteHalf>) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            // The server has answered: what it was asked for is done.
            if !take_one(&self.troubles.answers_to_pass) && take_one(&self.troubles.answers_to_swallow) {
                return;
            }
            let passes = self.how_much_passes(&buffer[..read]);
            let byte_by_byte = self.troubles.byte_by_byte.load(Ordering::SeqCst);
            for part in buffer[..passes].chunks(if byte_by_byte { 1 } else { buffer.len() }) {
                if client.lock().await.write_all(part).await.is_err() {
                    return;
                }
                if byte_by_byte {
                    tokio::task::yield_now().await;
                }
            }
            if passes < read {
                return std::future::pending().await;
            }
        }
    }

    /// How many of these bytes reach the client; if not all of them, then nothing that follows does.
    fn how_much_passes(&self, bytes: &[u8]) -> usize {
        const END_OF_HEAD: &[u8] = b"\r\n\r\n";
        if self.troubles.freezes.load(Ordering::SeqCst) != self.freezes {
            return 0;
        }
        match *self.streams.lock().unwrap() {
            Streams::HoldBack => 0,
            Streams::HoldBackBodies => {
                let end = bytes.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD);
                end.map_or(0, |end| end + END_OF_HEAD.len())
            }
            _ => bytes.len(),
        }
    }
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
