//! The control socket, through which commands reach a running server.
//!
//! Only the server's process writes to its database, and only it can update what it caches, so a command sent beside
//! it is executed there. The socket is in the data folder, which only its owner can enter. One JSON command in, one
//! JSON answer out.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::commands::{Command, CommandContext, CommandError, ServerUrl};
use super::listen::SocketFile;

const SOCKET_FILE: &str = "control.sock";
/// Name of the socket until its permissions are set.
const TEMPORARY_FILE: &str = "control.sock.new";
/// Longest command, in bytes.
const MAX_COMMAND_BYTES: u64 = 64 * 1024;
/// How long a command may take to arrive, and its answer to be read.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server that is shutting down waits for running commands.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted, most likely for lack of file descriptors.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Commands executed at the same time.
const MAX_CONCURRENT_COMMANDS: u32 = 16;
/// Longest socket path that every Unix accepts, in bytes.
const MAX_PATH_BYTES: usize = 100;

/// Why a running server did not execute a command.
#[derive(Debug, Error)]
pub enum CallError {
    /// No server listens.
    #[error("no server is running on this data folder")]
    NotRunning,
    /// The server listens, but the exchange failed.
    #[error("the running server did not answer: {0}")]
    Io(#[from] io::Error),
    /// The server ended in the meantime.
    #[error("the running server ended before it answered; the command may or may not have been executed")]
    Ended,
    /// The command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Path of a data folder's control socket.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join(SOCKET_FILE)
}

/// A listening control socket.
pub(super) struct Control {
    accepting: JoinHandle<()>,
    permits: Arc<Semaphore>,
    _file: SocketFile,
}

impl Control {
    /// Listens in a data folder. Replaces a socket that a killed server left there: the folder is locked, so nobody
    /// uses it. `url` is where the server answers.
    pub(super) fn serve(data: &Path, url: &str, context: CommandContext) -> io::Result<Self> {
        let listener = bind(data)?;
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_COMMANDS as usize));
        let endpoint = Arc::new(Endpoint { context, url: url.into() });
        let accepting = tokio::spawn(accept(listener, permits.clone(), endpoint));
        Ok(Self { accepting, permits, _file: SocketFile(path(data)) })
    }

    /// Accepts no more commands and waits for those that are running. The folder must still be locked.
    pub(super) async fn stop(self) {
        self.accepting.abort();
        let _ = self.accepting.await;
        if timeout(SHUTDOWN_TIMEOUT, self.permits.acquire_many(MAX_CONCURRENT_COMMANDS)).await.is_err() {
            tracing::warn!("a command was still running when the server stopped");
        }
    }
}

/// The socket gets its name only once nobody else can open it.
fn bind(data: &Path) -> io::Result<UnixListener> {
    let temporary = data.join(TEMPORARY_FILE);
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let short = ShortPath::new(data, TEMPORARY_FILE)?;
    let listener = UnixListener::bind(&short.path)?;
    std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&temporary, path(data))?;
    Ok(listener)
}

struct Endpoint {
    context: CommandContext,
    url: String,
}

async fn accept(listener: UnixListener, permits: Arc<Semaphore>, endpoint: Arc<Endpoint>) {
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
            continue;
        };
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = endpoint.answer(stream).await {
                tracing::debug!(%error, "a command's connection failed");
            }
        });
    }
}

impl Endpoint {
    async fn answer(&self, stream: UnixStream) -> io::Result<()> {
        let (input, mut output) = stream.into_split();
        let mut line = Vec::new();
        let mut input = BufReader::new(input.take(MAX_COMMAND_BYTES));
        timeout(TRANSFER_TIMEOUT, input.read_until(b'\n', &mut line)).await??;
        let result = match serde_json::from_slice(&line) {
            Ok(Command::Url) => Ok(json!(ServerUrl { url: self.url.clone() })),
            Ok(command) => command.execute(&self.context).await,
            // The parser's error could quote the command, and with it a password.
            Err(_) => Err(CommandError::Refused("the running server does not know this command".into())),
        };
        let mut answer = serde_json::to_vec(&result)?;
        answer.push(b'\n');
        timeout(TRANSFER_TIMEOUT, output.write_all(&answer)).await?
    }
}

/// Executes a command in the server that is running on a data folder.
///
/// # Errors
/// See [`CallError`].
pub async fn call(data: &Path, command: &Command) -> Result<Value, CallError> {
    let short = ShortPath::new(data, SOCKET_FILE).map_err(|_| CallError::NotRunning)?;
    let stream = UnixStream::connect(&short.path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => CallError::NotRunning,
        _ => CallError::Io(error),
    })?;
    let (input, mut output) = stream.into_split();
    let mut line = serde_json::to_vec(command).map_err(io::Error::from)?;
    line.push(b'\n');
    if line.len() as u64 > MAX_COMMAND_BYTES {
        let reason = format!("the command is longer than {MAX_COMMAND_BYTES} bytes");
        return Err(CommandError::Refused(reason).into());
    }
    output.write_all(&line).await?;
    let mut answer = Vec::new();
    BufReader::new(input).read_until(b'\n', &mut answer).await?;
    if answer.last() != Some(&b'\n') {
        return Err(CallError::Ended);
    }
    let result: Result<Value, CommandError> = serde_json::from_slice(&answer).map_err(io::Error::from)?;
    Ok(result?)
}

/// A path short enough for a socket. Operating systems accept about a hundred bytes, and data folders can be deeply
/// nested; Linux has another path to an open folder.
struct ShortPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl ShortPath {
    fn new(folder: &Path, name: &str) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let path = folder.join(name);
        if path.as_os_str().len() <= MAX_PATH_BYTES || !cfg!(target_os = "linux") {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(folder)?;
        let path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()).into();
        Ok(Self { path, _folder: Some(folder) })
    }
}

#[cfg(test)]
mod tests;
