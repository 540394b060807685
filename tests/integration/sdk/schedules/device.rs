//! One installation of an app: what it has, what it wants to push, and what it was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use serde_json::json;
use tidelog_client::{
    BlockReason, ChangeEntry, ChangeOp, Cursor, KdfCost, MemoryStore, PullFilter, Result, Rotation,
    SessionInfo, SyncKitClient, SyncKitConfig, SyncKitError, TamperPolicy, WatchState,
};
use uuid::Uuid;

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// A push that was never answered: it must be tried again before any other.
#[derive(Clone)]
pub(crate) struct Unanswered {
    pub(crate) changes: Vec<ChangeEntry>,
}

pub(crate) struct Device {
    pub(crate) name: String,
    url: String,
    api_key: String,
    session: SessionInfo,
    store: Arc<MemoryStore>,
    pub(crate) client: SyncKitClient,
    pub(crate) id: Uuid,
    pub(crate) cursor: Cursor,
    pub(crate) rows: BTreeMap<String, u64>,
    pub(crate) unanswered: Option<Unanswered>,
    watch: Option<WatchState>,
}

impl Device {
    pub(crate) async fn install(name: &str, url: &str, api_key: &str, session: SessionInfo) -> Self {
        let store = Arc::new(MemoryStore::new());
        let client = client(url, api_key, &store, &session);
        client.setup_encryption_new(PASSPHRASE).await.expect("a key is set up");
        let id = client.register_device(name, "linux").await.expect("a device is registered").id;
        Self {
            name: name.into(),
            url: url.into(),
            api_key: api_key.into(),
            session,
            store,
            client,
            id,
            cursor: Cursor::Start,
            rows: BTreeMap::new(),
            unanswered: None,
            watch: None,
        }
    }

    /// The program ends without warning and is started again: what it keeps is in its key store and in its database.
    pub(crate) async fn restart(&mut self) {
        self.client = client(&self.url, &self.api_key, &self.store, &self.session);
        assert!(self.client.try_load_key_from_keychain().await.expect("the store can be read"));
        if let Some(watch) = self.watch.clone() {
            self.client.restore_watch(watch);
        }
    }

    /// The program is installed anew: nothing of it is left but the device's name.
    pub(crate) async fn reinstall(&mut self) -> Result<()> {
        self.store = Arc::new(MemoryStore::new());
        self.client = client(&self.url, &self.api_key, &self.store, &self.session);
        self.client.setup_encryption_existing(PASSPHRASE).await?;
        (self.cursor, self.watch, self.unanswered) = (Cursor::Start, None, None);
        self.rows.clear();
        Ok(())
    }

    pub(crate) async fn push(&mut self, changes: Vec<ChangeEntry>) -> Result<()> {
        self.unanswered = Some(Unanswered { changes: changes.clone() });
        let cursor =
            self.unblocked(async |device| device.client.push(device.id, changes.clone()).await).await?;
        self.unanswered = None;
        self.note_own(&changes);
        // Where a program has read nothing yet, it goes on from the start.
        if self.cursor != Cursor::Start {
            self.cursor = cursor;
            self.watch = self.client.watch_state();
        }
        Ok(())
    }

    fn note_own(&mut self, changes: &[ChangeEntry]) {
        for change in changes {
            *self.rows.entry(change.row_id.clone()).or_default() = 1;
        }
    }

    /// Pulls page by page until there is no more, or as many pages as are wanted.
    pub(crate) async fn pull(&mut self, pages: usize, filter: PullFilter) -> Result<()> {
        for _ in 0..pages {
            let cursor = self.cursor;
            let filter = filter.clone();
            let page = self
                .unblocked(async |device| device.client.pull_page(device.id, cursor, filter.clone()).await)
                .await?;
            assert_eq!(page.quarantined, [], "{}: everything opens", self.name);
            for change in &page.changes {
                *self.rows.entry(change.entry.row_id.clone()).or_default() = 1;
            }
            self.cursor = page.cursor;
            self.watch = self.client.watch_state();
            if !page.has_more {
                break;
            }
        }
        Ok(())
    }

    /// A look at one table that leaves the device's own position where it is.
    pub(crate) async fn peek(&mut self) -> Result<()> {
        let filter = PullFilter { tables: Some(vec!["odd".into()]), ..PullFilter::default() };
        let page = self
            .unblocked(async |device| device.client.pull_page(device.id, 1, filter.clone()).await)
            .await?;
        assert_eq!(page.quarantined, []);
        Ok(())
    }

    pub(crate) async fn rotate(&mut self, mode: Rotation) -> Result<()> {
        self.client.rotate_key(PASSPHRASE, mode, |_| {}).await.map(drop)
    }

    /// Carries something out; if the passphrase is needed, gives it and tries again.
    async fn unblocked<T>(&mut self, mut deed: impl AsyncFnMut(&mut Self) -> Result<T>) -> Result<T> {
        for _ in 0..5 {
            match deed(self).await {
                Err(SyncKitError::Blocked(BlockReason::PassphraseNeeded)) => {
                    self.client.setup_encryption_existing(PASSPHRASE).await?;
                }
                outcome => return outcome,
            }
        }
        deed(self).await
    }
}

/// What a device that never was there before reads: rows with how often they stand in the log, and the key versions.
pub(crate) async fn read_anew(client: &SyncKitClient, id: Uuid) -> (BTreeMap<String, u64>, Vec<u32>) {
    let (mut rows, mut versions, mut cursor) = (BTreeMap::new(), Vec::new(), Cursor::Start);
    loop {
        let page = client.pull_page(id, cursor, PullFilter::default()).await.expect("the log can be read");
        assert_eq!(page.quarantined, [], "a new device opens everything");
        assert_eq!(page.evidence, []);
        for change in page.changes {
            *rows.entry(change.entry.row_id).or_default() += 1;
            versions.push(change.key_version);
        }
        cursor = page.cursor;
        if !page.has_more {
            return (rows, versions);
        }
    }
}

pub(crate) fn client(
    url: &str,
    api_key: &str,
    store: &Arc<MemoryStore>,
    session: &SessionInfo,
) -> SyncKitClient {
    let config = SyncKitConfig { server_url: url.into(), api_key: api_key.into() };
    let client = SyncKitClient::builder(config)
        .shared_key_store(store.clone())
        .kdf_cost(KdfCost::MIN)
        .first_retry_wait(Duration::ZERO)
        .retries(1)
        .tamper_policy(TamperPolicy::Refuse)
        .build();
    client.restore_session(session.clone());
    client
}

/// New rows, each with an id of its own.
pub(crate) fn new_rows(writer: &str, first: u64, count: u64) -> Vec<ChangeEntry> {
    let row = |number: u64| ChangeEntry {
        table: if number.is_multiple_of(2) { "even" } else { "odd" }.into(),
        op: ChangeOp::Insert,
        row_id: format!("{writer}-{number}"),
        timestamp: DateTime::from_timestamp(i64::try_from(number).expect("small"), 0).expect("a time"),
        data: Some(json!({ "number": number })),
    };
    (first..first + count).map(row).collect()
}
