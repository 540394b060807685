//! Work that would hold up the async runtime: Argon2, sealing thousands of changes, key stores.

use crate::{Result, SyncKitError};

/// Runs `work` on a thread that may block. A panic goes on here, as if the work had been done in place.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(SyncKitError::ShuttingDown),
        },
    }
}
