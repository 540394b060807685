//! Streams of notifications, read as they come off the wire.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::Caller;

/// How long a stream may be silent where something is expected. Far more than it takes: reaching it means that nothing comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its name.
    pub event: String,
    /// Its id.
    pub id: Option<String>,
    /// What it carries.
    pub data: String,
}

/// Whatever a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Event(Heard),
    Comment(String),
    Retry(u64),
}

/// An open stream. Dropping it closes the connection.
pub struct EventReader {
    lines: BufReader<TcpStream>,
    /// Of the answer, names in lower case.
    pub headers: HashMap<String, String>,
}

impl Caller {
    /// Opens the stream of an address such as `/api/sync/subscribe?app_id=…`.
    #[track_caller]
    pub fn open_stream(&self, path: &str) -> EventReader {
        self.open_stream_with(path, "")
    }

    /// As a browser that reconnects.
    #[track_caller]
    pub fn reopen_stream(&self, path: &str, last_event_id: &str) -> EventReader {
        self.open_stream_with(path, &format!("last-event-id: {last_event_id}\r\n"))
    }

    /// As a proxy that speaks HTTP/1.0.
    #[track_caller]
    pub fn open_old_stream(&self, path: &str) -> EventReader {
        let connection = TcpStream::connect(self.address()).expect("the server listens");
        EventReader::open(connection, self, &format!("{path} HTTP/1.0"), "connection: close\r\n")
    }

    #[track_caller]
    fn open_stream_with(&self, path: &str, headers: &str) -> EventReader {
        let connection = TcpStream::connect(self.address()).expect("the server listens");
        EventReader::open(connection, self, &format!("{path} HTTP/1.1"), headers)
    }

    /// A stream whose reader has next to no room for what it does not read.
    #[track_caller]
    pub fn open_narrow_stream(&self, path: &str) -> EventReader {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Only what is set before the handshake bounds what the other side may send.
        socket.set_recv_buffer_size(1).expect("the system takes its least");
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
        connection.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let (host, token) = (caller.address(), caller.token());
        let head = format!("GET {target}\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{headers}\r\n");
        connection.write_all(head.as_bytes()).expect("the head is sent");
        let mut reader = Self { lines: BufReader::new(connection), headers: HashMap::new() };
        let status = reader.line().expect("an answer");
        assert!(status.ends_with(" 200 OK\r\n"), "{target} is no stream: {status}");
        loop {
            let line = reader.line().expect("a head has an end");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            reader.headers.insert(name.to_lowercase(), value.to_owned());
        }
        reader
    }

    /// The next event. `None`: the stream has ended.
    #[track_caller]
    pub fn next(&mut self) -> Option<Heard> {
        loop {
            if let Said::Event(heard) = self.next_said()? {
                return Some(heard);
            }
        }
    }

    /// The next event, which is `changed`; its id.
    #[track_caller]
    pub fn changed(&mut self) -> String {
        let heard = self.next().expect("an event, not the end");
        assert_eq!((heard.event.as_str(), heard.data.as_str()), ("changed", "{}"), "{heard:?}");
        heard.id.expect("it has an id")
    }

    /// The next event, which is `keys`.
    #[track_caller]
    pub fn keys(&mut self) {
        let expected = Heard { event: "keys".into(), id: None, data: "{}".into() };
        assert_eq!(self.next(), Some(expected));
    }

    /// The end, with nothing said before.
    #[track_caller]
    pub fn ends(&mut self) {
        assert_eq!(self.next(), None);
    }

    /// Whatever is said next. `None`: the stream has ended as a stream ends.
    #[track_caller]
    pub fn next_said(&mut self) -> Option<Said> {
        let mut heard = Heard { event: String::new(), id: None, data: String::new() };
        let (mut other, mut any) = (None, false);
        loop {
            let line = self.line().expect("an end, not a cut");
            // What frames the chunks ends with CR LF, what is in them with LF; each chunk is of whole lines.
            if let Some(framing) = line.strip_suffix("\r\n") {
                if framing == "0" {
                    return None;
                }
                continue;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(':') {
                Some(("", comment)) => other = Some(Said::Comment(comment.trim().into())),
                Some(("retry", value)) => other = Some(Said::Retry(value.trim().parse().expect("a number"))),
                Some(("event", value)) => value.trim().clone_into(&mut heard.event),
                Some(("id", value)) => heard.id = Some(value.trim().into()),
                Some(("data", value)) => value.trim().clone_into(&mut heard.data),
                _ if line.is_empty() && any => return Some(other.unwrap_or(Said::Event(heard))),
                _ => assert!(line.is_empty(), "no line of a stream: {line:?}"),
            }
            any = true;
        }
    }

    /// Goes away as a program does that is killed with unread data: the connection is reset.
    pub fn reset(self) {
        let connection = self.lines.into_inner();
        SockRef::from(&connection).set_linger(Some(Duration::ZERO)).expect("a socket");
    }

    /// Closes the sending half only.
    pub fn close_sending_half(&self) {
        self.lines.get_ref().shutdown(Shutdown::Write).expect("it was open");
    }

    /// `None`: cut off.
    #[track_caller]
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.lines.read_line(&mut line).expect("the stream has gone silent");
        (length > 0).then_some(line)
    }
}
