//! A running server: the store, sign-in, the listeners and upkeep, put together and taken apart in order.
#![allow(clippy::disallowed_types, reason = "this folder starts servers")]

pub mod commands;
mod control;
mod descriptors;
mod forgotten;
mod listen;
#[cfg(test)]
mod tests;
mod upkeep;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use thiserror::Error;
use tidelog_protocol::Limits;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use commands::{Command, CommandContext};
use control::Control;
pub use control::{CallError, call};
use listen::SocketFile;

use crate::auth::attempts::{AttemptLimits, Attempts, Rate};
use crate::auth::passwords::Passwords;
use crate::auth::{Auth, AuthSettings};
use crate::blobs::{self, BlobStore, Sweeper, hours_to_us};
use crate::clock::Clock;
use crate::config::{AuthLimits, Durability, Settings};
use crate::error::Fault;
use crate::http::{BlobService, Front, Parts, Site, State};
use crate::mail::{self, Mailer};
use crate::notify::{Hub, StreamLimits, Subscribers};
use crate::store::{OpenError, Options, Store, Synchronous};

/// `iss` of access tokens where no public URL is set.
const DEFAULT_ISSUER: &str = "tidelog";
/// Attempts to open a data folder that a command has just locked; most take some 50 ms.
const ATTEMPTS: u32 = 20;
/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(100);
/// Seconds in a day.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address is taken or not ours, or the control socket could not be made.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, std::io::Error),
    /// The blob store could not be opened.
    #[error(transparent)]
    Blobs(#[from] blobs::OpenError),
    /// Mail cannot be sent with these settings.
    #[error(transparent)]
    Mail(#[from] mail::OpenError),
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A server at work. Stop it with [`Running::stop`]; dropping it leaves what is on disk as a crash would.
pub struct Running {
    url: String,
    command_context: CommandContext,
    auth: Auth,
    handle: ServerHandle,
    http: JoinHandle<std::io::Result<()>>,
    upkeep: JoinHandle<()>,
    forgotten: JoinHandle<()>,
    subscribers: Subscribers,
    dispatching: JoinHandle<()>,
    control: Control,
    socket: Option<SocketFile>,
}

impl Running {
    /// Where it answers: `http://…`, or `unix:…`.
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

    /// Lets running requests and commands end, writes what is still in memory, and closes the database.
    pub async fn stop(self) {
        // The sockets' files go while they are still ours: a successor may already be waiting to make its own.
        drop(self.socket);
        // A stream has no end of its own that one could wait for.
        self.subscribers.shut_down();
        self.handle.stop(true).await;
        let _ = self.http.await;
        self.upkeep.abort();
        self.forgotten.abort();
        self.dispatching.abort();
        self.control.stop().await;
        self.command_context.store.close().await;
    }

    /// Works until a signal comes, then stops. A second signal ends the waiting for what still runs.
    pub async fn run_until(self, mut signals: Signals) {
        signals.received().await;
        tracing::info!("stopping");
        tokio::select! {
            () = self.stop() => {}
            () = signals.received() => tracing::warn!("stopped without waiting"),
        }
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
    descriptors::raise_limit();
    let hub = Hub::default();
    let store = open(&settings, &clock, &hub).await?;
    let started = answer(&settings, clock, &hub, store.clone()).await;
    if started.is_err() {
        store.close().await;
    }
    started
}

/// Opens the store, waiting a little where no server but a command has the data folder.
async fn open(settings: &Settings, clock: &Clock, hub: &Hub) -> Result<Store, OpenError> {
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        match Store::open(store_options(settings, true), clock.clone(), hub.clone()) {
            Err(OpenError::InUse(_)) if attempts > 0 && nobody_serves(&settings.data).await => {
                tokio::time::sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}

async fn nobody_serves(data: &Path) -> bool {
    matches!(call(data, &Command::Url).await, Err(CallError::NotRunning))
}

async fn answer(settings: &Settings, clock: Clock, hub: &Hub, store: Store) -> Result<Running, StartError> {
    let mailer = Mailer::open(&settings.mail)?;
    let auth =
        Auth::new(store.clone(), clock.clone(), hub, passwords(settings)?, auth_settings(settings)).await?;
    let (blob_store, sweeper) = open_blobs(settings, &store, &clock)?.unzip();
    if let Some(blob_store) = &blob_store {
        // Nothing is being uploaded yet.
        blob_store.clear_unfinished().await?;
    }
    let attempts = Attempts::new(attempt_limits(&settings.auth), Some(store.clone()), clock.clone());
    let limits = Limits {
        sign_in_burst: settings.auth.burst.get(),
        sign_ins_per_second: settings.auth.per_second.get(),
        account_sign_in_burst: settings.auth.account_burst.get(),
        account_sign_in_seconds: settings.auth.account_seconds.get(),
        free_sign_in_failures: settings.auth.free_failures.get(),
        longest_sign_in_wait_seconds: settings.auth.longest_wait_seconds.get(),
        max_streams_per_user: settings.notifications.streams_per_user.get(),
        max_streams: descriptors::streams_within(settings.notifications.streams.get()),
        heartbeat_seconds: settings.notifications.heartbeat_seconds.get(),
        max_blob_bytes: blob_store.as_ref().map_or(0, |_| settings.blobs.max_bytes.get()),
        ..Limits::with_body_cap(settings.body_bytes)
    };
    let blobs = blob_store
        .map(|store| BlobService { store, upload_lifetime_us: hours_to_us(settings.blobs.pending_hours) });
    let subscribers = subscribers(&limits, hub);
    let (ask_for_mail, requests) = mpsc::channel(forgotten::MAX_WAITING);
    let state = Arc::new(State::new(Parts {
        store: store.clone(),
        auth: auth.clone(),
        attempts,
        limits,
        blobs,
        blob_quota_bytes: Some(settings.blobs.user_bytes).filter(|bytes| *bytes > 0),
        site: Site::new(settings.public_url.as_deref()),
        sign_up: settings.auth.sign_up,
        forgotten: mailer.is_some().then_some(ask_for_mail),
        subscribers: subscribers.clone(),
        clock: clock.clone(),
    }));
    let front = Front::new(settings, store.clone(), hub);
    let listen::Answering { server, url, socket } = listen::listen(settings, state, front)?;
    let command_context = CommandContext {
        store: store.clone(),
        auth: Some(auth.clone()),
        passwords: auth.passwords().clone(),
        sweeper: sweeper.clone(),
        mailer,
        sign_up: settings.auth.sign_up,
        clock: clock.clone(),
        url: settings.public_url.as_ref().unwrap_or(&url).trim_end_matches('/').to_owned(),
    };
    let control = Control::serve(&settings.data, &url, command_context.clone())
        .map_err(|error| StartError::Listen(control::path(&settings.data).display().to_string(), error))?;
    let handle = server.handle();
    let http = tokio::spawn(server);
    let upkeep = upkeep::start(store.clone(), auth.clone(), sweeper, clock);
    let forgotten = forgotten::start(command_context.clone(), requests);
    let dispatching = tokio::spawn(subscribers.clone().dispatch_pushes());
    tracing::info!(url, data = %settings.data.display(), "ready");
    Ok(Running {
        url,
        command_context,
        auth,
        handle,
        http,
        upkeep,
        forgotten,
        subscribers,
        dispatching,
        control,
        socket,
    })
}

/// Opens the blob store, and creates its sweeper. `None` if this server stores no blobs.
///
/// # Errors
/// See [`blobs::OpenError`].
pub fn open_blobs(
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> Result<Option<(BlobStore, Sweeper)>, blobs::OpenError> {
    let Some(blobs) = BlobStore::open(&settings.blobs, &settings.data)? else { return Ok(None) };
    let (grace, pending) = (settings.blobs.grace_hours, settings.blobs.pending_hours);
    let sweeper = Sweeper::new(store.clone(), blobs.clone(), clock.clone(), grace, pending);
    Ok(Some((blobs, sweeper)))
}

/// The event streams, which the hub notifies of every committed event.
fn subscribers(limits: &Limits, hub: &Hub) -> Subscribers {
    let limits = StreamLimits { per_log: limits.max_streams_per_user, total: limits.max_streams };
    let subscribers = Subscribers::new(limits);
    let listener = subscribers.clone();
    hub.listen(move |event| listener.handle(event));
    subscribers
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
        audit_days: settings.audit_days.get(),
    }
}

fn attempt_limits(settings: &AuthLimits) -> AttemptLimits {
    let every = |seconds: NonZeroU32| Duration::from_secs(seconds.get().into());
    let period = (Duration::from_secs(1) / settings.per_second.get()).max(Duration::from_nanos(1));
    AttemptLimits {
        per_ip: Rate { burst: settings.burst, period },
        per_account: Rate { burst: settings.account_burst, period: every(settings.account_seconds) },
        second_factor: Rate {
            burst: settings.second_factor_burst,
            period: every(settings.second_factor_seconds),
        },
        free_failures: settings.free_failures.get(),
        longest_wait: every(settings.longest_wait_seconds),
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
