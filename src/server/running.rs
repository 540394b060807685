//! A running server, and how it stops.

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

use super::commands::CommandContext;
use super::control::Control;
use super::listen::SocketFile;
use super::signals::Signals;
use crate::auth::Auth;
use crate::notify::Subscribers;

/// A running server. Stop it with [`Running::stop`]; dropping it leaves on disk what a crash would leave.
pub struct Running {
    pub(super) url: String,
    pub(super) command_context: CommandContext,
    pub(super) auth: Auth,
    pub(super) handle: ServerHandle,
    pub(super) http: JoinHandle<std::io::Result<()>>,
    pub(super) maintenance: JoinHandle<()>,
    pub(super) password_resets: JoinHandle<()>,
    pub(super) dispatching: JoinHandle<()>,
    pub(super) subscribers: Subscribers,
    pub(super) control: Control,
    pub(super) socket: Option<SocketFile>,
}

impl Running {
    /// Its URL, `http://…` or `unix:…`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What commands work with.
    pub fn command_context(&self) -> &CommandContext {
        &self.command_context
    }

    /// Its sign-in.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Waits for running requests and commands, writes what is still in memory, and closes the database.
    pub async fn stop(self) {
        // Removes the socket file while it is still ours: a successor may already be waiting to create its own.
        drop(self.socket);
        // Event streams never end by themselves, so waiting for them would be pointless.
        self.subscribers.shut_down();
        self.handle.stop(true).await;
        let _ = self.http.await;
        self.maintenance.abort();
        self.password_resets.abort();
        self.dispatching.abort();
        self.control.stop().await;
        self.command_context.store.close().await;
    }

    /// Runs until a signal comes, then stops. A second signal stops it without waiting.
    pub async fn run_until(self, mut signals: Signals) {
        signals.received().await;
        tracing::info!("stopping");
        tokio::select! {
            () = self.stop() => {}
            () = signals.received() => tracing::warn!("stopped without waiting"),
        }
    }
}
