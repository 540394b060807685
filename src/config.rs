//! Settings: what can be set, and which values are allowed. Where they come from is told in `layers`.

mod blobs;
mod hosts;
mod layers;
mod mail;
mod proxies;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

pub use blobs::{BlobSettings, BlobStorage, S3Settings, Secret};
pub use hosts::{Hosts, KnownHosts};
pub use layers::{ConfigError, Layers, Origin, Shown, load};
pub use mail::{MailSettings, MailTls, SmtpServer};
pub use proxies::TrustedProxies;

/// Longest lifetime that a token or a session may have, in days: a hundred years.
const MAX_DAYS: u32 = 36_500;
/// Longest silence of a stream, in seconds: an hour, and no proxy waits half as long.
const MAX_HEARTBEAT_SECONDS: u32 = 3_600;

/// Every setting of a server; `config/default.toml` says what they mean.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the commented default.toml is their one description")]
pub struct Settings {
    pub data: PathBuf,
    pub listen: Listen,
    #[serde(deserialize_with = "url_or_none")]
    pub public_url: Option<String>,
    pub trusted_proxies: TrustedProxies,
    pub hosts: Hosts,
    pub workers: usize,
    pub body_bytes: usize,
    pub shutdown_seconds: u64,
    pub log: String,
    #[serde(deserialize_with = "days")]
    pub audit_days: NonZeroU32,
    pub storage: StorageSettings,
    pub notifications: NotificationSettings,
    pub blobs: BlobSettings,
    pub auth: AuthLimits,
    pub mail: MailSettings,
}

/// `[storage]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "as above")]
pub struct StorageSettings {
    pub synchronous: Durability,
    pub readers: NonZeroU32,
    pub allow_network_file_system: bool,
}

/// `[notifications]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "as above")]
pub struct NotificationSettings {
    pub streams_per_user: NonZeroUsize,
    pub streams: NonZeroUsize,
    #[serde(deserialize_with = "heartbeat")]
    pub heartbeat_seconds: NonZeroU32,
}

/// `[auth]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "as above")]
pub struct AuthLimits {
    pub burst: NonZeroU32,
    pub per_second: NonZeroU32,
    pub account_burst: NonZeroU32,
    pub account_seconds: NonZeroU32,
    pub second_factor_burst: NonZeroU32,
    pub second_factor_seconds: NonZeroU32,
    pub free_failures: NonZeroU32,
    pub longest_wait_seconds: NonZeroU32,
    #[serde(deserialize_with = "days")]
    pub token_days: NonZeroU32,
    #[serde(deserialize_with = "days")]
    pub session_days: NonZeroU32,
    pub concurrent_hashes: usize,
    pub sign_up: SignUpRule,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SignUpRule {
    /// The operator alone.
    Closed,
    /// Whoever has a link that the operator gave out.
    Invite,
    /// Anybody.
    Open,
}

impl TryFrom<String> for SignUpRule {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "closed" => Ok(Self::Closed),
            "invite" => Ok(Self::Invite),
            "open" => Ok(Self::Open),
            _ => Err("it is closed, invite or open"),
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
            _ => Err("it is full or normal"),
        }
    }
}

/// Where a server answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// An address and a port; 0 for any free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a Unix socket has a path: unix:/path/to.sock"),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(
                |_| "it is an ADDRESS:PORT, such as 127.0.0.1:7878 or [::1]:7878, or unix:/path/to.sock",
            ),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

fn url_or_none<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(input)?;
    if url.is_empty() {
        return Ok(None);
    }
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err(D::Error::custom("it begins with https:// or http://"));
    }
    Ok(Some(url))
}

fn heartbeat<'de, D: Deserializer<'de>>(input: D) -> Result<NonZeroU32, D::Error> {
    let seconds = NonZeroU32::deserialize(input)?;
    if seconds.get() > MAX_HEARTBEAT_SECONDS {
        return Err(D::Error::custom(format_args!("it is at most {MAX_HEARTBEAT_SECONDS}")));
    }
    Ok(seconds)
}

fn days<'de, D: Deserializer<'de>>(input: D) -> Result<NonZeroU32, D::Error> {
    let days = NonZeroU32::deserialize(input)?;
    if days.get() > MAX_DAYS {
        return Err(D::Error::custom(format_args!("it is at most {MAX_DAYS}")));
    }
    Ok(days)
}
