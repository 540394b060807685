//! The errors of the inspector, with messages that say what to do.

use std::io;
use std::process::ExitCode;

use tidelog_client::{BlockReason, SyncKitError};
use uuid::Uuid;

pub(crate) type Result<T, E = InspectError> = std::result::Result<T, E>;

/// The exit code after a signal: the one that shells use for SIGINT.
const SIGINT_EXIT_CODE: u8 = 130;

/// An error of the inspector.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    #[error("{}", message(.0))]
    Sync(#[from] SyncKitError),
    #[error("there is no terminal for a prompt; set {0}")]
    NoTerminal(&'static str),
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    #[error("the terminal cannot be used: {0}")]
    Prompt(io::Error),
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    #[error("interrupted")]
    Interrupted,
    #[error("the log has no table {table:?}; its tables: {}", if tables.is_empty() { "none".into() } else { tables.join(", ") })]
    NoTable { table: String, tables: Vec<String> },
    #[error("the log has no entry for row {row:?} in table {table:?}")]
    NoRow { table: String, row: String },
    #[error("the output cannot be written as JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the output cannot be printed: {0}")]
    Output(io::Error),
    #[error("the device \"inspect\" ({device}) could not be removed, please remove it: {}", message(error))]
    DeviceLeft { device: Uuid, error: SyncKitError },
}

impl InspectError {
    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if matches!(self, Self::Interrupted) { SIGINT_EXIT_CODE.into() } else { ExitCode::FAILURE }
    }
}

fn message(error: &SyncKitError) -> String {
    match error {
        SyncKitError::WrongPassphrase => {
            "wrong passphrase: it does not open the user's key. (The passphrase is not the account's password.)".into()
        }
        SyncKitError::NoServerKey => {
            "this user has no key on the server: no device has set up encryption yet, so \
            there is nothing to decrypt. `status` and `devices` work without a key"
                .into()
        }
        SyncKitError::Blocked(BlockReason::PassphraseNeeded) => {
            "the key was just replaced: start again, with the new passphrase".into()
        }
        SyncKitError::Network(source) => {
            format!("the server cannot be reached: {}", innermost(source.as_ref()))
        }
        SyncKitError::NotFound | SyncKitError::BadAnswer(_) => {
            format!("{error}. Is this the URL of a Tidelog server?")
        }
        SyncKitError::RateLimited { retry_after: Some(wait) } => {
            format!("too many requests: try again in {} s", wait.as_secs())
        }
        _ => error.to_string(),
    }
}

/// The innermost cause, such as "connection refused".
fn innermost<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error)
}
