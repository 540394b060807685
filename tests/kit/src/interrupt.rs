//! Interrupts a future at a chosen poll.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// Runs `task`. If it is still pending after `polls` polls, `on_interrupt` decides whether it continues (`true`) or
/// is dropped, as in a crash. Returns `None` if it was dropped.
pub async fn interrupted<T>(
    polls: u64,
    mut on_interrupt: impl FnMut() -> bool,
    task: impl Future<Output = T>,
) -> Option<T> {
    let mut task = pin!(task);
    let mut polls_left = polls;
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = task.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        if polls_left > 0 {
            polls_left -= 1;
            if polls_left == 0 && !on_interrupt() {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    })
    .await
}
