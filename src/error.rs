//! Faults: errors of the machine or the program. What may become of a request, such as a conflict, is an outcome and
//! not an error.

use thiserror::Error;

/// Why an operation failed.
#[derive(Clone, Debug, Error)]
pub enum Fault {
    /// The server is shutting down, overloaded, or recovering from a failed write. The same request may succeed later.
    #[error("the server is busy or shutting down: {0}")]
    Unavailable(&'static str),
    /// The caller's session ended during the request. Nothing was done.
    #[error("the session has ended")]
    SessionEnded,
    /// There is no space left for the database or the blobs.
    #[error("the disk is full")]
    StorageFull,
    /// Anything else. The text is for the operator's log, not for clients.
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// Converts another error to an internal fault.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }
}
