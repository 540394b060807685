//! A device of the user's: the app with its database, the replica beside it, the client, and all that may happen to them.

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

use crate::convergence::host::copy_files;
use crate::convergence::schema::Schema;
use crate::convergence::tripwire::Tripwire;
use tidelog_test_kit::interrupted;
use tidelog_test_kit::sdk::PASSPHRASE;

/// What all devices of a user have in common.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) session: SessionInfo,
    pub(crate) schema: Arc<Schema>,
    /// Whether the app's connections run delete triggers for rows that `REPLACE` removes.
    pub(crate) recursive_triggers: bool,
}

impl Setting {
    fn client(&self, keys: &Pocket) -> SyncKitClient {
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

/// Where one device keeps its keys.
#[derive(Clone, Default)]
struct Pocket(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl Pocket {
    fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
}

impl KeyStore for Pocket {
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

/// A program at work.
struct Running {
    app: Connection,
    replica: Replica,
}

pub(crate) struct Device {
    pub(crate) name: String,
    setting: Setting,
    keys: Pocket,
    folder: TempDir,
    wire: Tripwire,
    running: Option<Running>,
    copy: Option<TempDir>,
    pub(crate) client: SyncKitClient,
    pub(crate) id: Uuid,
}

impl Device {
    /// Installs the app where the rows are, and makes the user's key.
    pub(crate) async fn first(setting: &Setting, fill: impl FnOnce(&mut Connection)) -> Self {
        let keys = Pocket::default();
        setting.client(&keys).setup_encryption_new(PASSPHRASE).await.unwrap();
        Self::install("device-0", setting, keys, fill).await
    }

    /// Installs the app elsewhere, with an empty database. It is as if the passphrase had been entered.
    pub(crate) async fn another(&self, number: usize) -> Self {
        Self::install(&format!("device-{number}"), &self.setting, self.keys.copy(), |_| ()).await
    }

    async fn install(
        name: &str,
        setting: &Setting,
        keys: Pocket,
        fill: impl FnOnce(&mut Connection),
    ) -> Self {
        let client = setting.client(&keys);
        assert!(client.try_load_key_from_keychain().await.unwrap());
        let id = client.register_device(name, "linux").await.unwrap().id;
        let mut device = Self {
            name: name.to_owned(),
            setting: setting.clone(),
            keys,
            folder: tempfile::tempdir().unwrap(),
            wire: Tripwire::new(),
            running: None,
            copy: None,
            client,
            id,
        };
        let mut app = device.open();
        app.execute_batch(&setting.schema.sql).unwrap();
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

    /// Exchanges changes, as far as luck goes. `false`: it could not be finished.
    pub(crate) async fn sync(&self) -> bool {
        match self.replica().sync(&self.client, self.id).await {
            Ok(()) => true,
            Err(ReplicaError::Sync(SyncKitError::Blocked(_))) => {
                self.enter_passphrase().await;
                false
            }
            Err(ReplicaError::Sync(error)) if is_bad_luck(&error) => false,
            Err(ReplicaError::Sqlite(_)) if self.wire.is_cut() => false,
            Err(error) => panic!("{}: {error:?}", self.name),
        }
    }

    /// Crashes after so many polls of an exchange, and starts again.
    pub(crate) async fn sync_and_crash(&mut self, polls: u64) {
        interrupted(polls, || false, self.sync()).await;
        self.restart().await;
    }

    /// Crashes after so many steps of the replica's statements, and starts again.
    pub(crate) async fn sync_and_crash_inside(&mut self, steps: u64) {
        self.wire.cut_after(steps);
        self.sync().await;
        self.restart().await;
    }

    /// Ends without warning and starts again, maybe crashing once more while it does.
    pub(crate) async fn restart(&mut self) {
        self.end().await;
        self.start().await;
    }

    pub(crate) async fn restart_and_crash(&mut self, steps: u64) {
        self.end().await;
        self.wire = Tripwire::new();
        self.wire.cut_after(steps);
        match self.attach() {
            Ok(()) | Err(ReplicaError::Sqlite(_)) => {}
            Err(error) => panic!("{}: {error:?}", self.name),
        }
        self.restart().await;
    }

    /// The clock of this device runs ahead, for as long as it takes the others to catch up.
    pub(crate) fn hurry(&self, seconds: u64) {
        let sql = "UPDATE tidelog_clock SET timestamp = max(timestamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?1 * 1000000)";
        self.app().execute(sql, [seconds as i64]).unwrap();
    }

    /// Copies the app's database beside the running app.
    pub(crate) fn copy(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        copy_files(self.folder.path(), copy.path());
        self.copy = Some(copy);
    }

    pub(crate) fn has_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// The app's database is what it was when it was copied.
    pub(crate) async fn put_back(&mut self) {
        let copy = self.copy.take().expect("there is a copy");
        self.end().await;
        copy_files(copy.path(), self.folder.path());
        self.start().await;
    }

    pub(crate) async fn rotate(&self, mode: Rotation) {
        match self.client.rotate_key(PASSPHRASE, mode, |_| {}).await {
            Ok(_) => {}
            Err(error) if is_bad_luck(&error) => {}
            Err(error) => panic!("{}: {error:?}", self.name),
        }
    }

    pub(crate) async fn enter_passphrase(&self) {
        match self.client.setup_encryption_existing(PASSPHRASE).await {
            Ok(()) => {}
            Err(error) if is_bad_luck(&error) => {}
            Err(error) => panic!("{}: {error:?}", self.name),
        }
    }

    /// Another client on the same device, which has never pulled.
    pub(crate) async fn plain_client(&self) -> SyncKitClient {
        let client = self.setting.client(&self.keys);
        assert!(client.try_load_key_from_keychain().await.unwrap());
        client
    }

    async fn end(&mut self) {
        // What a task that was dropped has begun on another thread is not to be completed.
        self.wire.cut_after(0);
        self.running = None;
        while self.wire.is_held() {
            tokio::task::yield_now().await;
        }
    }

    async fn start(&mut self) {
        self.wire = Tripwire::new();
        self.attach().unwrap();
        self.client = self.plain_client().await;
    }

    fn attach(&mut self) -> Result<(), ReplicaError> {
        let mut connection = self.open();
        self.wire.guard(&mut connection);
        let replica = Replica::attach(connection, self.setting.schema.synced())?;
        self.running = Some(Running { app: self.open(), replica });
        Ok(())
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// As the app opens its database.
    fn open(&self) -> Connection {
        let path: PathBuf = self.folder.path().join("app.db");
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        connection.pragma_update(None, "recursive_triggers", self.setting.recursive_triggers).unwrap();
        connection
    }
}

/// What an honest server, a network and other devices may do to a program.
fn is_bad_luck(error: &SyncKitError) -> bool {
    matches!(
        error,
        SyncKitError::Network(_)
            | SyncKitError::Blocked(_)
            | SyncKitError::KeyVersionConflict { .. }
            | SyncKitError::RotationInProgress
            | SyncKitError::Server { status: 503, .. }
    )
}
