//! Random histories of two users, each compared with a model of its log.
//!
//! The steps come from a seed. A few histories by default; `TIDELOG_ROTATION_HISTORIES` sets another number.

use reqwest::Method;
use serde_json::json;

use super::model::{Model, SealedContent};
use super::*;
use tidelog_test_kit::{App, SeededRng, text};

const HISTORIES: u64 = 6;
const STEPS: usize = 80;
/// Average number of steps between two restarts of the server.
const RESTART_EVERY: u64 = 40;

/// One user, and the model of its log.
struct ModelledUser {
    email: String,
    me: Caller,
    device: String,
    model: Model,
    /// Number of names generated so far.
    names: usize,
    /// The last rotation batch, for repetitions.
    last_batch: Vec<(i64, Option<String>)>,
}

impl ModelledUser {
    fn new(server: &Server, app: &App, email: &str) -> Self {
        let me = server.sign_in(&server.new_user(email), app);
        let device = me.device("Laptop");
        let (model, last_batch) = (Model::default(), Vec::new());
        let mut user = Self { email: email.into(), me, device, model, names: 0, last_batch };
        user.put_key(1);
        user
    }

    fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what} {} of {}", self.names, self.email)
    }

    /// Returns text of random length, plain or in base64.
    fn data(&mut self, rng: &mut SeededRng) -> String {
        let text = self.name("data").repeat(1 + rng.below(5) as usize);
        if rng.below(2) == 0 { text } else { envelope(&text) }
    }

    fn put_key(&mut self, version: u32) {
        let content = envelope(&self.name("key"));
        let response = self.me.put(KEYS, &json!({"encrypted_key": content, "key_version": version}));
        if self.model.running.is_some() {
            response.expect_error(409, "rotation_in_progress");
        } else {
            self.model.put(content, version);
            assert_eq!(response.ok(), json!({"key_version": version, "revision": self.model.revision}));
        }
    }

    fn push(&mut self, rng: &mut SeededRng) {
        let pending = self.model.running.as_ref().map(|running| running.version);
        let spent = self.model.spent;
        let named =
            *rng.pick(&[None, Some(self.model.version), pending, pending, Some(spent), Some(spent + 1)]);
        let entries: Vec<Option<String>> = (0..1 + rng.below(6))
            .map(|_| if rng.below(5) == 0 { None } else { Some(self.data(rng)) })
            .collect();
        let rows = entries.iter().map(|data| {
            let row = self.names.to_string();
            json!({"table": "notes", "op": "update", "row_id": row, "timestamp": instant(0), "data": data,
                "key_version": named})
        });
        let batch =
            json!({"device_id": self.device, "batch_id": fresh_id(), "changes": rows.collect::<Vec<_>>()});
        let response = self.me.post("/api/sync/push", &batch);
        let Some(version) = self.model.admit(named) else {
            assert_eq!(response.expect_error(409, "key_version_conflict")["key_version"], self.model.version);
            return;
        };
        let cursor = response.ok()["cursor"].clone();
        assert_eq!(self.me.post("/api/sync/push", &batch).ok()["cursor"], cursor, "a repeat");
        let newest = self.me.get("/api/sync/status").ok()["latest_cursor"].clone();
        let last: i64 = text(&newest).split('-').next().and_then(|seq| seq.parse().ok()).expect("a seq");
        let first = last + 1 - entries.len() as i64;
        self.model.push((first..).zip(entries.into_iter().map(|data| (version, data))));
    }

    fn begin(&mut self, rng: &mut SeededRng) {
        let running = self.model.running.as_ref().map(|running| running.envelope.clone());
        let fresh = envelope(&self.name("key"));
        let current = self.model.envelope.clone();
        let content = rng.pick(&[fresh.clone(), fresh.clone(), running.unwrap_or(fresh), current]).clone();
        let response = self.me.post(BEGIN, &json!({"new_encrypted_key": content}));
        match self.model.begin(content) {
            Ok(version) => assert_eq!(response.ok(), json!({"key_version": version})),
            Err((status, code)) => drop(response.expect_error(status, code)),
        }
    }

    fn batch(&mut self, rng: &mut SeededRng) {
        let seqs: Vec<i64> = match rng.below(4) {
            // Remaining entries, as a correct client sends them.
            0..3 => self.model.left(),
            // Any entries with data, rotated or not.
            _ => {
                let with_data = |(seq, (_, data)): (&i64, &SealedContent)| data.is_some().then_some(*seq);
                self.model.log.iter().filter_map(with_data).collect()
            }
        };
        let most = 1 + rng.below(40) as usize;
        let mut entries = Vec::new();
        for seq in seqs.into_iter().take(most) {
            let data = (rng.below(6) > 0).then(|| self.data(rng));
            entries.push((seq, data));
        }
        if rng.below(5) == 0 {
            entries = self.last_batch.clone();
        }
        if entries.is_empty() {
            return;
        }
        let spelt = entries.iter().map(|(seq, data)| match data {
            Some(data) => json!({"seq": seq, "data": data}),
            None => json!({"seq": seq, "keep": true}),
        });
        let response = self.me.post(BATCH, &json!({"entries": spelt.collect::<Vec<_>>()}));
        if self.model.running.is_none() {
            response.expect_error(409, "no_rotation");
            return;
        }
        let updated = self.model.batch(&entries);
        assert_eq!(response.ok(), json!({"updated": updated, "remaining": self.model.left().len()}));
        self.last_batch = entries;
    }

    fn complete(&mut self) {
        let response = self.me.post(COMPLETE, &json!({}));
        match self.model.complete() {
            Ok(version) => assert_eq!(response.ok(), json!({"key_version": version})),
            Err((status, code)) => drop(response.expect_error(status, code)),
        }
    }

    fn cancel(&mut self) {
        let response = self.me.call(Method::POST, CANCEL, None);
        match self.model.cancel() {
            Ok(()) => drop(response.expect(204)),
            Err((status, code)) => drop(response.expect_error(status, code)),
        }
    }

    fn undo(&mut self, server: &Server) {
        let output = server.cli().run(&["rotation", "undo", &self.email, "--app", "Notes"]);
        match self.model.undo() {
            None => drop(output.expect_refusal()),
            Some((put_back, left)) => {
                let undone = output.json();
                assert_eq!(undone["entries_put_back"], put_back);
                assert_eq!(undone["entries_left_under_newer_keys"], left);
                assert_eq!(undone["key_version"], self.model.version);
            }
        }
    }

    fn step(&mut self, server: &Server, rng: &mut SeededRng) {
        match rng.below(24) {
            0..7 => self.push(rng),
            7..11 => self.begin(rng),
            11..17 => self.batch(rng),
            17..20 => self.complete(),
            20 => self.cancel(),
            21 => self.put_key(self.model.version),
            22 => self.put_key(self.model.spent + 1),
            _ => self.undo(server),
        }
    }

    /// Asserts that every response matches the model.
    fn assert_as_it_must_be(&self) {
        let state = self.me.get(STATE).ok();
        assert_eq!(state["key_version"], self.model.version);
        assert_eq!(state["next_key_version"], self.model.spent + 1);
        let keys = self.me.get(KEYS).ok();
        assert_eq!(
            (&keys["encrypted_key"], &keys["revision"]),
            (&json!(self.model.envelope), &json!(self.model.revision))
        );
        match &self.model.running {
            None => assert!(state["pending"].is_null() && keys.get("pending").is_none()),
            Some(running) => {
                assert_eq!(state["pending"]["remaining"], self.model.left().len());
                assert_eq!(state["pending"]["started"], running.started);
                let pending = json!({"encrypted_key": running.envelope, "key_version": running.version});
                assert_eq!(keys["pending"], pending);
                let seq = |entry: &Value| entry["seq"].as_i64().expect("a seq");
                let left: Vec<_> = self.me.entries_to_rotate().iter().map(seq).collect();
                assert_eq!(left, self.model.left());
            }
        }
        assert_eq!(self.me.get("/api/sync/status").ok()["change_bytes"], self.model.bytes());
        let of = |entry: &Value| {
            let held = (
                entry["key_version"].as_u64().expect("a version") as u32,
                entry["data"].as_str().map(str::to_owned),
            );
            (entry["seq"].as_i64().expect("a seq"), held)
        };
        let log: Vec<(i64, SealedContent)> = self.me.pull_everything(&self.device).iter().map(of).collect();
        assert_eq!(log, self.model.log.clone().into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn random_histories_of_rotations_agree_with_a_model() {
    let histories = std::env::var("TIDELOG_ROTATION_HISTORIES").ok().and_then(|text| text.parse().ok());
    let mut server = Server::start();
    let app = server.new_app("Notes");
    for seed in 0..histories.unwrap_or(HISTORIES) {
        let mut rng = SeededRng::new(seed);
        let mut people =
            ["ada", "bob"].map(|name| ModelledUser::new(&server, &app, &format!("{name}{seed}@example.org")));
        for step in 0..STEPS {
            let user = &mut people[rng.below(2) as usize];
            user.step(&server, &mut rng);
            match rng.below(RESTART_EVERY) {
                0 => server.restart(),
                1 => {
                    server.kill();
                    server.start_again();
                }
                _ => {}
            }
            if step % 4 == 0 {
                eprintln!("history {seed}, step {step}");
                people.iter().for_each(ModelledUser::assert_as_it_must_be);
            }
        }
        people.iter().for_each(ModelledUser::assert_as_it_must_be);
        assert_eq!(server.cli().run(&["check"]).json()["faults"], json!([]), "history {seed}");
    }
}
