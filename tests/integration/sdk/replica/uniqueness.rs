//! Unique values that two devices give to different rows, by every kind of index that SQLite has for them.

use tidelog_client::replica::ProblemKind;

use crate::replica::setup::{Installation, sync_all};
use tidelog_test_kit::sdk::Fixture;

async fn pair(fixture: &Fixture, schema: &str, tables: &[&str]) -> (Installation, Installation) {
    let laptop = Installation::new(fixture, "laptop", schema, tables.to_vec()).await;
    laptop.sync().await;
    (laptop, Installation::new(fixture, "phone", schema, tables.to_vec()).await)
}

/// The kinds of problems of both devices.
async fn kinds(devices: [&Installation; 2]) -> Vec<ProblemKind> {
    let mut kinds = Vec::new();
    for device in devices {
        kinds.extend(device.problems().await.into_iter().map(|problem| problem.kind));
    }
    kinds
}

#[tokio::test]
async fn rows_that_a_partial_index_leaves_out_are_no_rivals() {
    let fixture = Fixture::new().await;
    let schema = "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, deleted_at INTEGER, timestamp INTEGER, applying);
        CREATE UNIQUE INDEX \"where (is)\" ON users (email COLLATE NOCASE) /* where */ WHERE users.deleted_at IS NULL AND email <> 'where';";
    let (laptop, phone) = pair(&fixture, schema, &["users"]).await;
    laptop.run("INSERT INTO users (id, email, deleted_at) VALUES ('bin', 'ada@example.org', 1)");
    sync_all(&[&laptop, &phone]).await;
    laptop.run("INSERT INTO users (id, email) VALUES ('1', 'ada@example.org')");
    phone.wait_until_later_than(&laptop);
    phone.run("INSERT INTO users (id, email) VALUES ('2', 'ADA@example.org')");
    sync_all(&[&laptop, &phone]).await;
    for device in [&laptop, &phone] {
        assert_eq!(device.texts("SELECT id FROM users ORDER BY id"), ["2", "bin"]);
    }
    assert_eq!(kinds([&laptop, &phone]).await, [ProblemKind::RemovedByConstraint]);
    laptop.run("INSERT OR REPLACE INTO users (id, email) VALUES ('3', 'ada@EXAMPLE.org')");
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(
        phone.texts("SELECT id FROM users ORDER BY id"),
        ["3", "bin"],
        "what was replaced is gone everywhere"
    );
}

#[tokio::test]
async fn a_write_finds_the_rows_that_it_may_replace_by_the_partial_index() {
    let fixture = Fixture::new().await;
    let schema = "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, deleted_at INTEGER);
        CREATE UNIQUE INDEX of_the_living ON users (email) WHERE deleted_at IS NULL;";
    let (laptop, _) = pair(&fixture, schema, &["users"]).await;
    let trigger =
        laptop.texts("SELECT sql FROM sqlite_schema WHERE name GLOB 'tidelog_*_inserting'").remove(0);
    let (_, select) = trigger.split_once("SELECT").expect("it selects");
    let (select, _) = select.split_once("ON CONFLICT").expect("it upserts");
    let plan = format!("EXPLAIN QUERY PLAN SELECT {}", select.replace("NEW.\"email\"", "'x'"));
    let mut statement = laptop.app.prepare(&plan).unwrap();
    let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
    let steps: Vec<_> = steps.collect::<Result<_, _>>().unwrap();
    assert!(steps.iter().any(|step| step.contains("USING INDEX of_the_living")), "{steps:?}");
    assert!(!steps.iter().any(|step| step.contains("SCAN users")), "{steps:?}");
}

#[tokio::test]
async fn keys_that_are_the_same_by_their_collation_are_one_row() {
    let fixture = Fixture::new().await;
    let schema = "CREATE TABLE tags (name TEXT PRIMARY KEY COLLATE NOCASE, colour TEXT)";
    let (laptop, phone) = pair(&fixture, schema, &["tags"]).await;
    laptop.run("INSERT INTO tags VALUES ('Work', 'red')");
    phone.wait_until_later_than(&laptop);
    phone.run("INSERT INTO tags VALUES ('work', 'blue')");
    sync_all(&[&laptop, &phone]).await;
    for device in [&laptop, &phone] {
        assert_eq!(device.texts("SELECT name || colour FROM tags"), ["workblue"]);
    }
    laptop.run("INSERT OR REPLACE INTO tags VALUES ('WORK', 'green')");
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(phone.texts("SELECT name || colour FROM tags"), ["WORKgreen"]);
    laptop.run("DELETE FROM tags");
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(phone.texts("SELECT name FROM tags"), Vec::<String>::new());
}

#[tokio::test]
async fn a_conflict_clause_of_the_schema_loses_no_row_without_a_word() {
    let fixture = Fixture::new().await;
    for clause in ["REPLACE", "IGNORE", "ROLLBACK", "FAIL"] {
        let table = clause.to_lowercase();
        let schema = format!(
            "CREATE TABLE \"{table}\" (id TEXT PRIMARY KEY, name TEXT UNIQUE ON CONFLICT {clause}, n)"
        );
        let (laptop, phone) = pair(&fixture, &schema, &[&table]).await;
        laptop.run(&format!("INSERT INTO \"{table}\" VALUES ('1', 'same', 'older')"));
        phone.wait_until_later_than(&laptop);
        phone.run(&format!("INSERT INTO \"{table}\" VALUES ('2', 'same', 'newer')"));
        sync_all(&[&laptop, &phone]).await;
        for device in [&laptop, &phone] {
            assert_eq!(device.texts(&format!("SELECT n FROM \"{table}\"")), ["newer"], "{clause}");
        }
        assert_eq!(kinds([&laptop, &phone]).await, [ProblemKind::RemovedByConstraint], "{clause}");
    }
}

#[tokio::test]
async fn rows_follow_the_row_that_keeps_a_unique_value() {
    for action in ["ON DELETE CASCADE", ""] {
        let schema = format!(
            "CREATE TABLE lists (id TEXT PRIMARY KEY, name TEXT UNIQUE);
             CREATE TABLE todos (id TEXT PRIMARY KEY, list TEXT NOT NULL REFERENCES lists {action}, title TEXT);"
        );
        let fixture = Fixture::new().await;
        let tables = ["lists", "todos"];
        let laptop = Installation::new(&fixture, "laptop", &schema, tables).await;
        let phone = Installation::new(&fixture, "phone", &schema, tables).await;
        laptop.run(
            "INSERT INTO lists VALUES ('l1', 'Inbox'); INSERT INTO todos VALUES ('t1', 'l1', 'oat milk')",
        );
        phone.wait_until_later_than(&laptop);
        phone.run("INSERT INTO lists VALUES ('l2', 'Inbox'); INSERT INTO todos VALUES ('t2', 'l2', 'tea')");
        laptop.sync().await;
        laptop.run("INSERT INTO todos VALUES ('t3', 'l1', 'written before the news')");
        sync_all(&[&phone, &laptop]).await;
        for device in [&laptop, &phone] {
            let todos = device
                .texts("SELECT todos.id || name FROM todos JOIN lists ON list = lists.id ORDER BY todos.id");
            assert_eq!(todos, ["t1Inbox", "t2Inbox", "t3Inbox"], "{action}");
            assert_eq!(device.texts("SELECT id FROM lists").len(), 1);
        }
    }
}

#[tokio::test]
async fn a_trigger_can_tell_applied_rows_apart_with_and_without_a_replica() {
    let fixture = Fixture::new().await;
    let schema = "CREATE TABLE lists (id TEXT PRIMARY KEY, todos INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE todos (id TEXT PRIMARY KEY, list TEXT NOT NULL);
        CREATE TRIGGER counted AFTER INSERT ON todos
        WHEN NOT (SELECT defer_foreign_keys FROM pragma_defer_foreign_keys)
        BEGIN UPDATE lists SET todos = todos + 1 WHERE id = NEW.list; END;
        INSERT INTO lists (id) VALUES ('l'); INSERT INTO todos VALUES ('before', 'l');";
    let laptop = Installation::new(&fixture, "laptop", schema, ["lists", "todos"]).await;
    let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)";
    laptop.run(&format!("INSERT INTO todos {numbers} SELECT 'n' || i, 'l' FROM n"));
    laptop.sync().await;
    let plain = "CREATE TABLE lists (id TEXT PRIMARY KEY, todos INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE todos (id TEXT PRIMARY KEY, list TEXT NOT NULL);
        CREATE TRIGGER counted AFTER INSERT ON todos
        WHEN NOT (SELECT defer_foreign_keys FROM pragma_defer_foreign_keys)
        BEGIN UPDATE lists SET todos = todos + 1 WHERE id = NEW.list; END;";
    let phone = Installation::new(&fixture, "phone", plain, ["lists", "todos"]).await;
    sync_all(&[&phone, &laptop]).await;
    for device in [&laptop, &phone] {
        assert_eq!(device.texts("SELECT '' || todos FROM lists"), ["1201"]);
    }
    phone.replica.detach().await.unwrap();
    phone.run("INSERT INTO todos VALUES ('after', 'l')");
    assert_eq!(phone.texts("SELECT '' || todos FROM lists"), ["1202"]);
}
