//! The client itself: what it consists of, and how it is made. Its methods live beside what they are about: `session`,
//! `devices`, `encryption`, `push`, `pull`, `blobs`, `status`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::encryption::{Encryption, EncryptionOptions};
use crate::formats::{KdfCost, Padding};
use crate::keystore::{self, KeyStore};
use crate::notifications::Patience;
use crate::push::Outbox;
use crate::retry::RetryPolicy;
use crate::session::{CurrentSession, SessionInfo, SessionWatcher};
use crate::status::KnownLimits;
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

/// Shows the server only: whoever reads a log has no need for the key.
impl fmt::Debug for SyncKitConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SyncKitConfig").field("server_url", &self.server_url).finish_non_exhaustive()
    }
}

/// A user's end-to-end encrypted log, from one installation of an app.
///
/// All methods take `&self`: share a client between tasks by reference or in an [`Arc`]. It needs a tokio runtime with
/// timers and I/O.
pub struct SyncKitClient {
    pub(crate) transport: Arc<Transport>,
    pub(crate) server_url: String,
    pub(crate) api_key: String,
    pub(crate) session: Arc<CurrentSession>,
    pub(crate) encryption: Encryption,
    pub(crate) outbox: tokio::sync::Mutex<Outbox>,
    pub(crate) limits: KnownLimits,
    pub(crate) quarantined: AtomicU64,
    pub(crate) watch: Watch,
    pub(crate) padding: Padding,
    pub(crate) patience: Patience,
    /// `None`: the operating system's.
    pub(crate) temporary_folder: Option<PathBuf>,
}

impl SyncKitClient {
    /// A client with the defaults: keys in the operating system's keychain, three retries, a minute for an exchange.
    ///
    /// Nothing is checked or sent yet: a wrong URL shows with the first request.
    pub fn new(config: SyncKitConfig) -> Self {
        Self::builder(config).build()
    }

    /// For another key store, time-out, retries or passphrase cost.
    pub fn builder(config: SyncKitConfig) -> ClientBuilder {
        ClientBuilder {
            config,
            key_store: None,
            encryption: EncryptionOptions::default(),
            padding: Padding::default(),
            tamper_policy: TamperPolicy::default(),
            timeout: DEFAULT_TIMEOUT,
            retry: RetryPolicy::default(),
            patience: Patience::default(),
            temporary_folder: None,
            session_watcher: None,
        }
    }
}

/// Shows the server, and no secret.
impl fmt::Debug for SyncKitClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SyncKitClient").field("server_url", &self.server_url).finish_non_exhaustive()
    }
}

/// Makes a [`SyncKitClient`] that departs from the defaults.
#[must_use]
pub struct ClientBuilder {
    config: SyncKitConfig,
    key_store: Option<Arc<dyn KeyStore>>,
    encryption: EncryptionOptions,
    padding: Padding,
    tamper_policy: TamperPolicy,
    timeout: Duration,
    retry: RetryPolicy,
    patience: Patience,
    temporary_folder: Option<PathBuf>,
    session_watcher: Option<Box<SessionWatcher>>,
}

impl ClientBuilder {
    /// Where keys are kept between runs. Default: the operating system's keychain, or memory where there is none.
    pub fn key_store(self, store: impl KeyStore + 'static) -> Self {
        self.shared_key_store(Arc::new(store))
    }

    /// Like [`key_store`](Self::key_store), for a store that others use too.
    pub fn shared_key_store(mut self, store: Arc<dyn KeyStore>) -> Self {
        self.key_store = Some(store);
        self
    }

    /// What a guess of the passphrase costs, in keys that this client makes.
    pub fn kdf_cost(mut self, cost: KdfCost) -> Self {
        self.encryption.cost = cost;
        self
    }

    /// Lets the account's password be the passphrase. The server is told the password at every sign-in, so an operator, or
    /// whoever breaks in, could then read everything. Default: refused.
    pub fn allow_passphrase_as_password(mut self) -> Self {
        self.encryption.passphrase_may_be_password = true;
        self
    }

    /// Vaults that this client makes hide the names of tables and rows from the server, for as long as they live. What still
    /// shows: which changes are of the same table and row, and how many. Default: names are shown.
    pub fn hide_names(mut self) -> Self {
        self.encryption.hide_names = true;
        self
    }

    /// Whether what is sealed is filled up, by a tenth at most, so that its length tells less. Default: it is.
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// What to do when the server is caught. Default: [`TamperPolicy::Warn`].
    pub fn tamper_policy(mut self, policy: TamperPolicy) -> Self {
        self.tamper_policy = policy;
        self
    }

    /// Time for one exchange with the server, from connecting to the end of the answer; each retry has it anew.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Tries after the first one, for network errors, 5xx and 429. Default: 3.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.retries = retries;
        self
    }

    /// Bound of the random wait before the first retry; it doubles with each further one. Default: 200 ms.
    pub fn first_retry_wait(mut self, wait: Duration) -> Self {
        self.retry.first_wait = wait;
        self
    }

    /// How long a stream of notifications may say nothing before it is taken for dead. Default: 45 s, three times the server's
    /// heartbeat.
    pub fn silence(mut self, silence: Duration) -> Self {
        self.patience.silence = silence;
        self
    }

    /// How often the server is asked for news where it has no streams, or something on the way swallows them. Default: 30 s.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.patience.poll = interval;
        self
    }

    /// Where sealed files lie while they are sent, and while one that is given to a writer comes in: as much room as the file
    /// takes, and never anything in the clear. Default: the operating system's folder for temporary files.
    pub fn temporary_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temporary_folder = Some(folder.into());
        self
    }

    /// Is called with the session after each sign-in and each refresh, to save it, and with `None` after a sign-out. A refresh
    /// token is spent only after the one that it gave way to was handed over here, so a program that saves at once can end at
    /// any instant and go on later.
    ///
    /// It is called on a thread of the async runtime: let it be quick.
    pub fn on_session_change(mut self, save: impl Fn(Option<&SessionInfo>) + Send + Sync + 'static) -> Self {
        self.session_watcher = Some(Box::new(save));
        self
    }

    /// The client.
    pub fn build(self) -> SyncKitClient {
        let server_url = self.config.server_url.trim_end_matches('/').to_owned();
        SyncKitClient {
            transport: Arc::new(Transport::new(&server_url, self.timeout, self.retry)),
            server_url,
            api_key: self.config.api_key,
            session: Arc::new(CurrentSession::watched_by(self.session_watcher)),
            encryption: Encryption::new(
                self.key_store.unwrap_or_else(keystore::default_store),
                self.encryption,
            ),
            outbox: tokio::sync::Mutex::default(),
            limits: KnownLimits::default(),
            quarantined: AtomicU64::new(0),
            watch: Watch::new(self.tamper_policy),
            padding: self.padding,
            patience: self.patience,
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
