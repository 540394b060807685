//! A database restored from a copy of its files: later history is lost, and every client detects that.
//!
//! Every row in these tests is written once, so clients have converged when they and the log hold the same rows.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Dialect, Server, change, copy_database, fresh_id, text};

/// A client that keeps its changes, as the SDK does, and can push them again.
#[derive(Clone)]
struct ResendingClient {
    caller: Caller,
    dialect: Dialect,
    device: String,
    cursor: Value,
    batches: Vec<Value>,
    rows: BTreeSet<String>,
}

/// What a sync found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncOutcome {
    Complete,
    LostHistory,
}

impl ResendingClient {
    fn install(caller: &Caller, dialect: Dialect, name: &str) -> Self {
        let cursor = if dialect == Dialect::Number { json!(0) } else { Value::Null };
        let device = caller.device(name);
        Self { caller: caller.clone(), dialect, device, cursor, batches: Vec::new(), rows: BTreeSet::new() }
    }

    /// Writes a row and pushes it.
    #[track_caller]
    fn write(&mut self, row: &str) {
        let batch = json!({"device_id": self.device, "batch_id": fresh_id(), "changes": [change(row)]});
        self.caller.post("/api/sync/push", &batch).ok();
        self.batches.push(batch);
        self.rows.insert(row.to_owned());
    }

    /// Pulls to the end. If the server lost history, continues from the cursor in its response, and pushes all its
    /// batches again: the server recognises those it still has by their ids.
    #[track_caller]
    fn sync(&mut self) -> SyncOutcome {
        let mut outcome = SyncOutcome::Complete;
        loop {
            let request = json!({"device_id": self.device, "cursor": self.cursor});
            let response = self.caller.post("/api/sync/pull", &request);
            if response.status == 409 {
                let refusal = response.expect_error(409, "log_rewound");
                assert_eq!(outcome, SyncOutcome::Complete, "the cursor to resume from was refused as well");
                outcome = SyncOutcome::LostHistory;
                self.cursor = self.typed(&refusal["resume_from"]);
                for batch in &self.batches {
                    self.caller.post("/api/sync/push", batch).ok();
                }
                continue;
            }
            let page = response.ok();
            let entries = page["changes"].as_array().expect("a page has changes");
            self.rows.extend(entries.iter().map(|entry| text(&entry["row_id"])));
            self.cursor = self.typed(&page["cursor"]);
            if page["has_more"] == false {
                return outcome;
            }
        }
    }

    #[track_caller]
    fn typed(&self, cursor: &Value) -> Value {
        let fits = if self.dialect == Dialect::Number { cursor.is_i64() } else { cursor.is_string() };
        assert!(fits, "a {:?} client got {cursor}", self.dialect);
        cursor.clone()
    }
}

/// A server and a copy of its database files.
struct Fixture {
    server: Server,
    caller: Caller,
    dialect: Dialect,
}

impl Fixture {
    fn new(dialect: Dialect) -> Self {
        let server = Server::start();
        let app = match dialect {
            Dialect::Plain => server.new_app("Notes"),
            Dialect::Number => server.new_number_app("Notes"),
        };
        let caller = server.sign_in(&server.new_user("ada@example.org"), &app);
        Self { server, caller, dialect }
    }

    fn install(&self, name: &str) -> ResendingClient {
        ResendingClient::install(&self.caller, self.dialect, name)
    }

    fn copy(&mut self) {
        self.server.stop();
        copy_database(&self.server.data(), &self.server.scratch_path("copy"));
        self.server.start_again();
    }

    fn restore(&mut self) {
        self.server.stop();
        copy_database(&self.server.scratch_path("copy"), &self.server.data());
        self.server.start_again();
    }

    /// Asserts that every client and the log hold exactly these rows.
    #[track_caller]
    fn assert_converged(&self, clients: &[&ResendingClient], rows: &[&str]) {
        let expected: BTreeSet<_> = rows.iter().map(|row| (*row).to_owned()).collect();
        let auditor = self.caller.device("Auditor");
        let in_log: Vec<_> =
            self.caller.pull_everything(&auditor).iter().map(|entry| text(&entry["row_id"])).collect();
        assert_eq!(in_log.len(), expected.len(), "a row is twice in the log: {in_log:?}");
        assert_eq!(in_log.into_iter().collect::<BTreeSet<_>>(), expected);
        for client in clients {
            assert_eq!(client.rows, expected);
        }
    }
}

#[test]
fn clients_ahead_of_a_restored_database_notice_and_converge() {
    let mut fixture = Fixture::new(Dialect::Plain);
    let (mut ada, mut bob, mut idle) = (fixture.install("A"), fixture.install("B"), fixture.install("Idle"));
    ada.write("kept-a");
    bob.write("kept-b");
    for client in [&mut ada, &mut bob, &mut idle] {
        client.sync();
    }
    fixture.copy();
    ada.write("lost-a");
    bob.write("lost-b");
    assert_eq!((ada.sync(), bob.sync()), (SyncOutcome::Complete, SyncOutcome::Complete));
    fixture.restore();

    assert_eq!(idle.sync(), SyncOutcome::Complete, "it had seen nothing of what was lost");
    assert_eq!((ada.sync(), bob.sync()), (SyncOutcome::LostHistory, SyncOutcome::LostHistory));
    for client in [&mut ada, &mut bob, &mut idle] {
        assert_eq!(client.sync(), SyncOutcome::Complete);
    }
    fixture.assert_converged(&[&ada, &bob, &idle], &["kept-a", "kept-b", "lost-a", "lost-b"]);
}

#[test]
fn a_lost_history_is_noticed_even_when_its_seqs_were_reused() {
    let mut fixture = Fixture::new(Dialect::Plain);
    let (mut ada, mut bob) = (fixture.install("A"), fixture.install("B"));
    ada.write("kept");
    bob.sync();
    fixture.copy();
    ada.write("lost");
    ada.sync();
    fixture.restore();
    for number in 0..5 {
        bob.write(&format!("new-{number}"));
    }
    assert_eq!(ada.sync(), SyncOutcome::LostHistory);
    bob.sync();
    let rows = ["kept", "lost", "new-0", "new-1", "new-2", "new-3", "new-4"];
    fixture.assert_converged(&[&ada, &bob], &rows);
}

#[test]
fn a_client_that_only_read_the_lost_changes_notices_too() {
    let mut fixture = Fixture::new(Dialect::Plain);
    let (mut writer, mut reader) = (fixture.install("Writer"), fixture.install("Reader"));
    fixture.copy();
    writer.write("lost");
    reader.sync();
    assert_eq!(reader.rows.len(), 1);
    fixture.restore();
    assert_eq!(reader.sync(), SyncOutcome::LostHistory);
    assert_eq!(
        writer.sync(),
        SyncOutcome::Complete,
        "it never pulled, so it holds no cursor of the lost history"
    );
    assert_eq!(fixture.caller.total_changes(), 0);
}

#[test]
fn a_history_that_is_lost_twice_is_noticed_twice() {
    let mut fixture = Fixture::new(Dialect::Plain);
    let mut ada = fixture.install("A");
    ada.write("kept");
    ada.sync();
    fixture.copy();
    for round in ["first", "second"] {
        ada.write(round);
        ada.sync();
        fixture.restore();
        assert_eq!(ada.sync(), SyncOutcome::LostHistory);
        assert_eq!(ada.sync(), SyncOutcome::Complete);
    }
    fixture.assert_converged(&[&ada], &["kept", "first", "second"]);
}

#[test]
fn a_device_that_was_restored_as_well_misses_nothing() {
    let mut fixture = Fixture::new(Dialect::Plain);
    let (mut writer, mut reader) = (fixture.install("Writer"), fixture.install("Reader"));
    writer.write("kept");
    fixture.copy();
    reader.sync();
    let copy_of_reader = reader.clone();
    fixture.restore();
    for row in ["new-1", "new-2"] {
        writer.write(row);
    }
    assert_eq!(reader.sync(), SyncOutcome::LostHistory);
    let mut reader = copy_of_reader;
    assert_eq!(reader.sync(), SyncOutcome::LostHistory);
    fixture.assert_converged(&[&reader], &["kept", "new-1", "new-2"]);
}

#[test]
fn an_integer_cursor_beyond_the_end_is_noticed() {
    let mut fixture = Fixture::new(Dialect::Number);
    let (mut ada, mut idle) = (fixture.install("A"), fixture.install("Idle"));
    ada.write("kept");
    ada.sync();
    idle.sync();
    fixture.copy();
    ada.write("lost-1");
    ada.write("lost-2");
    ada.sync();
    // A client that only pushes: its pushes advanced the cursor, and its next pull starts there.
    ada.cursor = fixture.caller.get("/api/sync/status").ok()["latest_cursor"].clone();
    fixture.restore();
    assert_eq!(ada.sync(), SyncOutcome::LostHistory);
    assert_eq!(idle.sync(), SyncOutcome::Complete);
    fixture.assert_converged(&[&ada, &idle], &["kept", "lost-1", "lost-2"]);
}

#[test]
fn an_expected_cursor_of_a_lost_history_is_refused() {
    let mut fixture = Fixture::new(Dialect::Plain);
    let mut ada = fixture.install("A");
    ada.write("kept");
    ada.sync();
    fixture.copy();
    ada.write("lost");
    ada.sync();
    fixture.restore();
    let mut batch = json!({"device_id": ada.device, "batch_id": fresh_id(), "changes": [change("merged")]});
    batch["expected_cursor"] = ada.cursor.clone();
    let refusal = fixture.caller.post("/api/sync/push", &batch).expect_error(409, "log_rewound");
    batch["expected_cursor"] = refusal["resume_from"].clone();
    fixture.caller.post("/api/sync/push", &batch).ok();
    assert_eq!(fixture.caller.total_changes(), 2);
}

#[test]
fn objects_created_after_the_backup_are_unknown_and_can_be_created_again() {
    let mut fixture = Fixture::new(Dialect::Plain);
    let old = fixture.install("Old");
    fixture.copy();
    let new = fixture.install("New");
    fixture.restore();
    let pull = |device: &str| fixture.caller.post("/api/sync/pull", &json!({"device_id": device}));
    pull(&new.device).expect_error(404, "not_found");
    pull(&old.device).ok();
    let again = fixture.install("New");
    pull(&again.device).ok();
}
