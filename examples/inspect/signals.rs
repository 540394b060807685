//! Signals that end the program, which has to clean up first.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{InspectError, Result};

/// SIGINT, SIGTERM and SIGHUP. Once these are listened for, they no longer end the process by themselves.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Starts to listen.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(InspectError::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Runs `work`, unless a signal arrives first or has arrived since the last call.
    pub(crate) async fn interruptible<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Err(InspectError::Interrupted),
            _ = self.terminate.recv() => Err(InspectError::Interrupted),
            _ = self.hang_up.recv() => Err(InspectError::Interrupted),
            outcome = work => outcome,
        }
    }
}
