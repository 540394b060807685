//! Starts a server: opens the database, assembles the parts, and listens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidelog_protocol::Limits;
use tokio::sync::mpsc;

use super::commands::{Command, CommandContext};
use super::control::{CallError, Control, call, path};
use super::error::StartError;
use super::listen::{Listening, listen};
use super::options::{attempt_limits, limits, open_blobs, passwords, store_options, token_settings};
use super::running::Running;
use super::{descriptors, maintenance, password_resets};
use crate::auth::Auth;
use crate::auth::attempts::Attempts;
use crate::blobs::hours_to_us;
use crate::clock::Clock;
use crate::config::Settings;
use crate::http::{BlobService, Front, Parts, Site, State};
use crate::mail::Mailer;
use crate::notify::{Hub, StreamLimits, Subscribers};
use crate::store::{OpenError, Store};

/// Attempts to open a data folder that a command has locked; most commands take about 50 ms.
const MAX_OPEN_ATTEMPTS: u32 = 20;
/// Pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Opens the database for serving, and listens.
///
/// # Errors
/// See [`StartError`]; nothing keeps running.
pub async fn start(settings: Settings, clock: Clock) -> Result<Running, StartError> {
    descriptors::raise_limit();
    let hub = Hub::default();
    let store = open(&settings, &clock, &hub).await?;
    let started = assemble(&settings, clock, &hub, store.clone()).await;
    if started.is_err() {
        store.close().await;
    }
    started
}

/// Opens the store. Waits a little if a command has locked the data folder, but not if another server has.
async fn open(settings: &Settings, clock: &Clock, hub: &Hub) -> Result<Store, OpenError> {
    let mut attempts = MAX_OPEN_ATTEMPTS;
    loop {
        attempts -= 1;
        match Store::open(store_options(settings, true), clock.clone(), hub.clone()) {
            Err(OpenError::InUse(_)) if attempts > 0 && !is_served(&settings.data).await => {
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            opened => return opened,
        }
    }
}

async fn is_served(data: &Path) -> bool {
    !matches!(call(data, &Command::Url).await, Err(CallError::NotRunning))
}

async fn assemble(settings: &Settings, clock: Clock, hub: &Hub, store: Store) -> Result<Running, StartError> {
    let mailer = Mailer::open(&settings.mail)?;
    let tokens = token_settings(settings);
    let auth = Auth::new(store.clone(), clock.clone(), hub, passwords(settings)?, tokens).await?;
    let (blob_store, sweeper) = open_blobs(settings, &store, &clock)?.unzip();
    if let Some(blob_store) = &blob_store {
        // Before there can be any uploads.
        blob_store.clear_unfinished().await?;
    }
    let rate_limits = attempt_limits(&settings.auth.rate_limit);
    let limits = limits(settings, blob_store.is_some());
    let subscribers = subscribers(&limits, hub);
    let (reset_requests, requests) = mpsc::channel(password_resets::MAX_WAITING);
    let state = Arc::new(State::new(Parts {
        store: store.clone(),
        auth: auth.clone(),
        attempts: Attempts::new(rate_limits, Some(store.clone()), clock.clone()),
        limits,
        blobs: blob_store.map(|store| BlobService {
            store,
            upload_lifetime_us: hours_to_us(settings.blobs.pending_upload_hours),
        }),
        blob_quota_bytes: Some(settings.blobs.user_quota_bytes).filter(|bytes| *bytes > 0),
        site: Site::new(settings.public_url.as_deref()),
        sign_up: settings.auth.sign_up,
        reset_requests: mailer.is_some().then_some(reset_requests),
        subscribers: subscribers.clone(),
        clock: clock.clone(),
    }));
    let front = Front::new(settings, store.clone(), hub);
    let Listening { server, url, socket } = listen(settings, state, front)?;
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
        .map_err(|error| StartError::Listen(path(&settings.data).display().to_string(), error))?;
    let handle = server.handle();
    let http = tokio::spawn(server);
    let maintenance = maintenance::start(store, auth.clone(), sweeper, clock);
    let password_resets = password_resets::start(command_context.clone(), requests);
    let dispatching = tokio::spawn(subscribers.clone().dispatch_pushes());
    tracing::info!(url, data = %settings.data.display(), "ready");
    Ok(Running {
        url,
        command_context,
        auth,
        handle,
        http,
        maintenance,
        password_resets,
        dispatching,
        subscribers,
        control,
        socket,
    })
}

/// The event streams, which the hub notifies of every committed event.
fn subscribers(limits: &Limits, hub: &Hub) -> Subscribers {
    let limits = StreamLimits { per_log: limits.max_streams_per_user, total: limits.max_streams };
    let subscribers = Subscribers::new(limits);
    let listener = subscribers.clone();
    hub.listen(move |event| listener.handle(event));
    subscribers
}
