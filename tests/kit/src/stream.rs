//! Event streams, read from the socket.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::Caller;

/// How long to wait for expected data. Far more than it takes: reaching it means that nothing arrives.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its name.
    pub event: String,
    /// Its id.
    pub id: Option<String>,
    /// Its data.
    pub data: String,
}

/// One item of an event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    Event(StreamEvent),
    Comment(String),
    Retry(u64),
}

/// An open stream. Dropping it closes the connection.
pub struct EventReader {
    lines: BufReader<TcpStream>,
    /// Response headers, names in lower case.
    pub headers: HashMap<String, String>,
}

impl Caller {
    /// Opens an event stream, such as `/api/sync/subscribe?app_id=…`.
    #[track_caller]
    pub fn open_stream(&self, path: &str) -> EventReader {
        self.open_stream_with(path, "")
    }

    /// Reconnects with `Last-Event-ID`, as a browser does.
    #[track_caller]
    pub fn reopen_stream(&self, path: &str, last_event_id: &str) -> EventReader {
        self.open_stream_with(path, &format!("last-event-id: {last_event_id}\r\n"))
    }

    /// Opens an event stream over HTTP/1.0, as an old proxy does.
    #[track_caller]
    pub fn open_http_1_0_stream(&self, path: &str) -> EventReader {
        let connection = TcpStream::connect(self.address()).expect("the server listens");
        EventReader::open(connection, self, &format!("{path} HTTP/1.0"), "connection: close\r\n")
    }

    #[track_caller]
    fn open_stream_with(&self, path: &str, headers: &str) -> EventReader {
        let connection = TcpStream::connect(self.address()).expect("the server listens");
        EventReader::open(connection, self, &format!("{path} HTTP/1.1"), headers)
    }

    /// Opens an event stream with the smallest receive buffer, so that unread data soon blocks the server.
    #[track_caller]
    pub fn open_small_buffer_stream(&self, path: &str) -> EventReader {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // The size limits the window only if it is set before the handshake.
        socket.set_recv_buffer_size(1).expect("the system accepts the minimum");
        socket.connect(&self.address().into()).expect("the server listens");
        EventReader::open(socket.into(), self, &format!("{path} HTTP/1.1"), "")
    }

    fn address(&self) -> SocketAddr {
        self.url().replace("http://", "").parse().expect("an address")
    }
}

impl EventReader {
    #[track_caller]
    fn open(mut connection: TcpStream, caller: &Caller, target: &str, headers: &str) -> Self {
        connection.set_read_timeout(Some(TIMEOUT)).expect("a read timeout");
        let (host, token) = (caller.address(), caller.token());
        let head = format!("GET {target}\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{headers}\r\n");
        connection.write_all(head.as_bytes()).expect("the head is sent");
        let mut reader = Self { lines: BufReader::new(connection), headers: HashMap::new() };
        let status = reader.line().expect("a response");
        assert!(status.ends_with(" 200 OK\r\n"), "{target} is not a stream: {status}");
        loop {
            let line = reader.line().expect("the response head is complete");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            reader.headers.insert(name.to_lowercase(), value.to_owned());
        }
        reader
    }

    /// Returns the next event, or `None` at the end of the stream.
    #[track_caller]
    pub fn next_event(&mut self) -> Option<StreamEvent> {
        loop {
            if let StreamItem::Event(event) = self.next_item()? {
                return Some(event);
            }
        }
    }

    /// Expects the next event to be `changed`, and returns its id.
    #[track_caller]
    pub fn expect_changed(&mut self) -> String {
        let event = self.next_event().expect("an event, not the end");
        assert_eq!((event.event.as_str(), event.data.as_str()), ("changed", "{}"), "{event:?}");
        event.id.expect("it has an id")
    }

    /// Expects the next event to be `keys`.
    #[track_caller]
    pub fn expect_keys(&mut self) {
        let expected = StreamEvent { event: "keys".into(), id: None, data: "{}".into() };
        assert_eq!(self.next_event(), Some(expected));
    }

    /// Expects the end of the stream, with no event before.
    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.next_event(), None);
    }

    /// Returns the next item, or `None` at the regular end of the stream.
    #[track_caller]
    pub fn next_item(&mut self) -> Option<StreamItem> {
        let mut event = StreamEvent { event: String::new(), id: None, data: String::new() };
        let (mut other, mut any) = (None, false);
        loop {
            let line = self.line().expect("the stream ends regularly");
            // Lines that frame chunks end with CR LF, lines inside them with LF; a chunk holds whole lines.
            if let Some(framing) = line.strip_suffix("\r\n") {
                if framing == "0" {
                    return None;
                }
                continue;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(':') {
                Some(("", comment)) => other = Some(StreamItem::Comment(comment.trim().into())),
                Some(("retry", value)) => {
                    other = Some(StreamItem::Retry(value.trim().parse().expect("a number")))
                }
                Some(("event", value)) => value.trim().clone_into(&mut event.event),
                Some(("id", value)) => event.id = Some(value.trim().into()),
                Some(("data", value)) => value.trim().clone_into(&mut event.data),
                _ if line.is_empty() && any => return Some(other.unwrap_or(StreamItem::Event(event))),
                _ => assert!(line.is_empty(), "not a line of an event stream: {line:?}"),
            }
            any = true;
        }
    }

    /// Resets the connection, as happens when a program is killed with unread data.
    pub fn reset(self) {
        let connection = self.lines.into_inner();
        SockRef::from(&connection).set_linger(Some(Duration::ZERO)).expect("a socket");
    }

    /// Shuts down the sending half of the connection.
    pub fn close_sending_half(&self) {
        self.lines.get_ref().shutdown(Shutdown::Write).expect("it was open");
    }

    /// Returns the next line, or `None` if the connection has closed.
    #[track_caller]
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.lines.read_line(&mut line).expect("the stream sends data in time");
        (length > 0).then_some(line)
    }
}
