//! A way to the server on which requests get lost, and answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It reaches the server, and the answer the client.
    Passes,
    /// It reaches nobody.
    LosesRequest,
    /// The server has answered. The client never hears of it.
    LosesAnswer,
}

/// Carries one request per connection, until it is dropped.
pub struct Relay {
    url: String,
    fates: Arc<Mutex<VecDeque<Fate>>>,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn to(server_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let fates = Arc::<Mutex<VecDeque<Fate>>>::default();
        let (coming, server) = (fates.clone(), server_url.trim_start_matches("http://").to_owned());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), coming.clone()));
            }
        });
        Self { url, fates, task }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What becomes of the next requests. All after them pass.
    pub fn decide(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.fates.lock().expect("nobody panicked") = fates.into_iter().collect();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, server: String, fates: Arc<Mutex<VecDeque<Fate>>>) -> Option<()> {
    let request = read_request(&mut client).await?;
    let fate = fates.lock().expect("nobody panicked").pop_front().unwrap_or(Fate::Passes);
    if matches!(fate, Fate::LosesRequest) {
        return None;
    }
    let mut server = TcpStream::connect(server).await.ok()?;
    server.write_all(&request).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    if matches!(fate, Fate::LosesAnswer) {
        return None;
    }
    client.write_all(&answer).await.ok()?;
    client.shutdown().await.ok()
}

/// A whole request, made to be the last one of its connection.
async fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let end = loop {
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
    while bytes.len() < end + 4 + length {
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    bytes.splice(end..end, *b"\r\nconnection: close");
    Some(bytes)
}
