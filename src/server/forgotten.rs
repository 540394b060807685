//! Mails links to people who say that they forgot their password.
//!
//! Whoever asks is answered before anybody looks whether there is such an account, so the answer cannot tell, not even by its time.
//! What is asked waits here, in a queue that is bounded, for one task.

use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use super::commands::{CommandContext, mail_reset_link};
use crate::model::actors::Actor;

/// Requests that may wait. What comes beyond that is dropped, and the person asks again.
pub(super) const MAX_WAITING: usize = 256;

/// Starts the task. It ends when it is aborted; what waits then is lost.
pub(super) fn start(context: CommandContext, mut requests: Receiver<String>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(email) = requests.recv().await {
            if let Err(error) = mail_reset_link(&context, Actor::Server, &email).await {
                tracing::warn!(%error, "a link for a new password was not mailed");
            }
        }
    })
}
