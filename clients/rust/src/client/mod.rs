//! The client, and how it is built. Signing in and the requests of a session are here as well; its other methods are
//! in the modules that they belong to: `devices`, `encryption`, `push`, `pull`, `blobs`, `status`.

mod session;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::formats::{KdfCost, Padding};
use crate::keystore::{self, KeyStore};
use crate::master_key::{CurrentKey, EncryptionOptions};
use crate::notification_timeouts::NotificationTimeouts;
use crate::outbox::Outbox;
use crate::retry::RetryPolicy;
use crate::server_limits::ServerLimits;
use crate::session::{CurrentSession, SessionInfo, SessionObserver};
use crate::transport::{DEFAULT_TIMEOUT, Transport};
use crate::watch::{TamperPolicy, Watch};

/// Which server, which app.
#[derive(Clone, PartialEq, Eq)]
pub struct SyncKitConfig {
    /// The server's public URL, such as `https://sync.example.org`.
    pub server_url: String,
    /// The app's API key. It names the app and is no secret: it ships inside programs.
    pub api_key: String,
}

/// Shows the server only: nobody who reads a log needs the key.
impl fmt::Debug for SyncKitConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SyncKitConfig").field("server_url", &self.server_url).finish_non_exhaustive()
    }
}

/// The end-to-end encrypted log of a user, as one installation of an app uses it.
///
/// All methods take `&self`: share a client between tasks by reference or in an [`Arc`]. It needs a tokio runtime with
/// timers and I/O.
///
/// # Errors of every request
/// Whatever asks the server can fail because the user has to sign in
/// ([`NotAuthenticated`](crate::SyncKitError::NotAuthenticated), [`TokenExpired`](crate::SyncKitError::TokenExpired),
/// [`Unauthenticated`](crate::SyncKitError::Unauthenticated)), because the server cannot be reached or is busy
/// ([`Network`](crate::SyncKitError::Network), [`RateLimited`](crate::SyncKitError::RateLimited)), or because of a
/// fault of the server ([`Server`](crate::SyncKitError::Server), [`BadAnswer`](crate::SyncKitError::BadAnswer)).
/// Methods document the others.
pub struct SyncKitClient {
    pub(crate) transport: Arc<Transport>,
    pub(crate) server_url: String,
    pub(crate) api_key: String,
    pub(crate) session: Arc<CurrentSession>,
    pub(crate) encryption: CurrentKey,
    pub(crate) outbox: tokio::sync::Mutex<Outbox>,
    pub(crate) limits: ServerLimits,
    pub(crate) quarantined: AtomicU64,
    pub(crate) watch: Watch,
    pub(crate) padding: Padding,
    pub(crate) notification_timeouts: NotificationTimeouts,
    /// `None`: that of the operating system.
    pub(crate) temporary_folder: Option<PathBuf>,
}

impl SyncKitClient {
    /// Creates a client with the defaults: keys in the operating system's keychain, three retries, one minute per
    /// request.
    ///
    /// Nothing is checked or sent yet: a wrong URL is the error of the first request.
    pub fn new(config: SyncKitConfig) -> Self {
        Self::builder(config).build()
    }

    /// Starts building a client with another key store, other timeouts, retries or passphrase cost.
    pub fn builder(config: SyncKitConfig) -> ClientBuilder {
        ClientBuilder {
            config,
            key_store: None,
            encryption: EncryptionOptions::default(),
            padding: Padding::default(),
            tamper_policy: TamperPolicy::default(),
            timeout: DEFAULT_TIMEOUT,
            retry: RetryPolicy::default(),
            notification_timeouts: NotificationTimeouts::default(),
            temporary_folder: None,
            session_observer: None,
        }
    }
}

/// Shows the server, and no secret.
impl fmt::Debug for SyncKitClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SyncKitClient").field("server_url", &self.server_url).finish_non_exhaustive()
    }
}

/// Builds a [`SyncKitClient`] that differs from the defaults.
#[must_use]
pub struct ClientBuilder {
    config: SyncKitConfig,
    key_store: Option<Arc<dyn KeyStore>>,
    encryption: EncryptionOptions,
    padding: Padding,
    tamper_policy: TamperPolicy,
    timeout: Duration,
    retry: RetryPolicy,
    notification_timeouts: NotificationTimeouts,
    temporary_folder: Option<PathBuf>,
    session_observer: Option<Box<SessionObserver>>,
}

impl ClientBuilder {
    /// Sets where keys are stored between runs. Default: the operating system's keychain, or memory where there is
    /// none.
    pub fn key_store(self, store: impl KeyStore + 'static) -> Self {
        self.shared_key_store(Arc::new(store))
    }

    /// Like [`key_store`](Self::key_store), for a store that is shared.
    pub fn shared_key_store(mut self, store: Arc<dyn KeyStore>) -> Self {
        self.key_store = Some(store);
        self
    }

    /// Sets the cost of guessing the passphrase, for keys that this client creates.
    pub fn kdf_cost(mut self, cost: KdfCost) -> Self {
        self.encryption.cost = cost;
        self
    }

    /// Lets the account's password be the passphrase. The server sees the password at every sign-in, so an operator, or
    /// an intruder, could then read everything. Default: refused.
    pub fn allow_passphrase_as_password(mut self) -> Self {
        self.encryption.passphrase_may_be_password = true;
        self
    }

    /// Hides the names of tables and rows from the server in vaults that this client creates, for the vault's whole
    /// life. The server still sees which changes are of the same table and row, and how many there are. Default:
    /// names are shown.
    pub fn hide_names(mut self) -> Self {
        self.encryption.hide_names = true;
        self
    }

    /// Sets whether plaintexts are padded, by at most 12 %, so that their length says less. Default: they are.
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Sets what to do with evidence against the server. Default: [`TamperPolicy::Warn`].
    pub fn tamper_policy(mut self, policy: TamperPolicy) -> Self {
        self.tamper_policy = policy;
        self
    }

    /// Sets the time for one request, from connecting to the end of the answer; each retry has as long again.
    /// Default: 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the number of attempts after the first one, for network errors, 5xx and 429. Default: 3.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.retries = retries;
        self
    }

    /// Sets the upper bound of the random wait before the first retry; it doubles with each further one. Default: 200
    /// ms.
    pub fn first_retry_wait(mut self, wait: Duration) -> Self {
        self.retry.first_wait = wait;
        self
    }

    /// Sets how long an event stream may be silent before it is considered dead. Default: 45 s, three times the
    /// server's heartbeat.
    pub fn silence(mut self, silence: Duration) -> Self {
        self.notification_timeouts.silence = silence;
        self
    }

    /// Sets how often the server is polled where it has no event streams, or something in between blocks them.
    /// Default: 30 s.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.notification_timeouts.poll_interval = interval;
        self
    }

    /// Sets where sealed files are kept while they are uploaded, and while one that goes to a writer is downloaded.
    /// They take as much space as the file, and are never in the clear. Default: the operating system's temporary
    /// folder.
    pub fn temporary_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temporary_folder = Some(folder.into());
        self
    }

    /// Sets a callback for saving the session: it is called with the session after each sign-in and each refresh, and
    /// with `None` after a sign-out. A refresh token stays good until its successor is used, and a successor is used
    /// only after it was handed to this callback. So a program that saves at once can be killed at any moment and
    /// continue later.
    ///
    /// It is called on a thread of the async runtime, so it should return quickly.
    pub fn on_session_change(mut self, save: impl Fn(Option<&SessionInfo>) + Send + Sync + 'static) -> Self {
        self.session_observer = Some(Box::new(save));
        self
    }

    /// Builds the client.
    pub fn build(self) -> SyncKitClient {
        let server_url = self.config.server_url.trim_end_matches('/').to_owned();
        SyncKitClient {
            transport: Arc::new(Transport::new(&server_url, self.timeout, self.retry)),
            server_url,
            api_key: self.config.api_key,
            session: Arc::new(CurrentSession::new(self.session_observer)),
            encryption: CurrentKey::new(
                self.key_store.unwrap_or_else(keystore::default_store),
                self.encryption,
            ),
            outbox: tokio::sync::Mutex::default(),
            limits: ServerLimits::default(),
            quarantined: AtomicU64::new(0),
            watch: Watch::new(self.tamper_policy),
            padding: self.padding,
            notification_timeouts: self.notification_timeouts,
            temporary_folder: self.temporary_folder,
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ClientBuilder").field("server_url", &self.config.server_url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>(_: T) {}
        shared(SyncKitClient::new(SyncKitConfig { server_url: String::new(), api_key: String::new() }));
    }
}
