//! The settings, section by section. `config/default.toml` describes each.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use super::allowed_hosts::HostNames;
use super::blobs::BlobSettings;
use super::mail::MailSettings;
use super::trusted_proxies::TrustedProxies;
use super::values::{bounded, optional_url};

/// Longest lifetime or retention, in days: a hundred years.
const MAX_DAYS: u64 = 36_500;
/// Longest interval between heartbeats, in seconds: an hour, more than twice what any proxy waits.
const MAX_HEARTBEAT_SECONDS: u64 = 3_600;

/// All settings of a server.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "default.toml describes them")]
pub struct Settings {
    pub data: PathBuf,
    pub listen: Listen,
    #[serde(deserialize_with = "optional_url")]
    pub public_url: Option<String>,
    pub trusted_proxies: TrustedProxies,
    pub allowed_hosts: HostNames,
    pub workers: usize,
    pub max_body_bytes: usize,
    pub shutdown_timeout_seconds: u64,
    pub log: String,
    #[serde(deserialize_with = "bounded::<1, MAX_DAYS, _, _>")]
    pub audit_retention_days: u32,
    pub storage: StorageSettings,
    pub notifications: NotificationSettings,
    pub blobs: BlobSettings,
    pub auth: AuthSettings,
    pub mail: MailSettings,
}

/// `[storage]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "default.toml describes them")]
pub struct StorageSettings {
    pub synchronous: Durability,
    pub read_connections: NonZeroU32,
    pub allow_network_file_system: bool,
}

/// `[notifications]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "default.toml describes them")]
pub struct NotificationSettings {
    pub max_streams_per_user: NonZeroUsize,
    pub max_streams: NonZeroUsize,
    #[serde(deserialize_with = "bounded::<1, MAX_HEARTBEAT_SECONDS, _, _>")]
    pub heartbeat_seconds: u32,
}

/// `[auth]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "default.toml describes them")]
pub struct AuthSettings {
    pub sign_up: SignUpRule,
    #[serde(deserialize_with = "bounded::<1, MAX_DAYS, _, _>")]
    pub access_token_days: u32,
    #[serde(deserialize_with = "bounded::<1, MAX_DAYS, _, _>")]
    pub session_idle_days: u32,
    pub max_concurrent_hashes: usize,
    pub rate_limit: RateLimitSettings,
}

/// `[auth.rate_limit]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "default.toml describes them")]
pub struct RateLimitSettings {
    pub ip_burst: NonZeroU32,
    pub ip_per_second: NonZeroU32,
    pub account_burst: NonZeroU32,
    pub account_refill_seconds: NonZeroU32,
    pub two_factor_burst: NonZeroU32,
    pub two_factor_refill_seconds: NonZeroU32,
    pub backoff_after_failures: NonZeroU32,
    pub max_backoff_seconds: NonZeroU32,
}

/// Who may create an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SignUpRule {
    /// Only the operator.
    Closed,
    /// Anyone with an invite from the operator.
    Invite,
    /// Anyone.
    Open,
}

impl TryFrom<String> for SignUpRule {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "closed" => Ok(Self::Closed),
            "invite" => Ok(Self::Invite),
            "open" => Ok(Self::Open),
            _ => Err("must be closed, invite or open"),
        }
    }
}

/// When a change counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Durability {
    /// Once it is on disk.
    Full,
    /// Once the operating system has it.
    Normal,
}

impl TryFrom<String> for Durability {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "full" => Ok(Self::Full),
            "normal" => Ok(Self::Normal),
            _ => Err("must be full or normal"),
        }
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// An IP address and a port; port 0 picks a free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be IP:PORT, such as 127.0.0.1:7878 or [::1]:7878, or unix:/path/to.sock";
        match text.strip_prefix("unix:") {
            Some("") => Err(EXPECTED),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| EXPECTED),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
