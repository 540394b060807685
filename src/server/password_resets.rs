//! Mails password reset links to people who ask for one on the sign-in pages.
//!
//! The response is sent before anybody checks whether the account exists, so that neither its content nor its time
//! reveals it. Requests wait in a bounded queue for one task.

use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use super::commands::{CommandContext, mail_reset_link};
use crate::model::actors::Actor;

/// Requests that may wait. Any more are dropped, and people ask again.
pub(super) const MAX_WAITING: usize = 256;

/// Starts the task, which runs until it is aborted. Requests that are waiting then are lost.
pub(super) fn start(context: CommandContext, mut requests: Receiver<String>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(email) = requests.recv().await {
            if let Err(error) = mail_reset_link(&context, Actor::Server, &email).await {
                tracing::warn!(%error, "a password reset link was not mailed");
            }
        }
    })
}
