//! Something that happens in the middle of something else: after a task has been woken so often.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// Runs `task`; when it has been polled `polls` times without being done, `happens` decides whether it goes on (`true`) or is
/// dropped there, like a program that crashes. `None`: it was dropped.
pub async fn interrupted<T>(
    polls: u64,
    mut happens: impl FnMut() -> bool,
    task: impl Future<Output = T>,
) -> Option<T> {
    let mut task = pin!(task);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = task.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        if left > 0 {
            left -= 1;
            if left == 0 && !happens() {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    })
    .await
}
