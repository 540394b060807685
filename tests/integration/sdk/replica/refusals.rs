//! Rows that one device cannot apply or send: nothing that was there or was written is lost, and nothing else is held
//! up.

use tidelog_client::replica::{Cell, ProblemKind, Rule, SyncedTable};

use crate::replica::setup::{Installation, sync_all};
use tidelog_test_kit::sdk::Fixture;

/// Devices that share a schema.
async fn pair(fixture: &Fixture, schema: &str, tables: &[&str]) -> (Installation, Installation) {
    let laptop = Installation::new(fixture, "laptop", schema, tables.to_vec()).await;
    laptop.sync().await;
    (laptop, Installation::new(fixture, "phone", schema, tables.to_vec()).await)
}

async fn kinds(installation: &Installation) -> Vec<ProblemKind> {
    installation.problems().await.into_iter().map(|problem| problem.kind).collect()
}

#[tokio::test]
async fn an_update_that_a_stricter_schema_refuses_leaves_the_row_as_it_was() {
    let fixture = Fixture::new().await;
    let strict = "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER CHECK (n < 10), own TEXT);
                  CREATE TABLE deletions (id TEXT);
                  CREATE TRIGGER on_delete AFTER DELETE ON t BEGIN INSERT INTO deletions VALUES (OLD.id); END;";
    let old =
        Installation::new(&fixture, "laptop", "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER)", ["t"]).await;
    old.run("INSERT INTO t VALUES ('a', 5)");
    old.sync().await;
    let new = Installation::new(&fixture, "phone", strict, ["t"]).await;
    new.sync().await;
    old.run("UPDATE t SET n = 50; INSERT INTO t VALUES ('b', 1)");
    sync_all(&[&old, &new]).await;
    assert_eq!(new.texts("SELECT id || n FROM t ORDER BY id"), ["a5", "b1"]);
    assert_eq!(new.texts("SELECT id FROM deletions"), Vec::<String>::new());
    assert_eq!(kinds(&new).await, [ProblemKind::NotApplied]);
    old.run("UPDATE t SET n = 7 WHERE id = 'a'");
    sync_all(&[&old, &new]).await;
    assert_eq!(new.texts("SELECT id || n FROM t ORDER BY id"), ["a7", "b1"]);
    assert_eq!(kinds(&new).await, []);
}

#[tokio::test]
async fn rows_that_swap_unique_values_are_applied_although_another_row_of_the_page_is_refused() {
    let fixture = Fixture::new().await;
    let schema = |check: &str| {
        format!("CREATE TABLE t (id TEXT PRIMARY KEY, place INTEGER UNIQUE, n INTEGER {check})")
    };
    let laptop = Installation::new(&fixture, "laptop", &schema(""), ["t"]).await;
    laptop.run("INSERT INTO t VALUES ('a', 1, 0), ('b', 2, 0), ('c', 3, 0)");
    laptop.sync().await;
    let phone = Installation::new(&fixture, "phone", &schema("CHECK (n < 10)"), ["t"]).await;
    phone.sync().await;
    laptop.run(
        "UPDATE t SET place = -1 WHERE id = 'a'; UPDATE t SET place = 1 WHERE id = 'b';
         UPDATE t SET place = 2 WHERE id = 'a'; UPDATE t SET n = 99 WHERE id = 'c'",
    );
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(phone.texts("SELECT id || place || n FROM t ORDER BY id"), ["a20", "b10", "c30"]);
}

#[tokio::test]
async fn a_deletion_that_a_trigger_forbids_is_reported_and_tried_again() {
    let fixture = Fixture::new().await;
    for raise in ["ABORT", "FAIL", "ROLLBACK"] {
        let schema = format!(
            "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT);
             CREATE TABLE links (id INTEGER PRIMARY KEY, author INTEGER NOT NULL);
             CREATE TABLE others (id TEXT PRIMARY KEY);
             CREATE TRIGGER still_used BEFORE DELETE ON authors
             WHEN EXISTS (SELECT 1 FROM links WHERE author = OLD.id)
             BEGIN SELECT RAISE({raise}, 'author is still referenced'); END;"
        );
        let (laptop, phone) = pair(&fixture, &schema, &["authors", "links", "others"]).await;
        laptop.run("INSERT OR REPLACE INTO authors VALUES (1, 'Ada'), (2, 'Bo')");
        sync_all(&[&laptop, &phone]).await;
        laptop.run("DELETE FROM authors WHERE id = 2");
        phone.run("INSERT INTO links VALUES (100, 2)");
        laptop.sync().await;
        laptop.run(&format!("INSERT INTO others VALUES ('{raise}')"));
        sync_all(&[&laptop, &phone]).await;
        assert_eq!(phone.texts(&format!("SELECT id FROM others WHERE id = '{raise}'")), [raise]);
        assert_eq!(laptop.texts("SELECT '' || id FROM links"), ["100"], "{raise}");
        assert_eq!(phone.texts("SELECT name FROM authors ORDER BY id"), ["Ada", "Bo"], "{raise}");
        let problems = phone.problems().await;
        assert_eq!(problems.len(), 1, "{raise}: {problems:?}");
        assert_eq!(problems[0].kind, ProblemKind::NotApplied);
        assert!(problems[0].reason.contains("still referenced"), "{problems:?}");
        laptop.run("DELETE FROM links");
        sync_all(&[&laptop, &phone]).await;
        assert_eq!(phone.texts("SELECT name FROM authors ORDER BY id"), ["Ada"], "{raise}");
        assert_eq!(phone.problems().await, [], "{raise}");
        laptop.run("DELETE FROM authors");
        sync_all(&[&laptop, &phone]).await;
    }
}

#[tokio::test]
async fn a_row_whose_insertion_rolls_back_or_needs_a_missing_function_holds_up_no_other() {
    let fixture = Fixture::new().await;
    let plain = "CREATE TABLE t (id TEXT PRIMARY KEY, kind TEXT)";
    let laptop = Installation::new(&fixture, "laptop", plain, ["t"]).await;
    laptop.run(
        "INSERT INTO t VALUES ('a', ''), ('b', 'rollback'), ('c', 'fail'), ('d', 'function'), ('e', '')",
    );
    laptop.sync().await;
    let phone = Installation::new(&fixture, "phone", plain, ["t"]).await;
    phone.run(
        "CREATE TRIGGER rolls_back AFTER INSERT ON t WHEN NEW.kind = 'rollback'
         BEGIN SELECT RAISE(ROLLBACK, 'no rollback here'); END;
         CREATE TRIGGER fails AFTER INSERT ON t WHEN NEW.kind = 'fail'
         BEGIN SELECT RAISE(FAIL, 'no fail here'); END;
         CREATE TRIGGER calls AFTER INSERT ON t WHEN NEW.kind = 'function'
         BEGIN SELECT json_extract('{', '$.broken'); END;",
    );
    sync_all(&[&phone, &phone]).await;
    assert_eq!(phone.texts("SELECT id FROM t ORDER BY id"), ["a", "e"]);
    assert_eq!(kinds(&phone).await, [ProblemKind::NotApplied; 3]);
    phone.run("DROP TRIGGER rolls_back; DROP TRIGGER fails; DROP TRIGGER calls");
    phone.sync().await;
    assert_eq!(phone.texts("SELECT id FROM t ORDER BY id"), ["a", "b", "c", "d", "e"]);
    assert_eq!(kinds(&phone).await, []);
}

#[tokio::test]
async fn a_row_that_has_grown_too_large_is_not_overwritten_without_being_kept() {
    let fixture = Fixture::new().await;
    for (name, rule) in [("by_row", Rule::ByRow), ("by_column", Rule::ByColumn)] {
        let schema = format!("CREATE TABLE {name} (id TEXT PRIMARY KEY, title TEXT, body TEXT)");
        let table = || [SyncedTable::new(name).settled_by(rule.clone())];
        let laptop = Installation::new(&fixture, "laptop", &schema, table()).await;
        laptop.run(&format!("INSERT INTO {name} VALUES ('x', 'title', 'short')"));
        laptop.sync().await;
        let phone = Installation::new(&fixture, "phone", &schema, table()).await;
        phone.sync().await;
        laptop.run(&format!("UPDATE {name} SET body = hex(zeroblob(600000))"));
        laptop.sync().await;
        assert_eq!(kinds(&laptop).await, [ProblemKind::NotPushed]);
        phone.run(&format!("UPDATE {name} SET title = 'other title'"));
        sync_all(&[&phone, &laptop]).await;
        let lengths = laptop.texts(&format!("SELECT '' || length(body) FROM {name}"));
        let kept = laptop.problems().await.into_iter().any(|problem| {
            let row = problem.data.unwrap_or_default();
            matches!(row.get("body"), Some(Cell::Text(body)) if body.len() == 1_200_000)
        });
        assert!(kept || lengths == ["1200000"], "{name}: {lengths:?}");
        if name == "by_column" {
            assert_eq!(laptop.texts("SELECT title || length(body) FROM by_column"), ["other title1200000"]);
            laptop.run("UPDATE by_column SET body = 'fits'");
            sync_all(&[&laptop, &phone]).await;
            assert_eq!(phone.texts("SELECT title || ' ' || body FROM by_column"), ["other title fits"]);
            assert_eq!(kinds(&laptop).await, []);
        }
    }
}

#[tokio::test]
async fn a_too_large_row_that_another_device_deletes_is_kept_in_its_problem() {
    let fixture = Fixture::new().await;
    let (laptop, phone) = pair(&fixture, "CREATE TABLE t (id TEXT PRIMARY KEY, body TEXT)", &["t"]).await;
    laptop.run("INSERT INTO t VALUES ('x', 'short')");
    sync_all(&[&laptop, &phone]).await;
    laptop.run("UPDATE t SET body = hex(zeroblob(600000))");
    laptop.sync().await;
    phone.run("DELETE FROM t");
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(laptop.texts("SELECT id FROM t"), Vec::<String>::new());
    let problems = laptop.problems().await;
    let row = problems[0].data.clone().unwrap_or_default();
    assert!(matches!(row.get("body"), Some(Cell::Text(body)) if body.len() == 1_200_000));
}

#[tokio::test]
async fn a_key_that_is_not_utf8_is_reported_and_holds_up_nothing() {
    let fixture = Fixture::new().await;
    let schema = "CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER)";
    let (laptop, phone) = pair(&fixture, schema, &["files"]).await;
    laptop.run(
        "INSERT INTO files VALUES ('a.txt', 1), (CAST(x'4dfc6c6c65722e747874' AS TEXT), 2), ('z.txt', 3)",
    );
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(phone.texts("SELECT path FROM files ORDER BY path"), ["a.txt", "z.txt"]);
    assert_eq!(kinds(&laptop).await, [ProblemKind::NotPushed]);
    assert_eq!(laptop.replica.unsent().await.unwrap(), 0);
    laptop.run("DELETE FROM files WHERE size = 2");
    laptop.sync().await;
}

#[tokio::test]
async fn a_reference_whose_row_is_deleted_gets_its_default() {
    let fixture = Fixture::new().await;
    let schema = "CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE items (id TEXT PRIMARY KEY,
            category INTEGER NOT NULL DEFAULT 1 REFERENCES categories ON DELETE SET DEFAULT);";
    let (laptop, phone) = pair(&fixture, schema, &["categories", "items"]).await;
    laptop.run("INSERT INTO categories VALUES (1, 'Unfiled'), (2, 'Garden'), (3, 'House')");
    sync_all(&[&laptop, &phone]).await;
    laptop.run("DELETE FROM categories WHERE id = 2");
    phone.run("INSERT INTO items VALUES ('rake', 2)");
    sync_all(&[&laptop, &phone]).await;
    for device in [&laptop, &phone] {
        assert_eq!(device.texts("SELECT id || category FROM items"), ["rake1"]);
        assert_eq!(kinds(device).await, []);
    }
    // Without the row that the default refers to, SQLite would not have allowed the deletion.
    laptop.run("DELETE FROM items; DELETE FROM categories WHERE id = 1; DELETE FROM categories WHERE id = 3");
    phone.run("INSERT INTO items VALUES ('broom', 3)");
    sync_all(&[&laptop, &phone]).await;
    for device in [&laptop, &phone] {
        assert_eq!(
            device.texts("SELECT items.id || name FROM items JOIN categories ON category = categories.id"),
            ["broomHouse"]
        );
    }
}
