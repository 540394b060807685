//! Apps that change their schema: before the replica is attached, beside a live one, and in any way that SQLite allows.

use std::time::Duration;

use tidelog_client::replica::{ProblemKind, Replica, ReplicaError, Rule, Status, SyncedTable, TableFault};

use crate::replica::setup::{Installation, sync_all};
use tidelog_test_kit::sdk::Fixture;

const NOTES: &str = "CREATE TABLE notes (id TEXT PRIMARY KEY, title TEXT, body TEXT)";
/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
/// What SQLite's manual recommends for changing a table.
const REBUILD: &str = "BEGIN; CREATE TABLE new_notes (id TEXT PRIMARY KEY, title TEXT NOT NULL, body TEXT);
    INSERT INTO new_notes SELECT id, title, body FROM notes; DROP TABLE notes; ALTER TABLE new_notes RENAME TO notes;";

async fn pair(fixture: &Fixture, schema: &str) -> (Installation, Installation) {
    let laptop = Installation::new(fixture, "laptop", schema, ["notes"]).await;
    laptop.run("INSERT INTO notes (id, title, body) VALUES ('a', 'one', 'text'), ('b', 'two', 'text'), ('c', 'three', 'text')");
    laptop.sync().await;
    let phone = Installation::new(fixture, "phone", schema, ["notes"]).await;
    phone.sync().await;
    (laptop, phone)
}

fn all(installation: &Installation) -> Vec<String> {
    installation.texts("SELECT id || ' ' || title || ' ' || body FROM notes ORDER BY id")
}

#[tokio::test]
async fn a_column_renamed_beside_an_attached_replica_never_sends_its_name_as_a_value() {
    for ddl in ["RENAME COLUMN title TO heading", "DROP COLUMN title"] {
        let fixture = Fixture::new().await;
        let (laptop, phone) = pair(&fixture, NOTES).await;
        laptop.run(&format!("ALTER TABLE notes {ddl}; UPDATE notes SET body = 'edited' WHERE id = 'a'"));
        sync_all(&[&laptop, &phone]).await;
        assert_eq!(all(&phone), ["a one edited", "b two text", "c three text"], "{ddl}");
        assert_eq!(phone.problems().await, []);
    }
}

#[tokio::test]
async fn devices_that_join_after_a_rename_get_the_values() {
    let fixture = Fixture::new().await;
    let (mut laptop, phone) = pair(&fixture, NOTES).await;
    laptop.run("ALTER TABLE notes RENAME COLUMN title TO heading");
    laptop.attach_again(["notes"]).unwrap();
    sync_all(&[&laptop, &phone]).await;
    let strict = "CREATE TABLE notes (id TEXT PRIMARY KEY, heading TEXT NOT NULL, body TEXT)";
    let tablet = Installation::new(&fixture, "tablet", strict, ["notes"]).await;
    tablet.sync().await;
    assert_eq!(tablet.texts("SELECT heading FROM notes ORDER BY id"), ["one", "two", "three"]);
    phone.run("ALTER TABLE notes RENAME COLUMN title TO heading; UPDATE notes SET heading = 'two again' WHERE id = 'b'");
    sync_all(&[&phone, &laptop, &tablet]).await;
    for device in [&laptop, &phone, &tablet] {
        assert_eq!(device.texts("SELECT heading FROM notes ORDER BY id"), ["one", "two again", "three"]);
        assert_eq!(device.problems().await, []);
    }
}

#[tokio::test]
async fn what_is_written_while_a_table_is_rebuilt_and_after_it_syncs() {
    for attach_again in [false, true] {
        let fixture = Fixture::new().await;
        let (mut laptop, phone) = pair(&fixture, NOTES).await;
        laptop.run(&format!("{REBUILD} UPDATE notes SET title = 'in the migration' WHERE id = 'a'; COMMIT"));
        laptop.run("DELETE FROM notes WHERE id = 'b'; INSERT INTO notes VALUES ('d', 'four', 'text')");
        if attach_again {
            laptop.attach_again(["notes"]).unwrap();
        }
        sync_all(&[&laptop, &phone]).await;
        assert_eq!(all(&phone), ["a in the migration text", "c three text", "d four text"]);
        laptop.run("UPDATE notes SET title = 'recorded again' WHERE id = 'c'");
        sync_all(&[&laptop, &phone]).await;
        assert_eq!(phone.texts("SELECT title FROM notes WHERE id = 'c'"), ["recorded again"]);
    }
}

#[tokio::test]
async fn a_table_that_was_made_anew_is_filled_again_and_deletes_nothing_elsewhere() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = pair(&fixture, NOTES).await;
    laptop.run(&format!(
        "DROP TABLE notes; {NOTES}; INSERT INTO notes VALUES ('a', 'a default', ''), ('z', 'new', 'text')"
    ));
    sync_all(&[&laptop, &phone]).await;
    for device in [&laptop, &phone] {
        assert_eq!(all(device), ["a one text", "b two text", "c three text", "z new text"]);
    }
}

#[tokio::test]
async fn a_table_that_is_dropped_is_reported_and_syncs_again_when_it_is_back() {
    let fixture = Fixture::new().await;
    let schema = format!("{NOTES}; CREATE TABLE tags (id TEXT PRIMARY KEY)");
    let mut laptop = Installation::new(&fixture, "laptop", &schema, ["notes", "tags"]).await;
    let phone = Installation::new(&fixture, "phone", &schema, ["notes", "tags"]).await;
    laptop.run("INSERT INTO notes VALUES ('a', 'one', 'text')");
    sync_all(&[&laptop, &phone]).await;
    laptop.run("DROP TABLE notes; INSERT INTO tags VALUES ('t')");
    phone.run("INSERT INTO notes VALUES ('b', 'two', 'text')");
    sync_all(&[&laptop, &phone, &laptop]).await;
    assert_eq!(phone.texts("SELECT id FROM tags"), ["t"]);
    assert_eq!(all(&phone), ["a one text", "b two text"]);
    let problems = laptop.problems().await;
    assert_eq!((problems.len(), problems[0].kind), (1, ProblemKind::TableLeftOut), "{problems:?}");
    let refused = laptop.attach_again(["notes", "tags"]);
    assert!(
        matches!(&refused, Err(ReplicaError::Table { fault: TableFault::Missing, .. })),
        "an app that asks for it is told: {refused:?}"
    );
}

#[tokio::test]
async fn a_table_that_comes_back_gets_what_has_come_meanwhile() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = pair(&fixture, NOTES).await;
    laptop.run("DROP TABLE notes");
    phone.run("INSERT INTO notes VALUES ('d', 'four', 'text')");
    sync_all(&[&phone, &laptop]).await;
    laptop.run(NOTES);
    laptop.sync().await;
    assert_eq!(all(&laptop), ["a one text", "b two text", "c three text", "d four text"]);
    assert_eq!(laptop.problems().await, []);
    laptop.run("DELETE FROM notes WHERE id = 'a'");
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(all(&phone), ["b two text", "c three text", "d four text"]);
}

#[tokio::test]
async fn a_migration_drops_any_column_once_the_triggers_are_out_of_its_way() {
    let in_sql = ["deleted", "updated", "inserting", "updating"]
        .map(|suffix| format!("DROP TRIGGER IF EXISTS tidelog_notes_{suffix};"))
        .concat();
    for attach_again in [false, true] {
        let fixture = Fixture::new().await;
        let schema = "CREATE TABLE notes (id TEXT PRIMARY KEY, title TEXT, body TEXT);
            CREATE UNIQUE INDEX titles ON notes (title);
            CREATE TABLE tags (id TEXT PRIMARY KEY, note TEXT REFERENCES notes);";
        let tables = || [SyncedTable::new("notes").settled_by(Rule::ByColumn), SyncedTable::new("tags")];
        let mut laptop = Installation::new(&fixture, "laptop", schema, tables()).await;
        let phone = Installation::new(&fixture, "phone", schema, tables()).await;
        laptop.run("INSERT INTO notes VALUES ('a', 'one', 'text'), ('b', 'two', 'text')");
        sync_all(&[&laptop, &phone]).await;
        if attach_again {
            laptop.run(&format!(
                "BEGIN; DROP INDEX titles; {in_sql} ALTER TABLE notes DROP COLUMN title; COMMIT"
            ));
            laptop.attach_again(tables()).unwrap();
        } else {
            let migration = laptop.app.unchecked_transaction().unwrap();
            Replica::drop_triggers(&migration).unwrap();
            migration.execute_batch("DROP INDEX titles; ALTER TABLE notes DROP COLUMN title").unwrap();
            migration.commit().unwrap();
        }
        laptop.run("UPDATE notes SET body = 'edited' WHERE id = 'a'; DELETE FROM notes WHERE id = 'b'");
        sync_all(&[&laptop, &phone]).await;
        assert_eq!(all(&phone), ["a one edited"]);
        assert_eq!(laptop.problems().await, []);
    }
}

#[tokio::test]
async fn names_that_differ_in_case_only_are_the_same_for_the_replica_as_for_sqlite() {
    let fixture = Fixture::new().await;
    let tables = |name| [SyncedTable::new(name).settled_by(Rule::ByColumn)];
    let one = Installation::new(
        &fixture,
        "one",
        "CREATE TABLE Notes (id TEXT PRIMARY KEY, userId TEXT, n)",
        tables("notes"),
    )
    .await;
    let two = Installation::new(
        &fixture,
        "two",
        "CREATE TABLE notes (ID TEXT PRIMARY KEY, userid TEXT, n)",
        tables("NOTES"),
    )
    .await;
    one.run("INSERT INTO notes VALUES ('a', 'ada', 1)");
    sync_all(&[&one, &two]).await;
    two.run("UPDATE notes SET n = 2");
    one.run("UPDATE notes SET userid = 'bo'");
    sync_all(&[&two, &one, &two]).await;
    for device in [&one, &two] {
        assert_eq!(device.texts("SELECT id || userid || n FROM notes"), ["abo2"]);
        assert_eq!(device.problems().await, []);
    }
    one.run("ALTER TABLE notes RENAME COLUMN userId TO userid; DELETE FROM notes");
    sync_all(&[&one, &two]).await;
    assert_eq!(two.texts("SELECT id FROM notes"), Vec::<String>::new());
}

#[tokio::test]
async fn a_new_column_keeps_its_value_beside_an_older_app_that_edits_the_row_later() {
    for rule in [Rule::ByRow, Rule::ByColumn] {
        let fixture = Fixture::new().await;
        let table = || [SyncedTable::new("t").settled_by(rule.clone())];
        let new = "CREATE TABLE t (id TEXT PRIMARY KEY, title TEXT, priority INTEGER DEFAULT 7)";
        let a = Installation::new(&fixture, "a", new, table()).await;
        let c = Installation::new(&fixture, "c", new, table()).await;
        let b = Installation::new(&fixture, "b", "CREATE TABLE t (id TEXT PRIMARY KEY, title TEXT)", table())
            .await;
        b.run("INSERT INTO t VALUES ('x', 'title'), ('y', 'title')");
        sync_all(&[&b, &a, &c]).await;
        a.run("UPDATE t SET priority = 2 WHERE id = 'x'");
        b.wait_until_later_than(&a);
        b.run("UPDATE t SET title = 'later' WHERE id = 'x'");
        sync_all(&[&b, &a, &c]).await;
        for device in [&a, &c] {
            let rows = device.texts("SELECT title || priority FROM t ORDER BY id");
            assert_eq!(rows, ["later2", "title7"], "{rule:?}");
            assert_eq!(device.replica.unsent().await.unwrap(), 0);
        }
        // Deleted and made anew by the older app: the default, on all devices, whatever they have seen in between.
        b.run("DELETE FROM t WHERE id = 'x'");
        sync_all(&[&b, &c]).await;
        b.run("INSERT INTO t VALUES ('x', 'anew')");
        sync_all(&[&b, &a, &c]).await;
        for device in [&a, &c] {
            assert_eq!(device.texts("SELECT title || priority FROM t WHERE id = 'x'"), ["anew7"], "{rule:?}");
        }
    }
}

#[tokio::test]
async fn values_that_a_migration_gives_to_its_new_column_are_sent() {
    for rule in [Rule::ByRow, Rule::ByColumn] {
        let fixture = Fixture::new().await;
        let table = || [SyncedTable::new("notes").settled_by(rule.clone())];
        let mut laptop = Installation::new(&fixture, "laptop", NOTES, table()).await;
        laptop.run("INSERT INTO notes VALUES ('a', 'one', 'text'), ('b', 'two', 'text')");
        let phone = Installation::new(&fixture, "phone", NOTES, table()).await;
        sync_all(&[&laptop, &phone]).await;
        let add = "ALTER TABLE notes ADD COLUMN length INTEGER DEFAULT 0;";
        laptop.run(&format!("{add} UPDATE notes SET length = 3 WHERE id = 'a'"));
        laptop.attach_again(table()).unwrap();
        assert_eq!(laptop.replica.unsent().await.unwrap(), 1, "rows with the default are not sent");
        sync_all(&[&laptop, &phone]).await;
        phone.run(add);
        phone.sync().await;
        assert_eq!(phone.texts("SELECT id || length FROM notes ORDER BY id"), ["a3", "b0"], "{rule:?}");
    }
}

#[tokio::test]
async fn a_live_replica_notices_that_its_table_was_rebuilt_or_made_anew() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = pair(&fixture, NOTES).await;
    let (replica, client, id) = (laptop.replica.clone(), laptop.client.clone(), laptop.device.id);
    let running = tokio::spawn(async move { replica.run(&client, id).await });
    let mut status = laptop.replica.status();
    status.wait_for(|status| *status == Status::Live).await.unwrap();
    laptop.run(&format!("{REBUILD} UPDATE notes SET title = 'rebuilt' WHERE id = 'a'; COMMIT"));
    until(&phone, "a rebuilt text,b two text,c three text").await;
    laptop.run(&format!("BEGIN; DROP TABLE notes; {NOTES}; COMMIT"));
    let filled = async {
        while all(&laptop).len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, filled).await.is_ok(), "it is filled again");
    laptop.run("UPDATE notes SET title = 'recorded' WHERE id = 'b'");
    until(&phone, "a rebuilt text,b recorded text,c three text").await;
    running.abort();
}

/// Syncs until the device has these rows.
async fn until(device: &Installation, rows: &str) {
    let wait = async {
        while all(device).join(",") != rows {
            device.sync().await;
        }
    };
    let outcome = tokio::time::timeout(LIMIT, wait).await;
    assert!(outcome.is_ok(), "{:?} is not {rows}", all(device));
}
