//! A bad network, or a server that lies: an HTTP proxy between a client and a real server.
//!
//! It reads whole requests, sends each to the server over a connection of its own, and passes the whole response on; event streams
//! pass as they come. In between it loses, refuses, delays and rewrites what a test asks it to, and records every request.

mod connection;
mod json;
mod message;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use json::{JsonRequest, JsonResponse};
pub use message::{Request, Response};

/// How requests for event streams begin.
pub const SUBSCRIBE: &str = "GET /api/sync/subscribe";

/// What becomes of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Request and response both arrive.
    Pass,
    /// The connection closes before the server has heard of it.
    LoseRequest,
    /// The connection closes after the server has done what it was asked for.
    LoseResponse,
    /// The proxy itself answers 503 with `Retry-After: 0`.
    Refuse,
}

/// What becomes of requests for event streams.
#[derive(Clone, Copy, Default)]
pub enum Streams {
    /// They reach the server, and its answer reaches the client.
    #[default]
    Pass,
    /// They reach the server. Nothing comes back.
    HoldBack,
    /// They reach the server. Only the head of the response comes back.
    HoldBackBodies,
    /// The proxy itself answers with this.
    Answer(&'static str),
    /// The proxy itself answers with a line that does not end.
    Endless,
}

type Rewrite = Box<dyn FnMut(&Request, &mut Response) + Send>;

/// What a test wants to happen.
#[derive(Default)]
struct Plan {
    rewrite: Option<Rewrite>,
    /// Of the next exchanges, in order.
    fates: VecDeque<Fate>,
    /// Of the next exchange about each of these paths.
    fates_by_path: HashMap<&'static str, Fate>,
    /// Entries in a page, at most.
    page_limit: Option<usize>,
    /// Uploads whose connection breaks in the middle.
    uploads_to_break: usize,
    streams: Streams,
}

/// What the proxy and its connections share.
#[derive(Default)]
struct Shared {
    server_url: Mutex<String>,
    plan: Mutex<Plan>,
    requests: Mutex<Vec<Request>>,
    is_away: AtomicBool,
    byte_by_byte: AtomicBool,
    /// Counts the times at which all connections were closed.
    cuts: watch::Sender<u64>,
    /// Counts the times at which all connections fell silent.
    freezes: AtomicUsize,
    /// Clients that hung up before an endless line had ended.
    hang_ups: watch::Sender<usize>,
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().expect("no test panicked while it rewrote a response")
    }

    fn server_url(&self) -> String {
        self.server_url.lock().expect("no panic").clone()
    }

    fn record(&self, request: &Request) {
        self.requests.lock().expect("no panic").push(request.clone());
    }
}

/// Listens on a port of its own until it is dropped.
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one in front of this server.
    pub async fn before(server_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(accept(listener, shared.clone()));
        let proxy = Self { url, shared, task };
        proxy.point_to(server_url);
        proxy
    }

    /// Where clients reach it, whatever becomes of the server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends the next requests to another server.
    pub fn point_to(&self, server_url: &str) {
        self.pointer()(server_url);
    }

    /// What does so, for a place that cannot hold the proxy.
    pub fn pointer(&self) -> impl Fn(&str) + use<> {
        let shared = self.shared.clone();
        move |url| url.clone_into(&mut shared.server_url.lock().expect("no panic"))
    }

    /// Passes every response through this function from now on.
    pub fn rewrite(&self, rewrite: impl FnMut(&Request, &mut Response) + Send + 'static) {
        self.shared.plan().rewrite = Some(Box::new(rewrite));
    }

    /// Passes the JSON of every response through this function from now on.
    pub fn rewrite_json(&self, rewrite: impl FnMut(&JsonRequest, &mut JsonResponse) + Send + 'static) {
        self.rewrite(json::adapt(rewrite));
    }

    /// Passes responses as they are from now on.
    pub fn be_honest(&self) {
        self.shared.plan().rewrite = None;
    }

    /// Decides about the next exchanges, in order, in place of what was decided before. All after them pass.
    pub fn decide(&self, fates: impl IntoIterator<Item = Fate>) {
        self.shared.plan().fates = fates.into_iter().collect();
    }

    /// Decides about the next exchange of this path, which is given without `/api/sync`.
    pub fn decide_for(&self, path: &'static str, fate: Fate) {
        self.shared.plan().fates_by_path.insert(path, fate);
    }

    /// Lets all exchanges pass from now on.
    pub fn be_reliable(&self) {
        let mut plan = self.shared.plan();
        plan.fates.clear();
        plan.fates_by_path.clear();
    }

    /// Breaks the connection in the middle of the next uploads; the server gets nothing of them.
    pub fn break_uploads(&self, count: usize) {
        self.shared.plan().uploads_to_break = count;
    }

    /// Limits pages to this many entries from now on, as if every pull had asked for it.
    pub fn limit_pages(&self, entries: usize) {
        self.shared.plan().page_limit = Some(entries);
    }

    /// Treats requests for event streams like this from now on.
    pub fn treat_streams(&self, streams: Streams) {
        self.shared.plan().streams = streams;
    }

    /// Sends each byte of a response by itself from now on.
    pub fn send_byte_by_byte(&self) {
        self.shared.byte_by_byte.store(true, Ordering::SeqCst);
    }

    /// Closes every connection; new ones are welcome.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes every connection, and every new one.
    pub fn go_away(&self) {
        self.shared.is_away.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Ends what [`go_away`](Self::go_away) began.
    pub fn come_back(&self) {
        self.shared.is_away.store(false, Ordering::SeqCst);
    }

    /// Carries no further byte to the client on any connection that is open now, and closes none of them.
    pub fn freeze(&self) {
        self.shared.freezes.fetch_add(1, Ordering::SeqCst);
    }

    /// How many clients have hung up on an endless line, now and from now on.
    pub fn hang_ups(&self) -> watch::Receiver<usize> {
        self.shared.hang_ups.subscribe()
    }

    /// How many requests began with this method and path, whatever became of them.
    pub fn requests(&self, method_and_path: &str) -> usize {
        let requests = self.shared.requests.lock().expect("no panic");
        requests.iter().filter(|request| request.first_line().starts_with(method_and_path)).count()
    }

    /// The requests so far that sent or fetched the bytes of a blob. All requests so far are forgotten.
    pub fn take_transfers(&self) -> Vec<Request> {
        let requests = std::mem::take(&mut *self.shared.requests.lock().expect("no panic"));
        requests.into_iter().filter(Request::is_transfer).collect()
    }

    /// Sends the server an earlier push, this many before the latest one: once more, or late if it was lost.
    pub async fn deliver_again(&self, back: usize) {
        let push = {
            let requests = self.shared.requests.lock().expect("no panic");
            let pushes = requests.iter().rev().filter(|request| request.path == "/api/sync/push");
            pushes.clone().nth(back).cloned()
        };
        if let Some(push) = push {
            connection::exchange(&self.shared.server_url(), &push).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if !shared.is_away.load(Ordering::SeqCst) {
            tokio::spawn(connection::serve(client, shared.clone()));
        }
    }
}
