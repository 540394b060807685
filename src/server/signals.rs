//! The signals that stop a server.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT. Install them before anybody learns that the server is ready: a signal that comes right then
/// must stop it in order, not kill it.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Handles the signals from now on; they no longer end the process by themselves.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn install() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
