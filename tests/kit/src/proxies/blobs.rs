//! What stands between a client and a real server when bytes are on their way: an HTTP proxy that keeps a record of what was asked,
//! breaks off in the middle, refuses, and alters bytes. It holds whole bodies, and passes all but the treatment as it is.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Headers that belong to one connection, or that are written anew.
const OF_A_CONNECTION: [&str; 4] = ["connection", "transfer-encoding", "content-length", "keep-alive"];

/// A request as it came by.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether it sends or fetches the bytes of a blob: these are not JSON.
    pub fn is_about_bytes(&self) -> bool {
        self.method == "PUT" && self.header("content-type").is_none()
            || self.method == "GET" && !self.is_api()
    }

    fn is_api(&self) -> bool {
        self.header("authorization").is_some() || self.path.ends_with("/limits")
    }
}

/// The server's answer, to be altered.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection breaks after so many bytes of the body, of which the head has promised all.
    pub breaks_after: Option<usize>,
}

impl Answer {
    /// Says no in the server's place.
    pub fn refuse(&mut self, status: u16) {
        (self.status, self.body) = (status, Vec::new());
    }

    /// Alters the body, if it is JSON.
    pub fn alter(&mut self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut json = serde_json::from_slice(&self.body).unwrap();
        change(&mut json);
        self.body = json.to_string().into_bytes();
    }
}

type Treatment = Box<dyn FnMut(&Asked, &mut Answer) + Send>;

#[derive(Default)]
struct Mood {
    treatment: Option<Treatment>,
    /// Uploads of which nothing reaches the server: the connection breaks in the middle.
    uploads_to_lose: usize,
    asked: Vec<Asked>,
}

/// Listens on a port of its own until it is dropped.
pub struct Proxy {
    url: String,
    mood: Arc<Mutex<Mood>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn before(server_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mood = Arc::new(Mutex::default());
        let task = tokio::spawn(accept(listener, server_url.to_owned(), mood.clone()));
        Self { url, mood, task }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on, every answer passes through here.
    pub fn treat(&self, treatment: impl FnMut(&Asked, &mut Answer) + Send + 'static) {
        self.mood().treatment = Some(Box::new(treatment));
    }

    /// From now on, answers pass as they are.
    pub fn be_honest(&self) {
        self.mood().treatment = None;
    }

    /// The connections of the next uploads break in the middle of the bytes.
    pub fn lose_uploads(&self, count: usize) {
        self.mood().uploads_to_lose = count;
    }

    /// What was asked about bytes so far, and forgets it.
    pub fn take_asked(&self) -> Vec<Asked> {
        let asked = std::mem::take(&mut self.mood().asked);
        asked.into_iter().filter(Asked::is_about_bytes).collect()
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

async fn accept(listener: TcpListener, server_url: String, mood: Arc<Mutex<Mood>>) {
    let server = reqwest::Client::new();
    while let Ok((client, _)) = listener.accept().await {
        client.set_nodelay(true).unwrap();
        tokio::spawn(serve(client, server.clone(), server_url.clone(), mood.clone()));
    }
}

/// Serves one connection until its end, or until it breaks.
async fn serve(client: TcpStream, server: reqwest::Client, server_url: String, mood: Arc<Mutex<Mood>>) {
    let (from_client, mut to_client) = client.into_split();
    let mut from_client = BufReader::new(from_client);
    while let Some(asked) = read_request(&mut from_client, &mood).await {
        mood.lock().unwrap().asked.push(asked.clone());
        let Some(mut answer) = ask(&server, &server_url, &asked).await else { return };
        if let Some(treatment) = &mut mood.lock().unwrap().treatment {
            treatment(&asked, &mut answer);
        }
        let whole = answer.breaks_after.is_none();
        if to_client.write_all(&written(&asked, answer)).await.is_err() || !whole {
            return;
        }
    }
}

/// `None` at the end of the connection, or where it is to break.
async fn read_request(from: &mut BufReader<OwnedReadHalf>, mood: &Mutex<Mood>) -> Option<Asked> {
    let first = read_line(from).await?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let line = read_line(from).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, path, headers, body: Vec::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    if asked.method == "PUT" && asked.is_about_bytes() && take_one(&mut mood.lock().unwrap().uploads_to_lose)
    {
        asked.body.resize(length / 2, 0);
        from.read_exact(&mut asked.body).await.ok()?;
        mood.lock().unwrap().asked.push(asked);
        return None;
    }
    asked.body.resize(length, 0);
    from.read_exact(&mut asked.body).await.ok()?;
    Some(asked)
}

fn take_one(left: &mut usize) -> bool {
    let some_left = *left > 0;
    *left = left.saturating_sub(1);
    some_left
}

async fn read_line(from: &mut BufReader<OwnedReadHalf>) -> Option<String> {
    let mut line = String::new();
    let read = from.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

/// Asks under the name that the client used, so that addresses which the server makes lead through here, too.
async fn ask(server: &reqwest::Client, server_url: &str, asked: &Asked) -> Option<Answer> {
    let mut forwarded = server.request(asked.method.parse().ok()?, format!("{server_url}{}", asked.path));
    for (name, value) in asked.headers.iter().filter(|(name, _)| is_passed_on(name)) {
        forwarded = forwarded.header(name, value);
    }
    let answer = forwarded.body(asked.body.clone()).send().await.ok()?;
    let headers = answer.headers().iter().filter(|(name, _)| is_passed_on(name.as_str()));
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.ok()?.to_vec();
    Some(Answer { status, headers, body, breaks_after: None })
}

fn is_passed_on(name: &str) -> bool {
    !OF_A_CONNECTION.iter().any(|it| it.eq_ignore_ascii_case(name))
}

fn written(asked: &Asked, mut answer: Answer) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} as it is\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let length = answer.body.len();
    head += &format!("content-length: {length}\r\n\r\n");
    if asked.method == "HEAD" {
        answer.body.clear();
    }
    answer.body.truncate(answer.breaks_after.unwrap_or(length));
    [head.into_bytes(), answer.body].concat()
}
