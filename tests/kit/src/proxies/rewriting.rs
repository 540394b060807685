//! What stands between a client and a real server: an HTTP proxy that rewrites answers, or loses them.
//!
//! It takes whole requests, asks the server, and gives whole answers, so that a lie can be told about any part of their JSON
//! and everything else stays the work of a real server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came by. The path is without `/api/sync`.
pub struct Asked {
    pub method: String,
    pub path: String,
    pub body: Value,
}

/// The server's answer, to be altered.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// Where an exchange breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Before the server has heard of it.
    Request,
    /// After the server has done what it was asked for.
    Answer,
}

type Lie = Box<dyn FnMut(&Asked, &mut Answer) + Send>;

#[derive(Default)]
struct Mood {
    lie: Option<Lie>,
    losses: HashMap<&'static str, Loss>,
    /// Entries in a page, at most.
    page: Option<usize>,
    /// The latest pushes, whether they arrived or not.
    pushes: VecDeque<RawRequest>,
}

/// Pushes that are remembered.
const PUSHES: usize = 12;

/// Listens on a port of its own until it is dropped.
pub struct Proxy {
    url: String,
    server_url: Arc<Mutex<String>>,
    mood: Arc<Mutex<Mood>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn before(server_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server_url = Arc::new(Mutex::new(server_url.to_owned()));
        let mood = Arc::new(Mutex::default());
        let task = tokio::spawn(accept(listener, server_url.clone(), mood.clone()));
        Self { url, server_url, mood, task }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on, every answer passes through here.
    pub fn lie(&self, lie: impl FnMut(&Asked, &mut Answer) + Send + 'static) {
        self.mood().lie = Some(Box::new(lie));
    }

    /// From now on, answers pass as they are.
    pub fn be_honest(&self) {
        self.mood().lie = None;
    }

    /// The next exchange about this path breaks off.
    pub fn lose_next(&self, path: &'static str, loss: Loss) {
        self.mood().losses.insert(path, loss);
    }

    /// From now on, no exchange breaks off.
    pub fn be_kind(&self) {
        self.mood().losses.clear();
    }

    /// From now on, pages are no longer than this, as if every pull had asked for it.
    pub fn shorten_pages(&self, entries: usize) {
        self.mood().page = Some(entries);
    }

    /// The server has moved.
    pub fn point_to(&self, server_url: &str) {
        *self.server_url.lock().unwrap() = server_url.to_owned();
    }

    /// Brings the server an earlier push, so many before the latest one: once more, or late if it was lost.
    pub async fn deliver_again(&self, back: usize) {
        let pushes = self.mood().pushes.iter().rev().nth(back).cloned();
        let server_url = self.server_url.lock().unwrap().clone();
        if let Some(push) = pushes {
            ask(&reqwest::Client::new(), &server_url, push).await;
        }
    }

    fn mood(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server_url: Arc<Mutex<String>>, mood: Arc<Mutex<Mood>>) {
    let server = reqwest::Client::new();
    while let Ok((client, _)) = listener.accept().await {
        client.set_nodelay(true).unwrap();
        tokio::spawn(serve(client, server.clone(), server_url.clone(), mood.clone()));
    }
}

/// Serves one connection until its end, or until an exchange on it is lost.
async fn serve(
    client: TcpStream,
    server: reqwest::Client,
    server_url: Arc<Mutex<String>>,
    mood: Arc<Mutex<Mood>>,
) {
    let (from_client, mut to_client) = client.into_split();
    let mut from_client = BufReader::new(from_client);
    while let Some(mut request) = read_request(&mut from_client).await {
        let path = request.path.strip_prefix("/api/sync").unwrap_or(&request.path).to_owned();
        if path == "/push" {
            let pushes = &mut mood.lock().unwrap().pushes;
            pushes.push_back(request.clone());
            if pushes.len() > PUSHES {
                pushes.pop_front();
            }
        }
        let loss = mood.lock().unwrap().losses.remove(path.as_str());
        if loss == Some(Loss::Request) {
            return;
        }
        let mut body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if let Some(entries) = mood.lock().unwrap().page.filter(|_| path == "/pull") {
            body["limit"] = entries.into();
            request.body = body.to_string().into_bytes();
        }
        let asked = Asked { method: request.method.clone(), path, body };
        let server_url = server_url.lock().unwrap().clone();
        let Some(mut answer) = ask(&server, &server_url, request).await else { return };
        if loss == Some(Loss::Answer) {
            return;
        }
        if let Some(lie) = &mut mood.lock().unwrap().lie {
            lie(&asked, &mut answer);
        }
        if to_client.write_all(&written(&answer)).await.is_err() {
            return;
        }
    }
}

#[derive(Clone)]
struct RawRequest {
    method: String,
    path: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

/// `None` at the end of the connection.
async fn read_request(from: &mut BufReader<OwnedReadHalf>) -> Option<RawRequest> {
    let first = read_line(from).await?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut authorization) = (0, None);
    loop {
        let line = read_line(from).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await.ok()?;
    Some(RawRequest { method, path, authorization, body })
}

async fn read_line(from: &mut BufReader<OwnedReadHalf>) -> Option<String> {
    let mut line = String::new();
    let read = from.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

async fn ask(server: &reqwest::Client, server_url: &str, request: RawRequest) -> Option<Answer> {
    let method = request.method.parse().ok()?;
    let mut forwarded = server.request(method, format!("{server_url}{}", request.path));
    if let Some(authorization) = request.authorization {
        forwarded = forwarded.header("authorization", authorization);
    }
    if !request.body.is_empty() {
        forwarded = forwarded.header("content-type", "application/json").body(request.body);
    }
    let answer = forwarded.send().await.ok()?;
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.ok()?;
    Some(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
}

fn written(answer: &Answer) -> Vec<u8> {
    let body = if answer.body.is_null() { String::new() } else { answer.body.to_string() };
    let (status, length) = (answer.status, body.len());
    let head = format!(
        "HTTP/1.1 {status} as it is\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.into_bytes(), body.into_bytes()].concat()
}
