//! One client connection, until it ends or an injected fault ends it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{ExchangeOutcome, Request, Response, SUBSCRIBE, Shared, StreamMode};

const SERVICE_UNAVAILABLE: &str =
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const ENDLESS_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: ";
/// Length at which the proxy ends an endless line after all: far more than the operating system buffers.
const ENDLESS_BYTES: usize = 64 * 1024 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves one client until its connection ends or is closed by the test.
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
    /// The freeze counter when the connection was accepted.
    freezes: usize,
}

impl Connection {
    /// Returns `None` when the connection must close.
    async fn serve(mut self) -> Option<()> {
        loop {
            let mut request = self.read_request().await?;
            let outcome = self.outcome(&mut request);
            match outcome {
                ExchangeOutcome::LoseRequest => return None,
                ExchangeOutcome::Refuse => return self.send(SERVICE_UNAVAILABLE.as_bytes()).await,
                ExchangeOutcome::Pass | ExchangeOutcome::LoseResponse => {}
            }
            let stream_mode = self.stream_mode(&request);
            match stream_mode {
                StreamMode::Respond(text) => return self.send(text.as_bytes()).await,
                StreamMode::Endless => return self.send_endless_line().await,
                StreamMode::Pass | StreamMode::HoldBack | StreamMode::HoldBackBodies => {}
            }
            let server_url = self.shared.server_url();
            let (mut response, mut server) = begin(&server_url, &request).await?;
            if response.is_event_stream() {
                return if outcome == ExchangeOutcome::Pass {
                    self.pass_stream(&response, server, stream_mode).await
                } else {
                    None
                };
            }
            response.read_body(&mut server, &request.method).await?;
            if outcome == ExchangeOutcome::LoseResponse {
                return None;
            }
            if let Some(rewrite) = &mut self.shared.plan().rewrite {
                rewrite(&request, &mut response);
            }
            self.send(&response.to_bytes(&request.method)).await?;
            if response.cut_after.is_some() {
                return None;
            }
        }
    }

    /// Returns `None` at the end of the connection, or after half of an upload that must break.
    async fn read_request(&mut self) -> Option<Request> {
        let mut request = Request::read_head(&mut self.from_client).await?;
        let breaks = request.method == "PUT" && request.is_blob_transfer() && self.takes_upload_to_break();
        let length = if breaks { request.length() / 2 } else { request.length() };
        request.read_body(&mut self.from_client, length).await?;
        self.shared.record(&request);
        (!breaks).then_some(request)
    }

    fn takes_upload_to_break(&self) -> bool {
        let left = &mut self.shared.plan().uploads_to_break;
        let breaks = *left > 0;
        *left = left.saturating_sub(1);
        breaks
    }

    /// Takes the planned outcome of a request, and applies the page limit to its body.
    fn outcome(&self, request: &mut Request) -> ExchangeOutcome {
        let mut plan = self.shared.plan();
        if request.path == "/api/sync/pull"
            && let Some(entries) = plan.page_limit
            && let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&request.body)
        {
            body["limit"] = entries.into();
            request.body = body.to_string().into_bytes();
        }
        let path = request.path.strip_prefix("/api/sync").unwrap_or(&request.path);
        plan.outcomes_by_path
            .remove(path)
            .or_else(|| plan.outcomes.pop_front())
            .unwrap_or(ExchangeOutcome::Pass)
    }

    fn stream_mode(&self, request: &Request) -> StreamMode {
        if request.method_and_path().starts_with(SUBSCRIBE) {
            self.shared.plan().stream_mode
        } else {
            StreamMode::Pass
        }
    }

    /// Forwards a stream as it arrives, until either side ends it.
    async fn pass_stream(
        &mut self,
        head: &Response,
        mut server: BufReader<TcpStream>,
        stream_mode: StreamMode,
    ) -> Option<()> {
        if !matches!(stream_mode, StreamMode::HoldBack) {
            self.send(&head.stream_head()).await?;
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            tokio::select! {
                // A client sends nothing during a stream: readable means that it has closed the connection.
                _ = self.from_client.fill_buf() => return None,
                read = server.read(&mut buffer) => {
                    let read = read.ok().filter(|read| *read > 0)?;
                    if matches!(stream_mode, StreamMode::Pass) {
                        // Fails if the client has disconnected.
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
