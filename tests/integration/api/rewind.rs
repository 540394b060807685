//! A database put back from a plain copy of its files: the history after the copy is lost, and no client overlooks that.
//!
//! Every row in these tests is written once, so "converged" means that every client and the log hold the same set of rows.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Dialect, Server, change, copy_database, fresh_id, text};

/// A client that keeps what it wrote, as the SDK does, and so can write it again.
#[derive(Clone)]
struct Keeper {
    caller: Caller,
    dialect: Dialect,
    device: String,
    cursor: Value,
    batches: Vec<Value>,
    rows: BTreeSet<String>,
}

/// What a round of syncing met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    NothingUnusual,
    LostHistory,
}

impl Keeper {
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

    /// Pulls to the end. Where the server lost history, goes on from where it says, and pushes again what it wrote: the
    /// batches that are still there are recognised by their ids.
    #[track_caller]
    fn sync(&mut self) -> Met {
        let mut met = Met::NothingUnusual;
        loop {
            let request = json!({"device_id": self.device, "cursor": self.cursor});
            let answer = self.caller.post("/api/sync/pull", &request);
            if answer.status == 409 {
                let refusal = answer.refused(409, "log_rewound");
                assert_eq!(met, Met::NothingUnusual, "the cursor to resume from was refused as well");
                met = Met::LostHistory;
                self.cursor = self.typed(&refusal["resume_from"]);
                for batch in &self.batches {
                    self.caller.post("/api/sync/push", batch).ok();
                }
                continue;
            }
            let page = answer.ok();
            let entries = page["changes"].as_array().expect("a page has changes");
            self.rows.extend(entries.iter().map(|entry| text(&entry["row_id"])));
            self.cursor = self.typed(&page["cursor"]);
            if page["has_more"] == false {
                return met;
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

/// A server, the copy of its files, and how to put it back.
struct Scene {
    server: Server,
    caller: Caller,
    dialect: Dialect,
}

impl Scene {
    fn set(dialect: Dialect) -> Self {
        let server = Server::start();
        let app = match dialect {
            Dialect::Plain => server.new_app("Notes"),
            Dialect::Number => server.new_number_app("Notes"),
        };
        let caller = server.sign_in(&server.new_user("ada@example.org"), &app);
        Self { server, caller, dialect }
    }

    fn install(&self, name: &str) -> Keeper {
        Keeper::install(&self.caller, self.dialect, name)
    }

    fn copy(&mut self) {
        self.server.stop();
        copy_database(&self.server.data(), &self.server.beside("copy"));
        self.server.start_again();
    }

    fn put_back(&mut self) {
        self.server.stop();
        copy_database(&self.server.beside("copy"), &self.server.data());
        self.server.start_again();
    }

    /// Everybody, and the log itself, holds these rows and no others.
    #[track_caller]
    fn assert_converged(&self, clients: &[&Keeper], rows: &[&str]) {
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
    let mut scene = Scene::set(Dialect::Plain);
    let (mut ada, mut bob, mut idle) = (scene.install("A"), scene.install("B"), scene.install("Idle"));
    ada.write("kept-a");
    bob.write("kept-b");
    for client in [&mut ada, &mut bob, &mut idle] {
        client.sync();
    }
    scene.copy();
    ada.write("lost-a");
    bob.write("lost-b");
    assert_eq!((ada.sync(), bob.sync()), (Met::NothingUnusual, Met::NothingUnusual));
    scene.put_back();

    assert_eq!(idle.sync(), Met::NothingUnusual, "it had seen nothing of what was lost");
    assert_eq!((ada.sync(), bob.sync()), (Met::LostHistory, Met::LostHistory));
    for client in [&mut ada, &mut bob, &mut idle] {
        assert_eq!(client.sync(), Met::NothingUnusual);
    }
    scene.assert_converged(&[&ada, &bob, &idle], &["kept-a", "kept-b", "lost-a", "lost-b"]);
}

#[test]
fn a_lost_history_is_noticed_even_when_its_seqs_were_reused() {
    let mut scene = Scene::set(Dialect::Plain);
    let (mut ada, mut bob) = (scene.install("A"), scene.install("B"));
    ada.write("kept");
    bob.sync();
    scene.copy();
    ada.write("lost");
    ada.sync();
    scene.put_back();
    for number in 0..5 {
        bob.write(&format!("new-{number}"));
    }
    assert_eq!(ada.sync(), Met::LostHistory);
    bob.sync();
    let rows = ["kept", "lost", "new-0", "new-1", "new-2", "new-3", "new-4"];
    scene.assert_converged(&[&ada, &bob], &rows);
}

#[test]
fn a_client_that_only_read_the_lost_changes_notices_too() {
    let mut scene = Scene::set(Dialect::Plain);
    let (mut writer, mut reader) = (scene.install("Writer"), scene.install("Reader"));
    scene.copy();
    writer.write("lost");
    reader.sync();
    assert_eq!(reader.rows.len(), 1);
    scene.put_back();
    assert_eq!(reader.sync(), Met::LostHistory);
    assert_eq!(
        writer.sync(),
        Met::NothingUnusual,
        "it never pulled, so it holds no cursor of the lost history"
    );
    assert_eq!(scene.caller.total_changes(), 0);
}

#[test]
fn a_history_that_is_lost_twice_is_noticed_twice() {
    let mut scene = Scene::set(Dialect::Plain);
    let mut ada = scene.install("A");
    ada.write("kept");
    ada.sync();
    scene.copy();
    for round in ["first", "second"] {
        ada.write(round);
        ada.sync();
        scene.put_back();
        assert_eq!(ada.sync(), Met::LostHistory);
        assert_eq!(ada.sync(), Met::NothingUnusual);
    }
    scene.assert_converged(&[&ada], &["kept", "first", "second"]);
}

#[test]
fn a_device_that_was_restored_as_well_misses_nothing() {
    let mut scene = Scene::set(Dialect::Plain);
    let (mut writer, mut reader) = (scene.install("Writer"), scene.install("Reader"));
    writer.write("kept");
    scene.copy();
    reader.sync();
    let copy_of_reader = reader.clone();
    scene.put_back();
    for row in ["new-1", "new-2"] {
        writer.write(row);
    }
    assert_eq!(reader.sync(), Met::LostHistory);
    let mut reader = copy_of_reader;
    assert_eq!(reader.sync(), Met::LostHistory);
    scene.assert_converged(&[&reader], &["kept", "new-1", "new-2"]);
}

#[test]
fn an_integer_cursor_beyond_the_end_is_noticed() {
    let mut scene = Scene::set(Dialect::Number);
    let (mut ada, mut idle) = (scene.install("A"), scene.install("Idle"));
    ada.write("kept");
    ada.sync();
    idle.sync();
    scene.copy();
    ada.write("lost-1");
    ada.write("lost-2");
    ada.sync();
    // A client that writes only: its pushes moved the number on, and its next pull asks from there.
    ada.cursor = scene.caller.get("/api/sync/status").ok()["latest_cursor"].clone();
    scene.put_back();
    assert_eq!(ada.sync(), Met::LostHistory);
    assert_eq!(idle.sync(), Met::NothingUnusual);
    scene.assert_converged(&[&ada, &idle], &["kept", "lost-1", "lost-2"]);
}

#[test]
fn an_expected_cursor_of_a_lost_history_is_refused() {
    let mut scene = Scene::set(Dialect::Plain);
    let mut ada = scene.install("A");
    ada.write("kept");
    ada.sync();
    scene.copy();
    ada.write("lost");
    ada.sync();
    scene.put_back();
    let mut batch = json!({"device_id": ada.device, "batch_id": fresh_id(), "changes": [change("merged")]});
    batch["expected_cursor"] = ada.cursor.clone();
    let refusal = scene.caller.post("/api/sync/push", &batch).refused(409, "log_rewound");
    batch["expected_cursor"] = refusal["resume_from"].clone();
    scene.caller.post("/api/sync/push", &batch).ok();
    assert_eq!(scene.caller.total_changes(), 2);
}

#[test]
fn objects_created_after_the_backup_are_unknown_and_can_be_created_again() {
    let mut scene = Scene::set(Dialect::Plain);
    let old = scene.install("Old");
    scene.copy();
    let new = scene.install("New");
    scene.put_back();
    let pull = |device: &str| scene.caller.post("/api/sync/pull", &json!({"device_id": device}));
    pull(&new.device).refused(404, "not_found");
    pull(&old.device).ok();
    let again = scene.install("New");
    pull(&again.device).ok();
}
