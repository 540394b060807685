//! The control socket: how commands reach a running server.
//!
//! Only the server's process writes to its database, and only it knows what it keeps in memory; so a command beside it asks
//! it to act. The socket lies in the data folder, which only its owner can enter. One JSON command in, one JSON answer out.

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

use super::commands::{Command, CommandError, Operator, execute};
use super::listen::SocketFile;

const SOCKET_FILE: &str = "control.sock";
/// Name of the socket until it is private.
const UNFINISHED_FILE: &str = "control.sock.new";
/// Bytes of a command, at most.
const MAX_COMMAND_BYTES: u64 = 64 * 1024;
/// How long a command may take to arrive, and its answer to be read.
const TRANSFER: Duration = Duration::from_secs(5);
/// How long a stopping server lets commands run on.
const LAST_COMMANDS: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted, for want of a descriptor most likely.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);
/// Commands at once.
const MAX_COMMANDS: u32 = 16;
/// Longest path that every Unix takes for a socket, in bytes.
const MAX_PATH_BYTES: usize = 100;

/// Why a running server could not be asked.
#[derive(Debug, Error)]
pub enum CallError {
    /// Nobody listens.
    #[error("no server is running on this data folder")]
    NobodyThere,
    /// It listens, but the exchange failed.
    #[error("the running server did not answer: {0}")]
    Broken(#[from] io::Error),
    /// It ended meanwhile.
    #[error("the running server ended before it answered; what was asked of it may be done or not")]
    Ended,
    /// It answered that it did nothing, and why.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Where the control socket of a data folder is.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join(SOCKET_FILE)
}

/// A listening control socket.
pub(super) struct Control {
    accepting: JoinHandle<()>,
    turns: Arc<Semaphore>,
    _file: SocketFile,
}

impl Control {
    /// Listens in a data folder, in the place of what a killed server left there: the folder is locked, so it is nobody's.
    /// `url` is where the server answers.
    pub(super) fn serve(data: &Path, url: &str, operator: Operator) -> io::Result<Self> {
        let listener = bind(data)?;
        let turns = Arc::new(Semaphore::new(MAX_COMMANDS as usize));
        let shared = Arc::new(Shared { operator, url: url.into() });
        let accepting = tokio::spawn(accept(listener, turns.clone(), shared));
        Ok(Self { accepting, turns, _file: SocketFile(path(data)) })
    }

    /// Takes no more commands, and lets those that run end. The folder must still be locked.
    pub(super) async fn stop(self) {
        self.accepting.abort();
        let _ = self.accepting.await;
        if timeout(LAST_COMMANDS, self.turns.acquire_many(MAX_COMMANDS)).await.is_err() {
            tracing::warn!("a command was still running when the server stopped");
        }
    }
}

/// The socket gets its name only once nobody else can open it.
fn bind(data: &Path) -> io::Result<UnixListener> {
    let unfinished = data.join(UNFINISHED_FILE);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let short = ShortPath::of(data, UNFINISHED_FILE)?;
    let listener = UnixListener::bind(&short.path)?;
    std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&unfinished, path(data))?;
    Ok(listener)
}

struct Shared {
    operator: Operator,
    url: String,
}

async fn accept(listener: UnixListener, turns: Arc<Semaphore>, shared: Arc<Shared>) {
    while let Ok(turn) = turns.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let _turn = turn;
            if let Err(error) = answer(stream, &shared).await {
                tracing::debug!(%error, "a command's connection broke");
            }
        });
    }
}

async fn answer(stream: UnixStream, shared: &Shared) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut line = Vec::new();
    let mut input = BufReader::new(input.take(MAX_COMMAND_BYTES));
    timeout(TRANSFER, input.read_until(b'\n', &mut line)).await??;
    let outcome = match serde_json::from_slice(&line) {
        Ok(Command::Address) => Ok(json!({ "url": shared.url })),
        Ok(command) => execute(&shared.operator, command).await,
        // The cause could quote the command, and with it a password.
        Err(_) => Err(CommandError::Refused("the running server does not know this command".into())),
    };
    let mut answer = serde_json::to_vec(&outcome)?;
    answer.push(b'\n');
    timeout(TRANSFER, output.write_all(&answer)).await?
}

/// Has the server of a data folder carry out a command.
///
/// # Errors
/// See [`CallError`].
pub async fn call(data: &Path, command: &Command) -> Result<Value, CallError> {
    let short = ShortPath::of(data, SOCKET_FILE).map_err(|_| CallError::NobodyThere)?;
    let stream = UnixStream::connect(&short.path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => CallError::NobodyThere,
        _ => CallError::Broken(error),
    })?;
    let (input, mut output) = stream.into_split();
    let mut line = serde_json::to_vec(command).map_err(io::Error::from)?;
    line.push(b'\n');
    if line.len() as u64 > MAX_COMMAND_BYTES {
        return Err(CommandError::Refused(format!("a command has at most {MAX_COMMAND_BYTES} bytes")).into());
    }
    output.write_all(&line).await?;
    let mut answer = Vec::new();
    BufReader::new(input).read_until(b'\n', &mut answer).await?;
    if answer.last() != Some(&b'\n') {
        return Err(CallError::Ended);
    }
    let outcome: Result<Value, CommandError> = serde_json::from_slice(&answer).map_err(io::Error::from)?;
    Ok(outcome?)
}

/// A path to a socket that is short enough for one. The operating system takes some hundred bytes and data folders may lie
/// deep; Linux has another name for an open folder.
struct ShortPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl ShortPath {
    fn of(folder: &Path, name: &str) -> io::Result<Self> {
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
