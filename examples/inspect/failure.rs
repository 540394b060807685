//! Why there is no answer, in sentences that say what to do.

use std::io;
use std::process::ExitCode;

use tidelog_client::{BlockReason, SyncKitError};
use uuid::Uuid;

/// What the inspector's functions give back.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The exit code after a signal: that of SIGINT, as shells give it.
const INTERRUPTED: u8 = 130;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}", sentence(.0))]
    Sync(#[from] SyncKitError),
    #[error("there is no terminal to ask on; set {0}")]
    NobodyToAsk(&'static str),
    #[error("{0} is not UTF-8")]
    NotText(&'static str),
    #[error("the terminal cannot be used: {0}")]
    Prompt(io::Error),
    #[error("there are no signals to listen to: {0}")]
    Signals(io::Error),
    #[error("interrupted")]
    Interrupted,
    #[error("the log has no table {table:?}; its tables: {}", if tables.is_empty() { "none".into() } else { tables.join(", ") })]
    NoTable { table: String, tables: Vec<String> },
    #[error("the log has no entry of row {row:?} in table {table:?}")]
    NoRow { table: String, row: String },
    #[error("the answer cannot be written as JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("the answer cannot be printed: {0}")]
    Output(io::Error),
    #[error("the device \"inspect\" ({device}) could not be removed, please do it: {}", sentence(error))]
    DeviceLeft { device: Uuid, error: SyncKitError },
}

impl Failure {
    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if matches!(self, Self::Interrupted) { INTERRUPTED.into() } else { ExitCode::FAILURE }
    }
}

fn sentence(error: &SyncKitError) -> String {
    match error {
        SyncKitError::WrongPassphrase => {
            "wrong passphrase: it does not open the user's key. (It is not the account's password.)".into()
        }
        SyncKitError::NoServerKey => {
            "this user has no key on the server: no device has set up encryption yet, so \
            there is nothing to decrypt. `status` and `devices` work without"
                .into()
        }
        SyncKitError::Blocked(BlockReason::PassphraseNeeded) => {
            "the key was replaced meanwhile: start again, with the new passphrase".into()
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

/// What lies at the bottom of it, such as "connection refused".
fn innermost<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error)
}
