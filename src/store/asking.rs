//! From where the work under way was asked for, so that the audit log can tell.
//!
//! It goes with the task, not through the parameters of every function between a request and the transaction that serves it: none
//! of them decides anything by it.

use std::net::IpAddr;

tokio::task_local! {
    static ADDRESS: IpAddr;
}

/// Does `work` on behalf of whoever asks from this address.
pub async fn asked_from<T>(address: IpAddr, work: impl Future<Output = T>) -> T {
    ADDRESS.scope(address, work).await
}

/// `work` on behalf of whoever the current task works for, for a task of its own.
pub fn asked_likewise<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let address = address();
    async move {
        match address {
            Some(address) => asked_from(address, work).await,
            None => work.await,
        }
    }
}

/// The address that the current task works for. `None`: it is an operator's, or the server's own.
pub(super) fn address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok()
}
