//! Devices of one user, each with an app's database in its own folder.

use std::path::PathBuf;

use std::sync::Arc;

use tempfile::TempDir;
use tidelog_client::replica::rusqlite::{Connection, types::Value};
use tidelog_client::replica::{Problem, Replica, ReplicaError, SyncedTable};
use tidelog_client::{Device, SyncKitClient};

use tidelog_test_kit::sdk::Fixture;

/// An installation of the app: its database, its connection, and the replica.
pub(crate) struct Installation {
    folder: TempDir,
    pub(crate) app: Connection,
    pub(crate) replica: Replica,
    pub(crate) client: Arc<SyncKitClient>,
    pub(crate) device: Device,
}

impl Installation {
    /// Creates the database with this schema, and attaches these tables.
    pub(crate) async fn new<T: Into<SyncedTable>>(
        fixture: &Fixture,
        name: &str,
        schema: &str,
        tables: impl IntoIterator<Item = T>,
    ) -> Self {
        let (client, device) = fixture.device(name).await;
        Self::with(client, device, schema, tables)
    }

    pub(crate) fn with<T: Into<SyncedTable>>(
        client: SyncKitClient,
        device: Device,
        schema: &str,
        tables: impl IntoIterator<Item = T>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = open(&path(&folder));
        app.execute_batch(schema).unwrap();
        let replica = Replica::attach(open(&path(&folder)), tables).unwrap();
        Self { folder, app, replica, client: Arc::new(client), device }
    }

    pub(crate) fn path(&self) -> PathBuf {
        path(&self.folder)
    }

    /// Another connection to the database, as of another thread or program.
    pub(crate) fn another_connection(&self) -> Connection {
        open(&self.path())
    }

    /// Attaches again, as the app does at each start.
    pub(crate) fn attach_again<T: Into<SyncedTable>>(
        &mut self,
        tables: impl IntoIterator<Item = T>,
    ) -> Result<(), ReplicaError> {
        self.replica = Replica::attach(open(&self.path()), tables)?;
        Ok(())
    }

    /// Copies the whole database.
    pub(crate) fn copy_database(&self) -> PathBuf {
        let copy = self.folder.path().join("copy.db");
        self.app.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        copy
    }

    /// Restores the database from a copy, and attaches again.
    pub(crate) fn restore_database<T: Into<SyncedTable>>(
        &mut self,
        copy: &std::path::Path,
        tables: impl IntoIterator<Item = T>,
    ) {
        let empty = || Connection::open_in_memory().unwrap();
        self.app = empty();
        self.replica = Replica::attach(empty(), Vec::<SyncedTable>::new()).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.path().display()));
        }
        std::fs::copy(copy, self.path()).unwrap();
        self.app = open(&self.path());
        self.attach_again(tables).unwrap();
    }

    pub(crate) fn run(&self, sql: &str) {
        self.app.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(crate) async fn sync(&self) {
        self.try_sync().await.unwrap();
    }

    pub(crate) async fn try_sync(&self) -> Result<(), ReplicaError> {
        self.replica.sync(&self.client, self.device.id).await
    }

    pub(crate) async fn problems(&self) -> Vec<Problem> {
        self.replica.problems().await.unwrap()
    }

    /// The result of a query: values with their types.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<Value>> {
        query(&self.app, sql)
    }

    /// Waits until a write here gets a later timestamp than the last write on the other device.
    pub(crate) fn wait_until_later_than(&self, other: &Self) {
        let number = |connection: &Connection, sql: &str| -> i64 {
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        let timestamps =
            "SELECT timestamp FROM tidelog_dirty_rows UNION ALL SELECT timestamp FROM tidelog_insert_buffer";
        let last_write = number(&other.app, &format!("SELECT max(timestamp) FROM ({timestamps})"));
        while number(&self.app, "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)") <= last_write {}
    }

    /// The first column of a query, as text.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        let mut statement = self.app.prepare(sql).unwrap();
        let texts = statement.query_map([], |row| row.get(0)).unwrap();
        texts.collect::<Result<_, _>>().unwrap()
    }
}

/// Syncs all installations until none has anything new.
pub(crate) async fn sync_all(installations: &[&Installation]) {
    for _ in 0..2 {
        for installation in installations {
            installation.sync().await;
        }
    }
}

pub(crate) fn query(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|place| row.get(place)).collect()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("app.db")
}

/// Opens the database as the app does, with foreign keys on.
fn open(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection
}
