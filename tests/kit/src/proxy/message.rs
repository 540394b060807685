//! Requests and responses of HTTP/1.1: read whole, and written out again.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Headers that belong to one connection, or that are written anew.
const OF_A_CONNECTION: [&str; 4] = ["connection", "transfer-encoding", "content-length", "keep-alive"];

/// Names and values, in order.
pub(super) type Headers = Vec<(String, String)>;

/// A request that came by.
#[derive(Clone, Debug)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// With the query.
    pub path: String,
    headers: Headers,
    /// As much as the proxy has read of it.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads the head of one. `None` at the end of the connection.
    pub(super) async fn read_head(from: &mut (impl AsyncBufRead + Unpin)) -> Option<Self> {
        let first = read_line(from).await?;
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Self { method, path, headers: read_headers(from).await?, body: Vec::new() })
    }

    /// Reads as much of its body.
    pub(super) async fn read_body(
        &mut self,
        from: &mut (impl AsyncBufRead + Unpin),
        length: usize,
    ) -> Option<()> {
        self.body.resize(length, 0);
        from.read_exact(&mut self.body).await.ok().map(drop)
    }

    /// The length of its body.
    pub(super) fn length(&self) -> usize {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Method and path.
    pub(super) fn first_line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it sends or fetches the bytes of a blob: these are not JSON.
    pub fn is_transfer(&self) -> bool {
        let is_api = self.header("authorization").is_some() || self.path.ends_with("/limits");
        self.method == "PUT" && self.header("content-type").is_none() || self.method == "GET" && !is_api
    }

    /// As the server gets it: with the host that the client named, so that URLs which the server makes lead through the proxy.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let first = format!("{} HTTP/1.1", self.first_line());
        to_bytes(&first, &self.headers, self.body.len(), &self.body)
    }
}

/// The server's response, to be altered.
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its whole body.
    pub body: Vec<u8>,
    /// The connection breaks after so many bytes of the body; the head has promised all of them.
    pub breaks_after: Option<usize>,
}

impl Response {
    /// Reads the head of one.
    pub(super) async fn read_head(from: &mut (impl AsyncBufRead + Unpin)) -> Option<Self> {
        let status = read_line(from).await?.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, headers: read_headers(from).await?, body: Vec::new(), breaks_after: None })
    }

    /// Reads its body; `method` is that of its request.
    pub(super) async fn read_body(
        &mut self,
        from: &mut (impl AsyncBufRead + Unpin),
        method: &str,
    ) -> Option<()> {
        if method == "HEAD" || self.status == 204 || self.status == 304 {
            return Some(());
        }
        if let Some(length) = header(&self.headers, "content-length") {
            self.body.resize(length.parse().ok()?, 0);
            return from.read_exact(&mut self.body).await.ok().map(drop);
        }
        if !self.is_chunked() {
            return from.read_to_end(&mut self.body).await.ok().map(drop);
        }
        loop {
            let size = usize::from_str_radix(&read_line(from).await?, 16).ok()?;
            let start = self.body.len();
            self.body.resize(start + size, 0);
            from.read_exact(&mut self.body[start..]).await.ok()?;
            read_line(from).await?;
            if size == 0 {
                return Some(());
            }
        }
    }

    pub(super) fn is_event_stream(&self) -> bool {
        header(&self.headers, "content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    pub(super) fn is_chunked(&self) -> bool {
        header(&self.headers, "transfer-encoding").is_some_and(|coding| coding == "chunked")
    }

    /// Refuses with this status in the server's place.
    pub fn refuse(&mut self, status: u16) {
        (self.status, self.body) = (status, Vec::new());
    }

    /// Alters the body, which is JSON.
    pub fn alter(&mut self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut json = serde_json::from_slice(&self.body).expect("a JSON body");
        change(&mut json);
        self.body = json.to_string().into_bytes();
    }

    /// As the client gets it; `method` is that of its request.
    pub(super) fn to_bytes(&self, method: &str) -> Vec<u8> {
        let sent = self.breaks_after.unwrap_or(self.body.len()).min(self.body.len());
        let whole = header(&self.headers, "content-length").and_then(|length| length.parse().ok());
        let length = if method == "HEAD" { whole.unwrap_or_default() } else { self.body.len() };
        to_bytes(&self.status_line(), &self.headers, length, &self.body[..sent])
    }

    /// The head of an event stream, whose body follows as the server frames it.
    pub(super) fn head_of_stream(&self) -> Vec<u8> {
        let mut head = self.status_line() + "\r\n";
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    fn status_line(&self) -> String {
        format!("HTTP/1.1 {} -", self.status)
    }
}

fn to_bytes(first_line: &str, headers: &Headers, length: usize, body: &[u8]) -> Vec<u8> {
    let mut head = format!("{first_line}\r\n");
    for (name, value) in headers {
        if !OF_A_CONNECTION.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += &format!("content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

async fn read_headers(from: &mut (impl AsyncBufRead + Unpin)) -> Option<Headers> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(from).await?;
        let Some((name, value)) = line.split_once(':') else { return Some(headers) };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

async fn read_line(from: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    let read = from.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
