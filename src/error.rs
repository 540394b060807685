//! Faults: what goes wrong through nobody's request. Outcomes that a request may have are values of their own.

use thiserror::Error;

/// Why an operation could not be carried out.
#[derive(Clone, Debug, Error)]
pub enum Fault {
    /// Shutting down, overloaded, or recovering from a failed write: the same request may succeed later.
    #[error("the server is busy or shutting down: {0}")]
    Unavailable(&'static str),
    /// The caller's session ended while the request was under way: nothing was done.
    #[error("the session has ended")]
    SessionEnded,
    /// No space left where the database or the blobs live.
    #[error("the disk is full")]
    StorageFull,
    /// A fault of the program or of the machine under it. The text is for the operator's log, not for clients.
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// An internal fault described by another error.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }
}
