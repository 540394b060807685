//! A running server: the store, sign-in, the listeners and upkeep, put together and taken apart in order.
#![allow(clippy::disallowed_types, reason = "this folder starts servers")]

pub mod commands;
mod control;
mod upkeep;

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use thiserror::Error;
use tidelog_protocol::Limits;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

pub use control::{CallError, call};

use crate::auth::attempts::Attempts;
use crate::auth::passwords::Passwords;
use crate::auth::{Auth, AuthSettings};
use crate::clock::Clock;
use crate::config::{Durability, Listen, Settings};
use crate::error::Fault;
use crate::http::{self, State};
use crate::notify::Hub;
use crate::store::{OpenError, Options, Store, Synchronous};

/// `iss` of access tokens where no public URL is set.
const DEFAULT_ISSUER: &str = "tidelog";
/// Seconds in a day.
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address is taken or not ours, or the control socket could not be made.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, std::io::Error),
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A server at work. Stop it with [`Running::stop`]; dropping it leaves what is on disk as a crash would.
pub struct Running {
    url: String,
    store: Store,
    auth: Auth,
    handle: ServerHandle,
    http: JoinHandle<std::io::Result<()>>,
    helpers: Vec<JoinHandle<()>>,
    control: PathBuf,
}

impl Running {
    /// Where it answers: `http://…`, or `unix:…`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Its sign-in.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Lets running requests end, writes what is still in memory, and closes the database.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        let _ = self.http.await;
        self.helpers.iter().for_each(JoinHandle::abort);
        self.store.close().await;
        let _ = std::fs::remove_file(&self.control);
    }

    /// Works until a signal comes, then stops.
    pub async fn run_until(self, mut signals: Signals) {
        signals.received().await;
        tracing::info!("stopping");
        self.stop().await;
    }
}

/// SIGTERM and SIGINT. To be listened to before anybody is told that the server is ready: one that comes right then must
/// stop it, not kill it.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on, the two no longer end the process by themselves.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The hasher of passwords that the settings ask for.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn passwords(settings: &Settings) -> Result<Passwords, Fault> {
    Passwords::new(or_cores(settings.auth.concurrent_hashes))
}

/// Opens the database for serving and answers on the settings' address.
///
/// # Errors
/// See [`StartError`]; nothing is left running.
pub async fn start(settings: Settings, clock: Clock) -> Result<Running, StartError> {
    let hub = Hub::default();
    let store = Store::open(store_options(&settings, true), clock.clone(), hub.clone())?;
    let auth = Auth::new(store.clone(), clock, &hub, passwords(&settings)?, auth_settings(&settings)).await?;
    let control = control::path(&settings.data);
    let control_task = control::serve(&control, store.clone(), auth.passwords().clone())
        .map_err(|error| StartError::Listen(control.display().to_string(), error))?;
    let attempts = Attempts::new(settings.auth.burst, settings.auth.per_second);
    let limits = Limits::with_body_cap(settings.body_bytes);
    let state = Arc::new(State::new(store.clone(), auth.clone(), attempts, limits));
    let (server, url) = listen(&settings, state)?;
    control_task.announce(&url);
    let handle = server.handle();
    let http = tokio::spawn(server);
    let helpers = vec![control_task.task, upkeep::start(store.clone())];
    tracing::info!(url, data = %settings.data.display(), "ready");
    Ok(Running { url, store, auth, handle, http, helpers, control })
}

/// How the store is to be opened: for serving, or for a command that runs alone.
pub fn store_options(settings: &Settings, serving: bool) -> Options {
    let synchronous = match settings.storage.synchronous {
        Durability::Full => Synchronous::Full,
        Durability::Normal => Synchronous::Normal,
    };
    Options {
        data: settings.data.clone(),
        synchronous,
        readers: settings.storage.readers.get(),
        allow_network_file_system: settings.storage.allow_network_file_system,
        serving,
    }
}

fn auth_settings(settings: &Settings) -> AuthSettings {
    let seconds = |days: std::num::NonZeroU32| i64::from(days.get()) * DAY_SECONDS;
    let session_seconds = seconds(settings.auth.session_days);
    AuthSettings {
        issuer: settings.public_url.clone().unwrap_or_else(|| DEFAULT_ISSUER.into()),
        // A token must not outlive the session that it speaks for.
        token_seconds: seconds(settings.auth.token_days).min(session_seconds),
        session_seconds,
    }
}

/// 0 in the settings means as many as there are cores.
fn or_cores(setting: usize) -> usize {
    match setting {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        number => number,
    }
}

fn listen(settings: &Settings, state: Arc<State>) -> Result<(actix_web::dev::Server, String), StartError> {
    let app = move || {
        let state = state.clone();
        App::new().wrap(http::default_headers()).configure(move |config| http::configure(config, state))
    };
    let server = HttpServer::new(app)
        .workers(or_cores(settings.workers))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(settings.shutdown_seconds)
        .tcp_nodelay(true)
        .disable_signals();
    match &settings.listen {
        Listen::Tcp(address) => {
            let failed = |error| StartError::Listen(address.to_string(), error);
            let listener = TcpListener::bind(address).map_err(failed)?;
            let url = format!("http://{}", listener.local_addr().map_err(failed)?);
            Ok((server.listen(listener).map_err(failed)?.run(), url))
        }
        Listen::Unix(path) => {
            let failed = |error| StartError::Listen(path.display().to_string(), error);
            let listener = bind_unix(path).map_err(failed)?;
            Ok((server.listen_uds(listener).map_err(failed)?.run(), format!("unix:{}", path.display())))
        }
    }
}

/// Replaces a socket that a server which was killed has left behind. The data lock is held, so it is nobody's.
fn bind_unix(path: &std::path::Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt;
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}
