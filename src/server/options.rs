//! What the settings mean to each part of the server.

use std::num::NonZeroU32;
use std::time::Duration;

use tidelog_protocol::Limits;

use super::descriptors;
use crate::auth::TokenSettings;
use crate::auth::attempts::{AttemptLimits, Rate};
use crate::auth::passwords::Passwords;
use crate::blobs::{self, BlobStore, Sweeper};
use crate::clock::Clock;
use crate::config::{Durability, RateLimitSettings, Settings};
use crate::error::Fault;
use crate::store::{Options, Store, Synchronous};

/// `iss` of access tokens without a public URL.
const DEFAULT_ISSUER: &str = "tidelog";
/// Seconds in a day.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Creates the password hasher.
///
/// # Errors
/// The operating system has no randomness.
pub fn passwords(settings: &Settings) -> Result<Passwords, Fault> {
    Passwords::new(or_cores(settings.auth.max_concurrent_hashes))
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
    let (retention, pending) = (settings.blobs.deleted_retention_hours, settings.blobs.pending_upload_hours);
    let sweeper = Sweeper::new(store.clone(), blobs.clone(), clock.clone(), retention, pending);
    Ok(Some((blobs, sweeper)))
}

/// How to open the store, for serving or for a command that runs without a server.
pub fn store_options(settings: &Settings, serving: bool) -> Options {
    let synchronous = match settings.storage.synchronous {
        Durability::Full => Synchronous::Full,
        Durability::Normal => Synchronous::Normal,
    };
    Options {
        data: settings.data.clone(),
        synchronous,
        readers: settings.storage.read_connections.get(),
        allow_network_file_system: settings.storage.allow_network_file_system,
        serving,
        audit_days: settings.audit_retention_days,
    }
}

/// The limits that clients can read.
pub(super) fn limits(settings: &Settings, stores_blobs: bool) -> Limits {
    let rate_limit = &settings.auth.rate_limit;
    Limits {
        sign_in_burst: rate_limit.ip_burst.get(),
        sign_ins_per_second: rate_limit.ip_per_second.get(),
        account_sign_in_burst: rate_limit.account_burst.get(),
        account_sign_in_seconds: rate_limit.account_refill_seconds.get(),
        free_sign_in_failures: rate_limit.backoff_after_failures.get(),
        longest_sign_in_wait_seconds: rate_limit.max_backoff_seconds.get(),
        max_streams_per_user: settings.notifications.max_streams_per_user.get(),
        max_streams: descriptors::max_streams(settings.notifications.max_streams.get()),
        heartbeat_seconds: settings.notifications.heartbeat_seconds,
        max_blob_bytes: if stores_blobs { settings.blobs.max_blob_bytes } else { 0 },
        ..Limits::with_body_cap(settings.max_body_bytes)
    }
}

pub(super) fn attempt_limits(settings: &RateLimitSettings) -> AttemptLimits {
    let every = |seconds: NonZeroU32| Duration::from_secs(seconds.get().into());
    let ip_period = (Duration::from_secs(1) / settings.ip_per_second.get()).max(Duration::from_nanos(1));
    AttemptLimits {
        per_ip: Rate { burst: settings.ip_burst, period: ip_period },
        per_account: Rate { burst: settings.account_burst, period: every(settings.account_refill_seconds) },
        second_factor: Rate {
            burst: settings.two_factor_burst,
            period: every(settings.two_factor_refill_seconds),
        },
        free_failures: settings.backoff_after_failures.get(),
        longest_wait: every(settings.max_backoff_seconds),
    }
}

pub(super) fn token_settings(settings: &Settings) -> TokenSettings {
    let session_seconds = i64::from(settings.auth.session_idle_days) * DAY_SECONDS;
    let token_seconds = i64::from(settings.auth.access_token_days) * DAY_SECONDS;
    TokenSettings {
        issuer: settings.public_url.clone().unwrap_or_else(|| DEFAULT_ISSUER.into()),
        // An access token must not outlive its session.
        token_seconds: token_seconds.min(session_seconds),
        session_seconds,
    }
}

/// A number from the settings, where 0 stands for the number of cores.
pub(super) fn or_cores(setting: usize) -> usize {
    match setting {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        number => number,
    }
}
