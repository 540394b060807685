//! Listens on a TCP port or a Unix socket. The latter is a file, which a killed server leaves behind and another
//! server may be using.

use std::io;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer};
use socket2::SockRef;

use super::error::StartError;
use super::options::or_cores;
use crate::config::{Listen, Settings};
use crate::http::{self, Front, State};

/// How long a client may take to send the head of a request.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an idle connection is kept open.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Connections that may wait to be accepted: after an outage, all clients come at once.
const BACKLOG: i32 = 4096;
/// How long a client may leave what was sent to it unacknowledged. The next heartbeat finds an event stream whose
/// client has vanished; by default, Linux would keep trying for a quarter of an hour.
#[cfg(target_os = "linux")]
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a response that are buffered while its client reads none. Pages of entries come in larger chunks, so in
/// effect this only bounds the events of a stream.
const WRITE_BUFFER_BYTES: usize = 1024;
/// Connections per thread in addition to those of event streams.
const MAX_OTHER_CONNECTIONS: usize = 16 * 1024;

/// The file of a Unix socket that this process listens on; removed when dropped.
pub(super) struct SocketFile(pub(super) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A bound server, which answers once it is polled.
pub(super) struct Listening {
    pub(super) server: actix_web::dev::Server,
    /// `http://…`, or `unix:…`.
    pub(super) url: String,
    pub(super) socket: Option<SocketFile>,
}

/// Binds the configured address.
pub(super) fn listen(settings: &Settings, state: Arc<State>, front: Front) -> Result<Listening, StartError> {
    let app = move || {
        let (state, front) = (state.clone(), front.clone());
        App::new()
            .wrap(from_fn(http::cors::per_app))
            .wrap(from_fn(http::hosts::known_hosts_only))
            .wrap(from_fn(http::headers::add_to_response))
            .wrap(from_fn(http::head_requests::without_body))
            .configure(move |config| http::configure(config, state, front))
    };
    let server = HttpServer::new(app)
        .workers(or_cores(settings.workers))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(REQUEST_HEAD_TIMEOUT)
        .shutdown_timeout(settings.shutdown_timeout_seconds)
        .max_connections(settings.notifications.max_streams.get().saturating_add(MAX_OTHER_CONNECTIONS))
        .h1_write_buffer_size(WRITE_BUFFER_BYTES)
        // A client that closes its sending half has gone: none does so otherwise, and a stream would only notice at
        // its next heartbeat.
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .disable_signals();
    match &settings.listen {
        Listen::Tcp(address) => {
            let failed = |error| StartError::Listen(address.to_string(), error);
            let listener = TcpListener::bind(address).map_err(failed)?;
            tune(&listener).map_err(failed)?;
            let url = format!("http://{}", listener.local_addr().map_err(failed)?);
            Ok(Listening { server: server.listen(listener).map_err(failed)?.run(), url, socket: None })
        }
        Listen::Unix(path) => {
            let failed = |error| StartError::Listen(path.display().to_string(), error);
            let listener = bind_unix(path).map_err(failed)?;
            let socket = Some(SocketFile(path.clone()));
            let url = format!("unix:{}", path.display());
            Ok(Listening { server: server.listen_uds(listener).map_err(failed)?.run(), url, socket })
        }
    }
}

/// Sets options that connections inherit from the listener.
fn tune(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))?;
    socket.listen(BACKLOG)
}

/// Replaces a socket that nobody listens on. A socket in use may belong to a server on another data folder.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("http.sock");
        let first = bind_unix(&path).expect("the path is free");
        assert_eq!(bind_unix(&path).expect_err("in use").kind(), io::ErrorKind::AddrInUse);
        drop(first);
        bind_unix(&path).expect("nobody listens any more");
        let file = folder.path().join("notes.txt");
        std::fs::write(&file, "precious").expect("a file");
        bind_unix(&file).expect_err("not a socket");
        assert_eq!(std::fs::read_to_string(&file).expect("still there"), "precious");
    }
}
