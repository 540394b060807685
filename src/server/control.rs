//! The control socket: how commands reach a running server.
//!
//! Only the server's process writes to its database, and only it knows what it keeps in memory; so a command beside it asks
//! it to act. The socket lies in the data folder, which only its owner can enter. One JSON command in, one JSON answer out.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::commands::{Command, CommandError, execute};
use crate::auth::passwords::Passwords;
use crate::store::Store;

const SOCKET_FILE: &str = "control.sock";
/// Bytes of a command, at most.
const MAX_COMMAND_BYTES: u64 = 64 * 1024;
/// How long a command may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, for want of a descriptor most likely.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);
/// Commands at once.
const MAX_COMMANDS: usize = 16;
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
    /// It answered that it did nothing, and why.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Where the socket of a data folder is.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join(SOCKET_FILE)
}

/// A listening control socket.
pub(super) struct Control {
    /// Ends it when aborted.
    pub(super) task: JoinHandle<()>,
    url: Arc<OnceLock<String>>,
}

impl Control {
    /// Makes known where the server answers.
    pub(super) fn announce(&self, url: &str) {
        let _ = self.url.set(url.into());
    }
}

/// Listens on `socket`, replacing what a killed server left there: the data lock is held, so it is nobody's.
pub(super) fn serve(socket: &Path, store: Store, passwords: Passwords) -> io::Result<Control> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let short = ShortPath::of(socket)?;
    let listener = UnixListener::bind(&short.path)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    let url = Arc::<OnceLock<String>>::default();
    let shared = Arc::new(Shared { store, passwords, url: url.clone(), turns: Semaphore::new(MAX_COMMANDS) });
    Ok(Control { task: tokio::spawn(accept(listener, shared)), url })
}

struct Shared {
    store: Store,
    passwords: Passwords,
    url: Arc<OnceLock<String>>,
    turns: Semaphore,
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let Ok(_turn) = shared.turns.acquire().await else { return };
            if let Err(error) = answer(stream, &shared).await {
                tracing::debug!(%error, "a command's connection broke");
            }
        });
    }
}

async fn answer(stream: UnixStream, shared: &Shared) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut line = String::new();
    let mut input = BufReader::new(input.take(MAX_COMMAND_BYTES));
    timeout(ARRIVAL, input.read_line(&mut line)).await??;
    let outcome = match serde_json::from_str(&line) {
        Ok(Command::Address) => Ok(json!({ "url": shared.url.get() })),
        Ok(command) => execute(&shared.store, &shared.passwords, command).await,
        // The cause could quote the command, and with it a password.
        Err(_) => Err(CommandError::Refused("the running server does not know this command".into())),
    };
    let mut answer = serde_json::to_vec(&outcome)?;
    answer.push(b'\n');
    output.write_all(&answer).await
}

/// Has the server of a data folder carry out a command.
///
/// # Errors
/// See [`CallError`].
pub async fn call(data: &Path, command: &Command) -> Result<Value, CallError> {
    let short = ShortPath::of(&path(data)).map_err(|_| CallError::NobodyThere)?;
    let stream = UnixStream::connect(&short.path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => CallError::NobodyThere,
        _ => CallError::Broken(error),
    })?;
    let (input, mut output) = stream.into_split();
    let mut line = serde_json::to_vec(command).map_err(io::Error::from)?;
    line.push(b'\n');
    output.write_all(&line).await?;
    let mut answer = Vec::new();
    BufReader::new(input).read_until(b'\n', &mut answer).await?;
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
    fn of(socket: &Path) -> io::Result<Self> {
        if socket.as_os_str().len() <= MAX_PATH_BYTES || !cfg!(target_os = "linux") {
            return Ok(Self { path: socket.into(), _folder: None });
        }
        use std::os::fd::AsRawFd;
        let folder = File::open(socket.parent().unwrap_or(Path::new(".")))?;
        let path = format!("/proc/self/fd/{}/{SOCKET_FILE}", folder.as_raw_fd()).into();
        Ok(Self { path, _folder: Some(folder) })
    }
}
