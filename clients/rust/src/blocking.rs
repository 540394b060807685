//! Work that would block the async runtime: Argon2, sealing thousands of changes, key stores.

use tokio::task::JoinHandle;

use crate::{Result, SyncKitError};

/// Runs `work` on a thread that may block. A panic propagates as if the work had been done in place.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    outcome_of(tokio::task::spawn_blocking(work)).await
}

/// Waits for a task. A panic of the task propagates.
pub(crate) async fn outcome_of<T>(task: JoinHandle<Result<T>>) -> Result<T> {
    match task.await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(SyncKitError::ShuttingDown),
        },
    }
}
