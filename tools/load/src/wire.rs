//! As little HTTP/1.1 as it takes, so that a request costs this program a few microseconds: requests are bytes that
//! somebody prepared, and of an answer only the status and the length are read.

use std::io::ErrorKind;
use std::net::TcpStream as Connected;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// Bytes for answers at first; it grows to the largest.
const FIRST_BUFFER: usize = 16 * 1024;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// The head of a POST with a JSON body of this length.
pub(crate) fn head(address: &str, path: &str, token: Option<&str>, length: usize) -> Vec<u8> {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// A GET.
pub(crate) fn get(address: &str, path: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\n").into_bytes()
}

/// Connects, outside of any runtime.
pub(crate) fn connect(address: &str) -> Result<Connected> {
    let stream = Connected::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// One connection that is kept alive.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Takes a connection into the runtime of this thread.
    pub(crate) fn new(stream: Connected) -> Result<Self> {
        Ok(Self { stream: TcpStream::from_std(stream)?, buffer: vec![0; FIRST_BUFFER] })
    }

    /// Sends a request, and gives the body of its answer if that is a success.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        let Answer { status, body, .. } = self.exchange(request).await?;
        match status {
            200 | 201 => Ok(body),
            status => Err(format!("the server answered {status}: {}", String::from_utf8_lossy(body)).into()),
        }
    }

    /// Sends a request, and gives its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head = loop {
            filled += self.read_more(filled).await?;
            if let Some(head) = Head::parse(&self.buffer[..filled])? {
                break head;
            }
        };
        let end = head.length + head.body;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        while filled < end {
            filled += self.read_more(filled).await?;
        }
        let (before, body) = self.buffer[..end].split_at(head.length);
        Ok(Answer { status: head.status, head: before, body })
    }

    async fn read_more(&mut self, filled: usize) -> Result<usize> {
        match self.stream.read(&mut self.buffer[filled..]).await? {
            0 => Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()),
            count => Ok(count),
        }
    }
}

/// An answer, until the next request.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// What is needed of the head of an answer.
struct Head {
    status: u16,
    /// Bytes of the head.
    length: usize,
    /// Bytes of the body.
    body: usize,
}

impl Head {
    /// `None`: there is more to come.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD) else {
            return Ok(None);
        };
        let mut lines = std::str::from_utf8(&bytes[..end])?.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or("no status")?.parse()?;
        let length = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
        };
        let body = lines.find_map(length).ok_or("an answer without a length")??;
        Ok(Some(Self { status, length: end + END_OF_HEAD.len(), body }))
    }
}
