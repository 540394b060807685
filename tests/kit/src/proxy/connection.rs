//! One connection of a client, until it ends or a fault ends it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Fate, Request, Response, SUBSCRIBE, Shared, Streams};

const REFUSAL: &str =
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const ENDLESS_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: ";
/// Bytes of an endless line, after which the proxy ends it nevertheless: far more than fits into the system's buffers.
const ENDLESS_BYTES: usize = 64 * 1024 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves a client.
pub(super) async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let freezes = shared.freezes.load(Ordering::SeqCst);
    let connection = Connection { from_client: BufReader::new(from_client), to_client, shared, freezes };
    tokio::select! {
        _ = cuts.changed() => {}
        _ = connection.serve() => {}
    }
}

/// Sends a request to a server and reads the whole response.
pub(super) async fn exchange(server_url: &str, request: &Request) -> Option<Response> {
    let (mut response, mut server) = begin(server_url, request).await?;
    response.read_body(&mut server, &request.method).await?;
    Some(response)
}

/// Sends a request to a server and reads the head of the response.
async fn begin(server_url: &str, request: &Request) -> Option<(Response, BufReader<TcpStream>)> {
    let address = server_url.strip_prefix("http://")?;
    let mut server = BufReader::new(TcpStream::connect(address).await.ok()?);
    let _ = server.get_ref().set_nodelay(true);
    server.write_all(&request.to_bytes()).await.ok()?;
    Some((Response::read_head(&mut server).await?, server))
}

struct Connection {
    from_client: BufReader<OwnedReadHalf>,
    to_client: OwnedWriteHalf,
    shared: Arc<Shared>,
    /// How many freezes there were when it began.
    freezes: usize,
}

impl Connection {
    /// `None` when the connection is to close.
    async fn serve(mut self) -> Option<()> {
        loop {
            let mut request = self.read_request().await?;
            let fate = self.fate(&mut request);
            match fate {
                Fate::LoseRequest => return None,
                Fate::Refuse => return self.send(REFUSAL.as_bytes()).await,
                Fate::Pass | Fate::LoseResponse => {}
            }
            let streams = self.streams(&request);
            match streams {
                Streams::Answer(answer) => return self.send(answer.as_bytes()).await,
                Streams::Endless => return self.send_endless_line().await,
                Streams::Pass | Streams::HoldBack | Streams::HoldBackBodies => {}
            }
            let server_url = self.shared.server_url();
            let (mut response, mut server) = begin(&server_url, &request).await?;
            if response.is_event_stream() {
                return if fate == Fate::Pass {
                    self.pass_stream(&response, server, streams).await
                } else {
                    None
                };
            }
            response.read_body(&mut server, &request.method).await?;
            if fate == Fate::LoseResponse {
                return None;
            }
            if let Some(rewrite) = &mut self.shared.plan().rewrite {
                rewrite(&request, &mut response);
            }
            self.send(&response.to_bytes(&request.method)).await?;
            if response.breaks_after.is_some() {
                return None;
            }
        }
    }

    /// `None` at the end of the connection, or where it is to break.
    async fn read_request(&mut self) -> Option<Request> {
        let mut request = Request::read_head(&mut self.from_client).await?;
        let breaks = request.method == "PUT" && request.is_transfer() && self.takes_break();
        let length = if breaks { request.length() / 2 } else { request.length() };
        request.read_body(&mut self.from_client, length).await?;
        self.shared.record(&request);
        (!breaks).then_some(request)
    }

    fn takes_break(&self) -> bool {
        let left = &mut self.shared.plan().uploads_to_break;
        let breaks = *left > 0;
        *left = left.saturating_sub(1);
        breaks
    }

    /// What becomes of a request, whose page it shortens.
    fn fate(&self, request: &mut Request) -> Fate {
        let mut plan = self.shared.plan();
        if request.path == "/api/sync/pull"
            && let Some(entries) = plan.page_limit
            && let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&request.body)
        {
            body["limit"] = entries.into();
            request.body = body.to_string().into_bytes();
        }
        let path = request.path.strip_prefix("/api/sync").unwrap_or(&request.path);
        plan.fates_by_path.remove(path).or_else(|| plan.fates.pop_front()).unwrap_or(Fate::Pass)
    }

    fn streams(&self, request: &Request) -> Streams {
        if request.first_line().starts_with(SUBSCRIBE) { self.shared.plan().streams } else { Streams::Pass }
    }

    /// Passes a stream on as it comes, until either side ends it.
    async fn pass_stream(
        &mut self,
        head: &Response,
        mut server: BufReader<TcpStream>,
        streams: Streams,
    ) -> Option<()> {
        if !matches!(streams, Streams::HoldBack) {
            self.send(&head.head_of_stream()).await?;
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            tokio::select! {
                // Whatever the client says now, it says that it does not listen any longer.
                _ = self.from_client.fill_buf() => return None,
                read = server.read(&mut buffer) => {
                    let read = read.ok().filter(|read| *read > 0)?;
                    if matches!(streams, Streams::Pass) {
                        // A client that goes away meanwhile fails this.
                        send(&mut self.to_client, &self.shared, self.freezes, &buffer[..read]).await?;
                    }
                }
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        send(&mut self.to_client, &self.shared, self.freezes, bytes).await
    }

    async fn send_endless_line(&mut self) -> Option<()> {
        let mut sent = self.to_client.write_all(ENDLESS_HEAD.as_bytes()).await;
        let part = [b'x'; BUFFER_BYTES];
        for _ in 0..ENDLESS_BYTES / part.len() {
            if sent.is_err() {
                self.shared.hang_ups.send_modify(|hang_ups| *hang_ups += 1);
                return None;
            }
            sent = self.to_client.write_all(&part).await;
        }
        None
    }
}

async fn send(to_client: &mut OwnedWriteHalf, shared: &Shared, freezes: usize, bytes: &[u8]) -> Option<()> {
    if shared.freezes.load(Ordering::SeqCst) != freezes {
        return pending().await;
    }
    if !shared.byte_by_byte.load(Ordering::SeqCst) {
        return to_client.write_all(bytes).await.ok();
    }
    for byte in bytes.chunks(1) {
        to_client.write_all(byte).await.ok()?;
        tokio::task::yield_now().await;
    }
    Some(())
}
