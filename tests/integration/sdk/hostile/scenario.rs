//! A user with a laptop and a phone, a log written by both, and readers that join later, all behind one proxy.
//!
//! ```text
//! 0 tasks/a insert   1 tasks/b insert   2 notes/n insert   3 tasks/a update   4 tasks/b delete      the laptop, in 3 pushes
//! 5 tasks/c insert   6 notes/n update                                         the phone, with a head: it has seen 0 to 4
//! 7 tasks/d insert   8 tasks/a update                                         the laptop, with a head: it has seen 0 to 6
//! ```

use std::sync::Arc;

use serde_json::{Value, json};
use tidelog_client::{
    ChangeEntry, ChangeOp, Cursor, Device, Evidence, MemoryStore, PullFilter, PulledChange, QuarantinedEntry,
    SessionInfo, SyncKitClient, SyncKitError, TamperPolicy, VerifyReport,
};

use tidelog_test_kit::proxy::{JsonRequest, JsonResponse, Proxy};
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config, insert};

/// Entries in the log.
pub(crate) const LEN: usize = 9;

/// An installation: a client and its device.
pub(crate) struct Installation {
    pub(crate) client: SyncKitClient,
    pub(crate) device: Device,
}

/// Everything that a reader has pulled.
#[derive(Debug, Default)]
pub(crate) struct Pulled {
    pub(crate) changes: Vec<PulledChange>,
    pub(crate) quarantined: Vec<QuarantinedEntry>,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) cursor: Cursor,
}

impl Installation {
    /// Pulls to the end, page by page.
    pub(crate) async fn pull_from(&self, cursor: Cursor) -> Result<Pulled, SyncKitError> {
        let mut got = Pulled { cursor, ..Pulled::default() };
        loop {
            let page = self.client.pull_page(self.device.id, got.cursor, PullFilter::default()).await?;
            got.changes.extend(page.changes);
            got.quarantined.extend(page.quarantined);
            got.evidence.extend(page.evidence);
            got.cursor = page.cursor;
            if !page.has_more {
                return Ok(got);
            }
        }
    }

    pub(crate) async fn pull(&self) -> Result<Pulled, SyncKitError> {
        self.pull_from(Cursor::Start).await
    }

    pub(crate) async fn push(&self, changes: Vec<ChangeEntry>) -> Cursor {
        self.client.push(self.device.id, changes).await.unwrap()
    }

    pub(crate) async fn verify(&self) -> VerifyReport {
        self.client.verify(self.device.id).await.unwrap()
    }
}

/// How readers react to a lie. That they get everything and find nothing without it is checked first.
#[derive(Debug)]
pub(crate) struct Reaction {
    /// Pulled by a reader that goes on.
    pub(crate) warned: Pulled,
    /// The evidence for which another one refuses; empty if there is none.
    pub(crate) refused: Vec<Evidence>,
    /// The report of one that verifies the whole log.
    pub(crate) verified: VerifyReport,
}

impl Reaction {
    /// The rows of the changes to apply, in order.
    pub(crate) fn applied(&self) -> Vec<&str> {
        rows(&self.warned.changes)
    }

    /// The seqs of the quarantined entries.
    pub(crate) fn quarantined(&self) -> Vec<i64> {
        self.warned.quarantined.iter().map(|entry| entry.seq).collect()
    }

    /// All three have found exactly this evidence.
    pub(crate) fn is_exactly(&self, evidence: &[Evidence]) {
        assert_eq!(self.warned.evidence, evidence, "who goes on");
        assert_eq!(self.refused, evidence, "who refuses");
        assert_eq!(self.verified.evidence, evidence, "who verifies");
    }

    /// All three have found evidence of this kind.
    pub(crate) fn all_say(&self, is_it: impl Fn(&Evidence) -> bool) {
        for found in [&self.warned.evidence, &self.refused, &self.verified.evidence] {
            assert!(found.iter().any(&is_it), "{self:#?}");
        }
    }
}

pub(crate) fn rows(changes: &[PulledChange]) -> Vec<&str> {
    changes.iter().map(|change| change.entry.row_id.as_str()).collect()
}

pub(crate) struct Scenario {
    pub(crate) fixture: Fixture,
    pub(crate) proxy: Proxy,
    pub(crate) laptop: Installation,
    pub(crate) phone: Installation,
    session: SessionInfo,
    keys: Arc<MemoryStore>,
}

impl Scenario {
    /// With an empty log.
    pub(crate) async fn empty() -> Self {
        let fixture = Fixture::new().await;
        let proxy = Proxy::in_front_of(fixture.server.url()).await;
        let keys = Arc::new(MemoryStore::new());
        let first =
            builder(config(proxy.url(), fixture.server.api_key())).shared_key_store(keys.clone()).build();
        first.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
        first.setup_encryption_new(PASSPHRASE).await.unwrap();
        let session = first.session_info().unwrap();
        let device = first.register_device("laptop", "linux").await.unwrap();
        let laptop = Installation { client: first, device };
        let phone = reader(&fixture, &proxy, &keys, &session, "phone", TamperPolicy::Warn).await;
        Self { fixture, proxy, laptop, phone, session, keys }
    }

    /// With the log above.
    pub(crate) async fn new() -> Self {
        let scenario = Self::empty().await;
        scenario.laptop.pull().await.unwrap();
        scenario.laptop.push(vec![row("tasks", "a", 1), row("tasks", "b", 1), row("notes", "n", 1)]).await;
        scenario.laptop.push(vec![update("tasks", "a", 2)]).await;
        scenario.laptop.push(vec![delete("tasks", "b")]).await;
        let seen = scenario.phone.pull().await.unwrap().cursor;
        scenario.phone.push(vec![row("tasks", "c", 1), update("notes", "n", 2)]).await;
        scenario.laptop.pull_from(seen).await.unwrap();
        scenario.laptop.push(vec![row("tasks", "d", 1), update("tasks", "a", 3)]).await;
        scenario
    }

    /// Another device of the user, with the key.
    pub(crate) async fn device(&self, name: &str, policy: TamperPolicy) -> Installation {
        reader(&self.fixture, &self.proxy, &self.keys, &self.session, name, policy).await
    }

    /// A signed-in client without a key, with this key store.
    pub(crate) fn client_with(&self, keys: &Arc<MemoryStore>) -> SyncKitClient {
        signed_in(&self.fixture, &self.proxy, keys, &self.session, TamperPolicy::Warn)
    }

    /// A signed-in client that has the user's key from its key store.
    pub(crate) async fn next_run(&self) -> SyncKitClient {
        let client = self.client_with(&self.keys);
        assert!(client.try_load_key_from_keychain().await.unwrap());
        client
    }

    /// The log as an honest server gives it, as JSON.
    pub(crate) async fn log(&self) -> Vec<Value> {
        tidelog_test_kit::raw::RawClient::with_token_of(&self.fixture, &self.laptop.client)
            .entries(&self.laptop.device)
            .await
    }

    /// Shows new readers the log with this lie, after a control reader was shown it without.
    pub(crate) async fn reaction(
        &self,
        lie: impl Fn(&JsonRequest, &mut JsonResponse) + Send + Sync + 'static,
    ) -> Reaction {
        let total = self.log().await.len();
        let control = self.device("control", TamperPolicy::Refuse).await;
        assert_eq!(control.pull().await.unwrap().changes.len(), total);
        let report = control.verify().await;
        assert!(report.is_clean() && report.entries == total as u64, "{report:?}");

        let (trusting, strict) = (TamperPolicy::Warn, TamperPolicy::Refuse);
        let [trusting, strict, verifying] =
            [("trusting", trusting), ("strict", strict), ("verifying", trusting)]
                .map(|it| self.device(it.0, it.1));
        let (trusting, strict, verifying) = (trusting.await, strict.await, verifying.await);
        self.proxy.rewrite_json(lie);
        let warned = trusting.pull().await.unwrap();
        assert_eq!(trusting.client.evidence(), warned.evidence);
        let refused = refusal(&strict).await;
        let verified = verifying.verify().await;
        self.proxy.stop_rewriting();
        if !refused.is_empty() {
            assert_eq!(refusal(&strict).await, refused, "it goes on refusing");
            strict.client.reset_watch();
        }
        assert_eq!(strict.pull().await.unwrap().changes.len(), total, "the user has decided to go on");
        Reaction { warned, refused, verified }
    }
}

/// The evidence for which a strict client refuses; empty if it does not refuse.
pub(crate) async fn refusal(strict: &Installation) -> Vec<Evidence> {
    match strict.pull().await {
        Ok(_) => Vec::new(),
        Err(SyncKitError::Tampered { evidence }) => evidence,
        Err(other) => panic!("{other}"),
    }
}

async fn reader(
    fixture: &Fixture,
    proxy: &Proxy,
    keys: &Arc<MemoryStore>,
    session: &SessionInfo,
    name: &str,
    policy: TamperPolicy,
) -> Installation {
    let client = signed_in(fixture, proxy, keys, session, policy);
    assert!(client.try_load_key_from_keychain().await.unwrap());
    let device = client.register_device(name, "linux").await.unwrap();
    Installation { client, device }
}

fn signed_in(
    fixture: &Fixture,
    proxy: &Proxy,
    keys: &Arc<MemoryStore>,
    session: &SessionInfo,
    policy: TamperPolicy,
) -> SyncKitClient {
    let config = config(proxy.url(), fixture.server.api_key());
    let client = builder(config).retries(0).shared_key_store(keys.clone()).tamper_policy(policy).build();
    client.restore_session(session.clone());
    client
}

pub(crate) fn row(table: &str, row_id: &str, value: u32) -> ChangeEntry {
    insert(table, row_id, json!(value))
}

pub(crate) fn update(table: &str, row_id: &str, value: u32) -> ChangeEntry {
    ChangeEntry { op: ChangeOp::Update, ..row(table, row_id, value) }
}

pub(crate) fn delete(table: &str, row_id: &str) -> ChangeEntry {
    ChangeEntry { op: ChangeOp::Delete, data: None, ..row(table, row_id, 0) }
}

/// A lie about the entries of each page.
pub(crate) fn in_pages(
    lie: impl Fn(&mut Vec<Value>) + Send + Sync + 'static,
) -> impl Fn(&JsonRequest, &mut JsonResponse) + Send + Sync + 'static {
    move |asked, answer| {
        if asked.path == "/pull" && answer.status == 200 {
            lie(answer.body["changes"].as_array_mut().unwrap());
        }
    }
}

/// The seq of an entry.
pub(crate) fn seq_of(entry: &Value) -> i64 {
    entry["seq"].as_i64().unwrap()
}

/// Lets the page end at this seq.
pub(crate) fn end_at(answer: &mut JsonResponse, seq: i64) {
    let cursor = answer.body["cursor"].as_str().unwrap();
    let (_, epoch) = cursor.split_once('-').unwrap();
    answer.body["cursor"] = format!("{seq}-{epoch}").into();
}

/// Swaps the contents of two entries; their seqs stay.
pub(crate) fn swap_contents(entries: &mut [Value], one: usize, other: usize) {
    entries.swap(one, other);
    let kept = entries[one]["seq"].take();
    entries[one]["seq"] = std::mem::replace(&mut entries[other]["seq"], kept);
}
