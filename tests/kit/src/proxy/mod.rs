//! An HTTP proxy between a client and a real server that injects faults: a bad network, or a server that lies.
//!
//! It reads complete requests, sends each to the server over a new connection, and forwards the complete response;
//! event streams are forwarded as they arrive. It drops, refuses, delays and rewrites what a test tells it to, and
//! records every request.

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

/// Method and path of requests for event streams.
pub const SUBSCRIBE: &str = "GET /api/sync/subscribe";

/// What becomes of one request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeOutcome {
    /// Request and response both arrive.
    Pass,
    /// The connection closes before the request reaches the server.
    LoseRequest,
    /// The connection closes after the server has carried out the request.
    LoseResponse,
    /// The proxy answers 503 with `Retry-After: 0`.
    Refuse,
}

/// How the proxy treats requests for event streams.
#[derive(Clone, Copy, Default)]
pub enum StreamMode {
    /// Forwards requests and responses.
    #[default]
    Pass,
    /// Forwards requests, and no response.
    HoldBack,
    /// Forwards requests, and only the head of the response.
    HoldBackBodies,
    /// Answers with this text in the server's place.
    Respond(&'static str),
    /// Answers with a line that does not end.
    Endless,
}

type Rewrite = Box<dyn FnMut(&Request, &mut Response) + Send>;

/// The faults that a test has asked for.
#[derive(Default)]
struct Plan {
    rewrite: Option<Rewrite>,
    /// Outcomes of the next exchanges, in order.
    outcomes: VecDeque<ExchangeOutcome>,
    /// Outcome of the next exchange for each of these paths.
    outcomes_by_path: HashMap<&'static str, ExchangeOutcome>,
    /// Maximum number of entries in a page.
    page_limit: Option<usize>,
    /// How many of the next uploads lose their connection halfway.
    uploads_to_break: usize,
    stream_mode: StreamMode,
}

/// State shared by the proxy and its connections.
#[derive(Default)]
struct Shared {
    server_url: Mutex<String>,
    plan: Mutex<Plan>,
    requests: Mutex<Vec<Request>>,
    rejects_connections: AtomicBool,
    byte_by_byte: AtomicBool,
    /// Counts calls of [`Proxy::close_connections`].
    cuts: watch::Sender<u64>,
    /// Counts calls of [`Proxy::freeze`].
    freezes: AtomicUsize,
    /// Counts clients that disconnected before an endless line ended.
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

/// A fault-injecting proxy. Listens on its own port until it is dropped.
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of this server.
    pub async fn in_front_of(server_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(accept(listener, shared.clone()));
        let proxy = Self { url, shared, task };
        proxy.point_to(server_url);
        proxy
    }

    /// Returns the URL for clients; it stays the same when the server changes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Forwards all further requests to another server.
    pub fn point_to(&self, server_url: &str) {
        self.redirector()(server_url);
    }

    /// Returns [`point_to`](Self::point_to) as a closure, for code that cannot borrow the proxy.
    pub fn redirector(&self) -> impl Fn(&str) + use<> {
        let shared = self.shared.clone();
        move |url| url.clone_into(&mut shared.server_url.lock().expect("no panic"))
    }

    /// Applies this function to every further response.
    pub fn rewrite(&self, rewrite: impl FnMut(&Request, &mut Response) + Send + 'static) {
        self.shared.plan().rewrite = Some(Box::new(rewrite));
    }

    /// Applies this function to the JSON of every further response.
    pub fn rewrite_json(&self, rewrite: impl FnMut(&JsonRequest, &mut JsonResponse) + Send + 'static) {
        self.rewrite(json::adapt(rewrite));
    }

    /// Forwards responses unchanged from now on.
    pub fn stop_rewriting(&self) {
        self.shared.plan().rewrite = None;
    }

    /// Sets the outcomes of the next exchanges, in order, and discards those set before. Later exchanges pass.
    pub fn set_outcomes(&self, outcomes: impl IntoIterator<Item = ExchangeOutcome>) {
        self.shared.plan().outcomes = outcomes.into_iter().collect();
    }

    /// Sets the outcome of the next exchange for this path, given without `/api/sync`.
    pub fn set_outcome_for(&self, path: &'static str, outcome: ExchangeOutcome) {
        self.shared.plan().outcomes_by_path.insert(path, outcome);
    }

    /// Discards all outcomes set so far, so that every exchange passes.
    pub fn clear_outcomes(&self) {
        let mut plan = self.shared.plan();
        plan.outcomes.clear();
        plan.outcomes_by_path.clear();
    }

    /// Breaks the connection halfway through each of the next uploads; nothing of them reaches the server.
    pub fn break_uploads(&self, count: usize) {
        self.shared.plan().uploads_to_break = count;
    }

    /// Limits pages to this many entries from now on, as if every pull had set `limit`.
    pub fn limit_pages(&self, entries: usize) {
        self.shared.plan().page_limit = Some(entries);
    }

    /// Sets how requests for event streams are treated from now on.
    pub fn set_stream_mode(&self, stream_mode: StreamMode) {
        self.shared.plan().stream_mode = stream_mode;
    }

    /// Writes responses one byte at a time from now on.
    pub fn send_byte_by_byte(&self) {
        self.shared.byte_by_byte.store(true, Ordering::SeqCst);
    }

    /// Closes every open connection; new ones are accepted.
    pub fn close_connections(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes every open connection, and every new one at once.
    pub fn reject_connections(&self) {
        self.shared.rejects_connections.store(true, Ordering::SeqCst);
        self.close_connections();
    }

    /// Accepts connections again after [`reject_connections`](Self::reject_connections).
    pub fn accept_connections(&self) {
        self.shared.rejects_connections.store(false, Ordering::SeqCst);
    }

    /// Forwards no further byte to clients on the connections that are open now, without closing them.
    pub fn freeze(&self) {
        self.shared.freezes.fetch_add(1, Ordering::SeqCst);
    }

    /// Watches how many clients have disconnected during an endless line.
    pub fn hang_ups(&self) -> watch::Receiver<usize> {
        self.shared.hang_ups.subscribe()
    }

    /// Counts requests whose method and path start with this text, whatever their outcome.
    pub fn requests(&self, method_and_path: &str) -> usize {
        let requests = self.shared.requests.lock().expect("no panic");
        requests.iter().filter(|request| request.method_and_path().starts_with(method_and_path)).count()
    }

    /// Returns the recorded uploads and downloads of blobs, and clears the record of all requests.
    pub fn take_transfers(&self) -> Vec<Request> {
        let requests = std::mem::take(&mut *self.shared.requests.lock().expect("no panic"));
        requests.into_iter().filter(Request::is_blob_transfer).collect()
    }

    /// Sends the server an earlier push, counted back from the latest: a repetition, or a late arrival if it was lost.
    pub async fn resend_push(&self, back: usize) {
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
        if !shared.rejects_connections.load(Ordering::SeqCst) {
            tokio::spawn(connection::serve(client, shared.clone()));
        }
    }
}
