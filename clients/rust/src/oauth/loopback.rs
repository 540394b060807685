//! The port of 127.0.0.1 to which the browser comes back.
//!
//! Any program on this machine and any page in the browser can knock here, too. So only the one who knows the state gets
//! through to the sign-in; all others get an answer and change nothing. Whoever connects and says nothing is forgotten after
//! a while, or as soon as others wait, and nobody makes this program remember more than a few kilobytes.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::browser::Arrival;
use super::callback::Callback;
use super::page::Page;

/// Where the browser is sent to.
const PATH: &str = "/callback";
/// Bytes of a request that are read: far more than a browser sends to a stranger.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 100;
/// Time to send a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Time to take the answer.
const PAGE_PATIENCE: Duration = Duration::from_secs(2);
/// Connections at a time. One more, and the oldest gives way: browsers open some in advance and leave them silent.
const MAX_VISITORS: usize = 16;
/// Wait after the system gave no connection, as when the program has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that nobody knows of yet.
pub(super) struct Loopback {
    listener: TcpListener,
    port: u16,
}

impl Loopback {
    /// Takes a port that the system chooses.
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// The address to send the browser back to. By number, as RFC 8252 has it: `localhost` may lead elsewhere.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Answers who comes, and passes on who knows `state`. The port closes when what this gives is dropped.
    pub(super) fn open(self, state: String, arrivals: mpsc::Sender<Arrival>) -> Task {
        let state = Arc::new(Zeroizing::new(state));
        Task(tokio::spawn(async move {
            let mut visitors = VecDeque::<Task>::with_capacity(MAX_VISITORS);
            loop {
                let Ok((stream, _)) = self.listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                visitors.retain(|visitor| !visitor.0.is_finished());
                if visitors.len() == MAX_VISITORS {
                    visitors.pop_front();
                }
                let visit = receive(Visitor(stream), state.clone(), arrivals.clone());
                visitors.push_back(Task(tokio::spawn(visit)));
            }
        }))
    }
}

/// A task that ends when this is dropped.
pub(super) struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn receive(mut visitor: Visitor, state: Arc<Zeroizing<String>>, arrivals: mpsc::Sender<Arrival>) {
    let Ok(Some(target)) = timeout(HEAD_PATIENCE, visitor.request_target()).await else { return };
    let query = match target.split_once('?') {
        Some((PATH, query)) => query,
        _ => return visitor.show(&Page::NOT_FOUND).await,
    };
    let callback = Callback::read(query);
    if !callback.answers(&state) {
        return visitor.show(&Page::FOREIGN).await;
    }
    // Where there is one already, as after a second click, that one counts.
    if let Err(refused) = arrivals.try_send(Ok((callback, visitor)))
        && let Ok((_, visitor)) = refused.into_inner()
    {
        visitor.show(&Page::FOREIGN).await;
    }
}

/// Somebody who has connected.
pub(super) struct Visitor(TcpStream);

impl Visitor {
    /// What a `GET` asks for; `None` for anything else.
    async fn request_target(&mut self) -> Option<Zeroizing<String>> {
        let mut head = Zeroizing::new(Vec::with_capacity(MAX_HEAD_BYTES));
        loop {
            let room = MAX_HEAD_BYTES - head.len();
            if room == 0 || (&mut self.0).take(room as u64).read_buf(&mut *head).await.ok()? == 0 {
                return None;
            }
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut request = httparse::Request::new(&mut headers);
            if request.parse(&head).ok()?.is_complete() {
                let is_get = request.method == Some("GET");
                return request.path.filter(|_| is_get).map(|path| Zeroizing::new(path.to_owned()));
            }
        }
    }

    /// Answers, and waits until the answer has been taken or time is up.
    pub(super) async fn show(mut self, page: &Page) {
        let _ = timeout(PAGE_PATIENCE, async {
            self.0.write_all(page.to_http().as_bytes()).await?;
            self.0.shutdown().await?;
            // A connection that closes with something unread takes the answer back. A fixed buffer: it may never end.
            let mut rest = [0; 1024];
            while self.0.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }
}
