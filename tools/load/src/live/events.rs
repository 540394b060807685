//! A stream of notifications with as little around it as it takes: lines are read, and what they say.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Result, wire};

/// Bytes that are read at once: a few events.
const BUFFER: usize = 512;

/// What a stream has said.
pub(super) enum StreamEvent {
    /// That it lives.
    Alive,
    /// That others have pushed; its cursor.
    Changed(String),
}

/// An open stream.
pub(super) struct Events {
    stream: TcpStream,
    unread: Vec<u8>,
    id: Option<String>,
    event: String,
}

impl Events {
    /// Opens one, and sees that it was.
    pub(super) async fn open(address: &str, request: &[u8]) -> Result<Self> {
        let mut stream = TcpStream::from_std(wire::connect(address)?)?;
        stream.write_all(request).await?;
        let mut events = Self { stream, unread: Vec::new(), id: None, event: String::new() };
        match events.line().await? {
            line if line.starts_with("HTTP/1.1 200 ") => Ok(events),
            line => Err(format!("no stream: {line}").into()),
        }
    }

    /// Waits for the next word. The server writes each event as a chunk of its own, so lines that tell a chunk's
    /// length stand between the others and are no field of an event.
    pub(super) async fn next(&mut self) -> Result<StreamEvent> {
        loop {
            let line = self.line().await?;
            if line.starts_with(':') {
                return Ok(StreamEvent::Alive);
            } else if let Some(id) = line.strip_prefix("id: ") {
                self.id = Some(id.to_owned());
            } else if let Some(event) = line.strip_prefix("event: ") {
                self.event = event.to_owned();
            } else if line.starts_with("data: ") && self.event == "changed" {
                return Ok(StreamEvent::Changed(self.id.clone().ok_or("news without a cursor")?));
            } else if line.starts_with("data: ") && self.event.is_empty() {
                return Ok(StreamEvent::Alive);
            }
        }
    }

    /// Waits for a sign of life.
    pub(super) async fn alive(&mut self) -> Result<()> {
        while !matches!(self.next().await?, StreamEvent::Alive) {}
        Ok(())
    }

    /// Waits for the next news.
    pub(super) async fn changed(&mut self) -> Result<String> {
        loop {
            if let StreamEvent::Changed(cursor) = self.next().await? {
                return Ok(cursor);
            }
        }
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8(line)?.trim_end().to_owned());
            }
            let mut buffer = [0; BUFFER];
            match self.stream.read(&mut buffer).await? {
                0 => return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()),
                count => self.unread.extend_from_slice(&buffer[..count]),
            }
        }
    }
}
