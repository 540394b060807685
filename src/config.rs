//! Settings: what can be set, which values are valid, and where they come from.

mod allowed_hosts;
mod blobs;
mod mail;
mod service_links;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod trusted_proxies;
mod values;

pub use allowed_hosts::{AllowedHosts, HostNames};
pub use blobs::{BlobBackend, BlobSettings, S3Settings};
pub use mail::{MailSettings, MailTls, SmtpServer};
pub use settings::{
    AuthSettings, Durability, Listen, NotificationSettings, RateLimitSettings, Settings, SignUpRule,
    StorageSettings,
};
pub use sources::{ConfigError, EffectiveSetting, Origin, Sources, load};
pub use trusted_proxies::TrustedProxies;
pub use values::Secret;
