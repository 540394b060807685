//! The port of 127.0.0.1 to which the browser is redirected.
//!
//! Any program on this machine and any page in the browser can connect to it, too. So only a request with the right
//! state gets through to the sign-in; all others are answered and change nothing. A connection that sends nothing is
//! dropped after a while, or as soon as others are waiting, and memory is bounded to a few kilobytes per connection.

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

use super::callback::Callback;
use super::page::CallbackPage;

/// The path of the redirect URI.
const PATH: &str = "/callback";
/// Bytes of a request that are read: far more than a browser sends here.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 100;
/// Time to send a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to receive the answer.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections at a time. With one more, the oldest is dropped: browsers open some in advance and leave them silent.
const MAX_CONNECTIONS: usize = 16;
/// Wait after the system refused a connection, for example because the program has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound port that does not accept connections yet.
pub(super) struct Loopback {
    listener: TcpListener,
    port: u16,
}

/// The browser, back with the right state and waiting for its page.
pub(super) struct Redirected {
    pub(super) callback: Callback,
    pub(super) connection: BrowserConnection,
}

impl Loopback {
    /// Binds a port that the system chooses.
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Returns the redirect URI. By IP address, as RFC 8252 recommends: `localhost` may resolve to something else.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Answers every request, and sends on the one with this state. The port is closed when the returned task is
    /// dropped.
    pub(super) fn listen(
        self,
        state: String,
        redirected: mpsc::Sender<io::Result<Redirected>>,
    ) -> AbortOnDrop {
        let state = Arc::new(Zeroizing::new(state));
        AbortOnDrop(tokio::spawn(async move {
            let mut connections = VecDeque::<AbortOnDrop>::with_capacity(MAX_CONNECTIONS);
            loop {
                let Ok((stream, _)) = self.listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                connections.retain(|connection| !connection.0.is_finished());
                if connections.len() == MAX_CONNECTIONS {
                    connections.pop_front();
                }
                let serving = serve(BrowserConnection(stream), state.clone(), redirected.clone());
                connections.push_back(AbortOnDrop(tokio::spawn(serving)));
            }
        }))
    }
}

/// A task that is aborted when this is dropped.
pub(super) struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(
    mut connection: BrowserConnection,
    state: Arc<Zeroizing<String>>,
    redirected: mpsc::Sender<io::Result<Redirected>>,
) {
    let Ok(Some(target)) = timeout(HEAD_TIMEOUT, connection.request_target()).await else { return };
    let query = match target.split_once('?') {
        Some((PATH, query)) => query,
        _ => return connection.respond(&CallbackPage::NOT_FOUND).await,
    };
    let callback = Callback::parse(query);
    if !callback.has_state(&state) {
        return connection.respond(&CallbackPage::FOREIGN).await;
    }
    // The first one counts, if there are several, as after a second click.
    if let Err(refused) = redirected.try_send(Ok(Redirected { callback, connection }))
        && let Ok(Redirected { connection, .. }) = refused.into_inner()
    {
        connection.respond(&CallbackPage::FOREIGN).await;
    }
}

/// An accepted connection.
pub(super) struct BrowserConnection(TcpStream);

impl BrowserConnection {
    /// Reads the target of a `GET` request; `None` for anything else.
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

    /// Sends the page, and waits until it was received or the time is up.
    pub(super) async fn respond(mut self, page: &CallbackPage) {
        let _ = timeout(PAGE_TIMEOUT, async {
            self.0.write_all(page.to_http().as_bytes()).await?;
            self.0.shutdown().await?;
            // Closing a connection with unread bytes would discard the answer. A fixed buffer, since they may never
            // end.
            let mut rest = [0; 1024];
            while self.0.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }
}
