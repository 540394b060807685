//! What commands answer: the structs of each noun as JSON, or why nothing was done.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use tidelog_protocol::Timestamp;

use crate::error::Fault;

/// A struct that a command answered, as JSON: on the control socket and for `--json` they are the same.
pub(super) type Answer = Result<Value, CommandError>;

/// Why a command did nothing.
#[derive(Clone, Debug, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandError {
    /// It isn't allowed, or names something that doesn't exist.
    #[error("{0}")]
    Refused(String),
    /// Something else went wrong.
    #[error("{0}")]
    Failed(String),
}

impl From<Fault> for CommandError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.to_string())
    }
}

impl From<String> for CommandError {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

pub(super) fn answer(answer: impl Serialize) -> Answer {
    serde_json::to_value(answer).map_err(|error| CommandError::Failed(error.to_string()))
}

/// The answer of a command that changes one thing: it exists, or `missing` says what doesn't.
pub(super) fn answer_if(exists: bool, found: impl Serialize, missing: impl FnOnce() -> String) -> Answer {
    if exists { answer(found) } else { Err(CommandError::Refused(missing())) }
}

pub(super) fn no_app(app: &str) -> CommandError {
    CommandError::Refused(format!("no app {app:?}"))
}

/// A stored time as answers have it.
pub(super) fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(micros).ok()
}
