//! HTTP/1.1 requests and responses, read completely and serialised again.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Headers that apply to one connection only, or that the proxy writes itself.
const CONNECTION_HEADERS: [&str; 4] = ["connection", "transfer-encoding", "content-length", "keep-alive"];

/// Names and values, in order.
pub(super) type Headers = Vec<(String, String)>;

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// Including the query.
    pub path: String,
    headers: Headers,
    /// As much as the proxy has read.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads the request line and headers. `None` at the end of the connection.
    pub(super) async fn read_head(from: &mut (impl AsyncBufRead + Unpin)) -> Option<Self> {
        let first = read_line(from).await?;
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Self { method, path, headers: read_headers(from).await?, body: Vec::new() })
    }

    /// Reads `length` bytes of the body.
    pub(super) async fn read_body(
        &mut self,
        from: &mut (impl AsyncBufRead + Unpin),
        length: usize,
    ) -> Option<()> {
        self.body.resize(length, 0);
        from.read_exact(&mut self.body).await.ok().map(drop)
    }

    /// Returns the declared length of the body.
    pub(super) fn length(&self) -> usize {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default()
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Returns method and path, separated by a space.
    pub(super) fn method_and_path(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Returns whether the request uploads or downloads the bytes of a blob, which are not JSON.
    pub fn is_blob_transfer(&self) -> bool {
        let is_api = self.header("authorization").is_some() || self.path.ends_with("/limits");
        self.method == "PUT" && self.header("content-type").is_none() || self.method == "GET" && !is_api
    }

    /// Serialises the request for the server. The `Host` header is the client's, so that URLs made by the server lead
    /// through the proxy.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let start_line = format!("{} HTTP/1.1", self.method_and_path());
        to_bytes(&start_line, &self.headers, self.body.len(), &self.body)
    }
}

/// The server's response, for a test to alter.
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers in order.
    pub headers: Headers,
    /// The complete body.
    pub body: Vec<u8>,
    /// Closes the connection after this many bytes of the body, although `Content-Length` announces all of it.
    pub cut_after: Option<usize>,
}

impl Response {
    /// Reads the status line and headers.
    pub(super) async fn read_head(from: &mut (impl AsyncBufRead + Unpin)) -> Option<Self> {
        let status = read_line(from).await?.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, headers: read_headers(from).await?, body: Vec::new(), cut_after: None })
    }

    /// Reads the body; `method` is the request's.
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

    /// Replaces the response with an empty one of this status.
    pub fn refuse(&mut self, status: u16) {
        (self.status, self.body) = (status, Vec::new());
    }

    /// Alters the JSON body.
    pub fn alter(&mut self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut json = serde_json::from_slice(&self.body).expect("a JSON body");
        change(&mut json);
        self.body = json.to_string().into_bytes();
    }

    /// Serialises the response for the client; `method` is the request's.
    pub(super) fn to_bytes(&self, method: &str) -> Vec<u8> {
        let sent = self.cut_after.unwrap_or(self.body.len()).min(self.body.len());
        let whole = header(&self.headers, "content-length").and_then(|length| length.parse().ok());
        let length = if method == "HEAD" { whole.unwrap_or_default() } else { self.body.len() };
        to_bytes(&self.status_line(), &self.headers, length, &self.body[..sent])
    }

    /// Serialises the head of an event stream; the body follows in the server's own framing.
    pub(super) fn stream_head(&self) -> Vec<u8> {
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

fn to_bytes(start_line: &str, headers: &Headers, length: usize, body: &[u8]) -> Vec<u8> {
    let mut head = format!("{start_line}\r\n");
    for (name, value) in headers {
        if !CONNECTION_HEADERS.iter().any(|other| other.eq_ignore_ascii_case(name)) {
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
