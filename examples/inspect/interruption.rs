//! Ctrl-C and its kin: whoever wants to leave may, but not without tidying up.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Failure, Result};

/// SIGINT, SIGTERM and SIGHUP, which no longer end the process once somebody listens.
pub(crate) struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interruption {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(Failure::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Does the work, unless a signal comes first. One that came since the last work counts.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Err(Failure::Interrupted),
            _ = self.terminate.recv() => Err(Failure::Interrupted),
            _ = self.hang_up.recv() => Err(Failure::Interrupted),
            outcome = work => outcome,
        }
    }
}
