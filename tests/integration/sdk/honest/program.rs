//! A program on a device: its client, its cursors, and what it has not pushed yet.

use std::sync::Arc;
use std::time::Duration;

use tidelog_client::{
    ChangeEntry, Cursor, KdfCost, MemoryStore, PullFilter, PulledPage, Result, SessionInfo, SyncKitClient,
    SyncKitConfig, SyncKitError, WatchState,
};
use uuid::Uuid;

use tidelog_test_kit::sdk::PASSPHRASE;

/// What a program needs to be started.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) session: SessionInfo,
    pub(crate) keys: Arc<MemoryStore>,
}

impl Setting {
    pub(crate) fn client(&self) -> SyncKitClient {
        let config = SyncKitConfig { server_url: self.url.clone(), api_key: self.api_key.clone() };
        let client = SyncKitClient::builder(config)
            .shared_key_store(self.keys.clone())
            .kdf_cost(KdfCost::MIN)
            .timeout(Duration::from_secs(30))
            .retries(0)
            .build();
        client.restore_session(self.session.clone());
        client
    }
}

pub(crate) struct Program {
    setting: Setting,
    pub(crate) client: SyncKitClient,
    pub(crate) id: Uuid,
    pub(crate) cursor: Cursor,
    /// Earlier cursors.
    pub(crate) earlier: Vec<Cursor>,
    pub(crate) unanswered: Option<Vec<ChangeEntry>>,
    stored: Option<WatchState>,
}

impl Program {
    pub(crate) async fn install(name: &str, setting: &Setting) -> Self {
        // Each device would derive the key; sharing the first one's saves the work.
        let client = setting.client();
        if !client.try_load_key_from_keychain().await.unwrap() {
            client.setup_encryption_new(PASSPHRASE).await.unwrap();
        }
        let id = client.register_device(name, "linux").await.unwrap().id;
        let setting = setting.clone();
        Self {
            setting,
            client,
            id,
            cursor: Cursor::Start,
            earlier: Vec::new(),
            unanswered: None,
            stored: None,
        }
    }

    /// Crashes and starts again, with or without the stored watch state.
    pub(crate) async fn restart(&mut self, with_watch: bool) {
        self.client = self.setting.client();
        assert!(self.client.try_load_key_from_keychain().await.unwrap());
        self.unanswered = None;
        if let Some(watch) = self.stored.clone().filter(|_| with_watch) {
            self.client.restore_watch(watch);
        }
    }

    /// Is reinstalled on the same device.
    pub(crate) async fn reinstall(&mut self) {
        self.stored = None;
        self.restart(false).await;
        (self.cursor, self.earlier) = (Cursor::Start, Vec::new());
    }

    /// Pushes, and continues from the returned cursor if it has started to read.
    pub(crate) async fn push(&mut self, changes: Vec<ChangeEntry>) {
        let mut answer = self.client.push(self.id, changes.clone()).await;
        if self.is_unblocked(&answer).await {
            answer = self.client.push(self.id, changes.clone()).await;
        }
        match answer {
            Ok(cursor) => {
                self.unanswered = None;
                if self.cursor != Cursor::Start {
                    self.arrive(cursor);
                }
            }
            Err(SyncKitError::Network(_)) => self.unanswered = Some(changes),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Pulls at most this many pages.
    pub(crate) async fn pull(&mut self, pages: usize, filter: &PullFilter) {
        for _ in 0..pages {
            let mut answer = self.client.pull_page(self.id, self.cursor, filter.clone()).await;
            if self.is_unblocked(&answer).await {
                answer = self.client.pull_page(self.id, self.cursor, filter.clone()).await;
            }
            match answer {
                Ok(page) => {
                    self.arrive(page.cursor);
                    if !self.accept(&page) {
                        return;
                    }
                }
                Err(SyncKitError::Network(_)) => return,
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// Pushes and pulls at the same time.
    pub(crate) async fn push_and_pull(&mut self, changes: Vec<ChangeEntry>) {
        let (client, id, cursor) = (&self.client, self.id, self.cursor);
        let both = tokio::join!(
            client.push(id, changes.clone()),
            client.pull_page(id, cursor, PullFilter::default())
        );
        match both.0 {
            Ok(_) => self.unanswered = None,
            Err(SyncKitError::Network(_) | SyncKitError::Blocked(_)) => self.unanswered = Some(changes),
            Err(error) => panic!("{error:?}"),
        }
        match both.1 {
            Ok(page) => {
                self.arrive(page.cursor);
                self.accept(&page);
            }
            Err(SyncKitError::Network(_) | SyncKitError::Blocked(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Pulls with a filter, from another position than the program's.
    pub(crate) async fn look(&mut self, filter: PullFilter) -> Result<()> {
        match self.client.pull_page(self.id, 1, filter).await {
            Ok(page) => {
                self.accept(&page);
                Ok(())
            }
            Err(SyncKitError::Network(_) | SyncKitError::Blocked(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the passphrase was needed: after a compromise, or after several routine rotations that this program
    /// missed. It counts as entered, because the programs share a key store.
    pub(crate) async fn is_unblocked<T>(&self, answer: &Result<T>) -> bool {
        let blocked = matches!(answer, Err(SyncKitError::Blocked(_)));
        blocked && self.client.try_load_key_from_keychain().await.unwrap()
    }

    fn accept(&self, page: &PulledPage) -> bool {
        assert_eq!(page.evidence, []);
        assert_eq!(page.quarantined, []);
        page.has_more
    }

    fn arrive(&mut self, cursor: Cursor) {
        self.earlier.push(self.cursor);
        self.cursor = cursor;
        self.stored = self.client.watch_state();
    }
}
