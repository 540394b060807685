//! Why a server did not start.

use thiserror::Error;

use crate::error::Fault;
use crate::{blobs, mail, store};

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// The address is in use or not this machine's, or the control socket could not be created.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, std::io::Error),
    /// The blob store could not be opened.
    #[error(transparent)]
    Blobs(#[from] blobs::OpenError),
    /// Mail can't be sent with these settings.
    #[error(transparent)]
    Mail(#[from] mail::OpenError),
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}
