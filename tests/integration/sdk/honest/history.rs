//! One user's random history, and the check at its end that nobody found evidence.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::DateTime;
use serde_json::{Value, json};
use tidelog::server::commands::{Command, UserCommand};
use tidelog_client::{ChangeEntry, ChangeOp, Cursor, MemoryStore, PullFilter, Rotation, SyncKitClient};

use crate::honest::log::{Removed, rows_of, seq_of};
use crate::honest::program::{Program, Setting};
use tidelog_test_kit::SeededRng;
use tidelog_test_kit::proxy::{ExchangeOutcome, Proxy};
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, config};

const MAX_STEPS: u64 = 30;
const TABLES: [&str; 2] = ["tasks", "notes"];
const ROWS: u64 = 5;
const MAX_CHANGES: u64 = 4;

pub(crate) struct History {
    rng: SeededRng,
    raw_url: String,
    proxy: Proxy,
    setting: Setting,
    programs: Vec<Program>,
    removed: Arc<Mutex<Removed>>,
    clock: i64,
}

impl History {
    pub(crate) async fn new(fixture: &Fixture, seed: u64) -> Self {
        let (email, password) = (format!("user-{seed}@example.org"), "a password of theirs");
        let create = Command::User(UserCommand::Create {
            email: email.clone(),
            password: password.into(),
            admin: false,
        });
        fixture.server.command(create).await.unwrap();
        let proxy = Proxy::in_front_of(fixture.server.url()).await;
        let client = SyncKitClient::new(config(proxy.url(), fixture.server.api_key()));
        client.authenticate(&email, password).await.unwrap();
        let setting = Setting {
            url: proxy.url().to_owned(),
            api_key: fixture.server.api_key().to_owned(),
            session: client.session_info().unwrap(),
            keys: Arc::new(MemoryStore::new()),
        };
        let removed = Arc::new(Mutex::new(Removed::default()));
        let of_proxy = removed.clone();
        proxy.rewrite_json(move |asked, answer| of_proxy.lock().unwrap().take_out(asked, answer));
        Self {
            rng: SeededRng::new(seed),
            raw_url: fixture.server.url().to_owned(),
            proxy,
            setting,
            programs: Vec::new(),
            removed,
            clock: 0,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.rng.below(end)
    }

    /// Runs the history. Returns how many heads were compared in the end.
    pub(crate) async fn run(mut self) -> u64 {
        for number in 0..2 + self.below(2) {
            let program = Program::install(&format!("device-{number}"), &self.setting).await;
            self.programs.push(program);
        }
        for _ in 0..5 + self.below(MAX_STEPS) {
            let at = self.below(self.programs.len() as u64) as usize;
            let mut program = self.programs.swap_remove(at);
            self.step(&mut program).await;
            assert_eq!(program.client.evidence(), []);
            self.programs.push(program);
        }
        self.conclude().await
    }

    async fn step(&mut self, program: &mut Program) {
        match self.below(20) {
            0..=5 => {
                let changes = self.changes_for(program);
                self.something_may_get_lost("/push");
                program.push(changes).await;
            }
            6..=9 => {
                let filter = PullFilter {
                    limit: [None, Some(1), Some(3)][self.below(3) as usize],
                    include_own: [None, None, Some(true)][self.below(3) as usize],
                    ..PullFilter::default()
                };
                self.something_may_get_lost("/pull");
                program.pull([1, 2, usize::MAX][self.below(3) as usize], &filter).await;
            }
            10 => {
                program.cursor = Cursor::Start;
                program.pull(usize::MAX, &PullFilter::default()).await;
            }
            11 if !program.earlier.is_empty() => {
                let back = self.below(program.earlier.len() as u64) as usize;
                program.cursor = program.earlier[back];
                program.pull(1 + self.below(3) as usize, &PullFilter::default()).await;
            }
            12 => {
                let filters = [
                    PullFilter { tables: Some(vec!["tasks".into()]), ..PullFilter::default() },
                    PullFilter {
                        since: DateTime::from_timestamp(self.clock / 2, 0),
                        ..PullFilter::default()
                    },
                    PullFilter { include_own: Some(false), ..PullFilter::default() },
                ];
                let filter = filters[self.below(3) as usize].clone();
                program.look(filter).await.unwrap();
            }
            13 => {
                let changes = self.changes_for(program);
                program.push_and_pull(changes).await;
            }
            14 => {
                let with_watch = self.below(2) == 0;
                program.restart(with_watch).await;
            }
            15 => program.reinstall().await,
            16 => self.compact(program).await,
            17 => {
                let mode = [Rotation::Routine, Rotation::Compromise][self.below(2) as usize];
                program.client.rotate_key(PASSPHRASE, mode, |_| {}).await.unwrap();
            }
            _ => {
                let mut report = program.client.verify(program.id).await;
                if program.is_unblocked(&report).await {
                    report = program.client.verify(program.id).await;
                }
                let report = report.unwrap();
                assert!(report.is_clean(), "{report:?}");
            }
        }
    }

    fn something_may_get_lost(&mut self, path: &'static str) {
        match self.below(8) {
            0 => self.proxy.set_outcome_for(path, ExchangeOutcome::LoseResponse),
            1 => self.proxy.set_outcome_for(path, ExchangeOutcome::LoseRequest),
            _ => {}
        }
    }

    /// The changes that are unanswered, or sometimes other ones instead.
    fn changes_for(&mut self, program: &Program) -> Vec<ChangeEntry> {
        match &program.unanswered {
            Some(unanswered) if self.below(4) > 0 => unanswered.clone(),
            _ => (0..1 + self.below(MAX_CHANGES)).map(|_| self.change()).collect(),
        }
    }

    fn change(&mut self) -> ChangeEntry {
        self.clock += 1;
        let op =
            [ChangeOp::Insert, ChangeOp::Update, ChangeOp::Update, ChangeOp::Delete][self.below(4) as usize];
        ChangeEntry {
            table: TABLES[self.below(2) as usize].into(),
            op,
            row_id: self.below(ROWS).to_string(),
            timestamp: DateTime::from_timestamp(self.clock, 0).unwrap(),
            data: (op != ChangeOp::Delete).then(|| json!({ "at": self.clock })),
        }
    }

    /// Removes what is superseded up to a random seq.
    async fn compact(&mut self, program: &Program) {
        let entries = self.entries(program.id).await;
        let Some(newest) = entries.last().map(seq_of) else { return };
        let through = 1 + self.below(newest as u64) as i64;
        let seen_by_all = self.programs.iter().chain([program]).map(|program| program.cursor.seq()).min();
        self.removed.lock().unwrap().compact(&entries, through, seen_by_all.unwrap_or_default());
    }

    /// The log on the server, pulled without the proxy.
    async fn entries(&self, device: uuid::Uuid) -> Vec<Value> {
        let (mut entries, mut cursor) = (Vec::new(), json!(1));
        loop {
            let body = json!({ "device_id": device, "cursor": cursor, "include_own": true,
                "since": "0000-01-01T00:00:00Z" });
            let request = reqwest::Client::new()
                .post(format!("{}/api/sync/pull", self.raw_url))
                .bearer_auth(&self.setting.session.token)
                .header("content-type", "application/json")
                .body(body.to_string());
            let bytes = request.send().await.unwrap().bytes().await.unwrap();
            let mut page: Value = serde_json::from_slice(&bytes).unwrap();
            entries.extend(page["changes"].as_array().unwrap().clone());
            cursor = page["cursor"].take();
            if page["has_more"] == false {
                return entries;
            }
        }
    }

    /// Every program reads everything, and finds the rows of the log.
    async fn conclude(&mut self) -> u64 {
        let reader = Program::install("reader", &self.setting).await;
        let want = rows_of(&self.entries(reader.id).await);
        let mut heads = 0;
        self.programs.push(reader);
        for program in &mut self.programs {
            // As if the passphrase had been entered wherever it is needed.
            assert!(program.client.try_load_key_from_keychain().await.unwrap());
            assert_eq!(rows_from_start(program).await, want);
            let report = program.client.verify(program.id).await.unwrap();
            assert!(report.is_clean(), "{report:?}");
            assert_eq!(program.client.evidence(), []);
            heads += report.heads_checked;
        }
        heads
    }
}

async fn rows_from_start(program: &Program) -> BTreeMap<String, String> {
    let (mut rows, mut cursor) = (BTreeMap::new(), Cursor::Start);
    loop {
        let page = program.client.pull_page(program.id, cursor, PullFilter::default()).await.unwrap();
        assert_eq!((page.evidence, page.quarantined), (vec![], vec![]));
        for change in page.changes {
            let name = format!("{}/{}", change.entry.table, change.entry.row_id);
            if change.entry.op == ChangeOp::Delete {
                rows.remove(&name);
            } else {
                rows.insert(name, change.entry.timestamp.timestamp_micros().to_string());
            }
        }
        cursor = page.cursor;
        if !page.has_more {
            return rows;
        }
    }
}
