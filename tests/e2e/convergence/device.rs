//! A device of the user: the app with its database, its replica and its client, and everything that may happen to them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tidelog_client::replica::rusqlite::Connection;
use tidelog_client::replica::{Replica, ReplicaError};
use tidelog_client::{
    KdfCost, KeyStore, KeyStoreError, Rotation, SessionInfo, SyncKitClient, SyncKitConfig, SyncKitError,
    TamperPolicy,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::convergence::crash_switch::CrashSwitch;
use crate::convergence::schema::Schema;
use crate::convergence::test_server::copy_files;
use tidelog_test_kit::interrupted;
use tidelog_test_kit::sdk::PASSPHRASE;

/// What all devices of a user share.
#[derive(Clone)]
pub(crate) struct DeviceOptions {
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) session: SessionInfo,
    pub(crate) schema: Arc<Schema>,
    /// Whether the app's connections run delete triggers for rows that `REPLACE` removes.
    pub(crate) recursive_triggers: bool,
}

impl DeviceOptions {
    fn client(&self, keys: &MemoryKeys) -> SyncKitClient {
        let config = SyncKitConfig { server_url: self.url.clone(), api_key: self.api_key.clone() };
        let client = SyncKitClient::builder(config)
            .key_store(keys.clone())
            .kdf_cost(KdfCost::MIN)
            .timeout(Duration::from_secs(60))
            .retries(0)
            .tamper_policy(TamperPolicy::Refuse)
            .build();
        client.restore_session(self.session.clone());
        client
    }
}

/// The key store of one device.
#[derive(Clone, Default)]
struct MemoryKeys(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl MemoryKeys {
    fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
}

impl KeyStore for MemoryKeys {
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.0.lock().unwrap().get(account).cloned().map(Zeroizing::new))
    }

    fn set(&self, account: &str, secret: &[u8]) -> Result<(), KeyStoreError> {
        self.0.lock().unwrap().insert(account.to_owned(), secret.to_vec());
        Ok(())
    }

    fn delete(&self, account: &str) -> Result<(), KeyStoreError> {
        self.0.lock().unwrap().remove(account);
        Ok(())
    }
}

/// The running app.
struct Running {
    app: Connection,
    replica: Replica,
}

pub(crate) struct Device {
    pub(crate) name: String,
    options: DeviceOptions,
    keys: MemoryKeys,
    folder: TempDir,
    crash_switch: CrashSwitch,
    running: Option<Running>,
    copy: Option<TempDir>,
    pub(crate) client: SyncKitClient,
    pub(crate) id: Uuid,
}

impl Device {
    /// Installs the app on the first device, fills its database, and creates the user's key.
    pub(crate) async fn first(options: &DeviceOptions, fill: impl FnOnce(&mut Connection)) -> Self {
        let keys = MemoryKeys::default();
        options.client(&keys).setup_encryption_new(PASSPHRASE).await.unwrap();
        Self::install("device-0", options, keys, fill).await
    }

    /// Installs the app on another device, with an empty database. Copying the keys stands for entering the passphrase.
    pub(crate) async fn another(&self, number: usize) -> Self {
        Self::install(&format!("device-{number}"), &self.options, self.keys.copy(), |_| ()).await
    }

    async fn install(
        name: &str,
        options: &DeviceOptions,
        keys: MemoryKeys,
        fill: impl FnOnce(&mut Connection),
    ) -> Self {
        let client = options.client(&keys);
        assert!(client.try_load_key_from_keychain().await.unwrap());
        let id = client.register_device(name, "linux").await.unwrap().id;
        let mut device = Self {
            name: name.to_owned(),
            options: options.clone(),
            keys,
            folder: tempfile::tempdir().unwrap(),
            crash_switch: CrashSwitch::new(),
            running: None,
            copy: None,
            client,
            id,
        };
        let mut app = device.open();
        app.execute_batch(&options.schema.sql).unwrap();
        fill(&mut app);
        drop(app);
        device.attach().unwrap();
        device
    }

    pub(crate) fn app(&self) -> &Connection {
        &self.running().app
    }

    pub(crate) fn replica(&self) -> &Replica {
        &self.running().replica
    }

    /// Exchanges changes. Returns `false` if the exchange failed for an expected reason.
    pub(crate) async fn sync(&self) -> bool {
        match self.replica().sync(&self.client, self.id).await {
            Ok(()) => true,
            Err(ReplicaError::Sync(SyncKitError::Blocked(_))) => {
                self.enter_passphrase().await;
                false
            }
            Err(ReplicaError::Sync(error)) if is_expected(&error) => false,
            Err(ReplicaError::Sqlite(_)) if self.crash_switch.has_fired() => false,
            Err(error) => panic!("{}: {error:?}", self.name),
        }
    }

    /// Crashes after a number of polls of an exchange, and starts again.
    pub(crate) async fn sync_and_crash(&mut self, polls: u64) {
        interrupted(polls, || false, self.sync()).await;
        self.restart().await;
    }

    /// Crashes after a number of steps of the replica's SQL statements, and starts again.
    pub(crate) async fn sync_and_crash_in_sqlite(&mut self, steps: u64) {
        self.crash_switch.fire_after(steps);
        self.sync().await;
        self.restart().await;
    }

    /// Kills the app and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.end().await;
        self.start().await;
    }

    /// Kills the app, crashes while it starts, and starts it again.
    pub(crate) async fn restart_and_crash(&mut self, steps: u64) {
        self.end().await;
        self.crash_switch = CrashSwitch::new();
        self.crash_switch.fire_after(steps);
        match self.attach() {
            Ok(()) | Err(ReplicaError::Sqlite(_)) => {}
            Err(error) => panic!("{}: {error:?}", self.name),
        }
        self.restart().await;
    }

    /// Sets the device's clock ahead, until the other devices have caught up.
    pub(crate) fn advance_clock(&self, seconds: u64) {
        let sql = "UPDATE tidelog_clock SET timestamp = max(timestamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?1 * 1000000)";
        self.app().execute(sql, [seconds as i64]).unwrap();
    }

    /// Copies the database of the running app.
    pub(crate) fn copy(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        copy_files(self.folder.path(), copy.path());
        self.copy = Some(copy);
    }

    pub(crate) fn has_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// Restores the app's database from the copy.
    pub(crate) async fn restore(&mut self) {
        let copy = self.copy.take().expect("there is a copy");
        self.end().await;
        copy_files(copy.path(), self.folder.path());
        self.start().await;
    }

    pub(crate) async fn rotate(&self, mode: Rotation) {
        match self.client.rotate_key(PASSPHRASE, mode, |_| {}).await {
            Ok(_) => {}
            Err(error) if is_expected(&error) => {}
            Err(error) => panic!("{}: {error:?}", self.name),
        }
    }

    pub(crate) async fn enter_passphrase(&self) {
        match self.client.setup_encryption_existing(PASSPHRASE).await {
            Ok(()) => {}
            Err(error) if is_expected(&error) => {}
            Err(error) => panic!("{}: {error:?}", self.name),
        }
    }

    /// A new client on the same device, which has not pulled yet.
    pub(crate) async fn new_client(&self) -> SyncKitClient {
        let client = self.options.client(&self.keys);
        assert!(client.try_load_key_from_keychain().await.unwrap());
        client
    }

    async fn end(&mut self) {
        // Work of a dropped task that is still running on another thread must not complete.
        self.crash_switch.fire_after(0);
        self.running = None;
        while self.crash_switch.is_in_use() {
            tokio::task::yield_now().await;
        }
    }

    async fn start(&mut self) {
        self.crash_switch = CrashSwitch::new();
        self.attach().unwrap();
        self.client = self.new_client().await;
    }

    fn attach(&mut self) -> Result<(), ReplicaError> {
        let mut connection = self.open();
        self.crash_switch.attach(&mut connection);
        let replica = Replica::attach(connection, self.options.schema.synced())?;
        self.running = Some(Running { app: self.open(), replica });
        Ok(())
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Opens the database as the app does.
    fn open(&self) -> Connection {
        let path: PathBuf = self.folder.path().join("app.db");
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        connection.pragma_update(None, "recursive_triggers", self.options.recursive_triggers).unwrap();
        connection
    }
}

/// Errors that an honest server, an unreliable network and other devices may cause.
fn is_expected(error: &SyncKitError) -> bool {
    matches!(
        error,
        SyncKitError::Network(_)
            | SyncKitError::Blocked(_)
            | SyncKitError::KeyVersionConflict { .. }
            | SyncKitError::RotationInProgress
            | SyncKitError::Server { status: 503, .. }
    )
}
