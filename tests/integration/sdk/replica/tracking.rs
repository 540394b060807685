//! Every way to write a row is tracked.

use crate::replica::setup::{Installation, sync_all};
use tidelog_test_kit::sdk::Fixture;

const SHOP: &str = "
    CREATE TABLE makers (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
    CREATE TABLE items (
        id INTEGER PRIMARY KEY,
        maker INTEGER NOT NULL REFERENCES makers ON DELETE CASCADE ON UPDATE CASCADE,
        code TEXT COLLATE NOCASE UNIQUE,
        label TEXT
    );";

async fn shops(fixture: &Fixture) -> (Installation, Installation) {
    let one = Installation::new(fixture, "one", SHOP, ["makers", "items"]).await;
    let two = Installation::new(fixture, "two", SHOP, ["makers", "items"]).await;
    one.run(
        "INSERT INTO makers VALUES (1, 'Acme'), (2, 'Bolt'), (3, 'Core');
         INSERT INTO items VALUES (10, 1, 'a', 'anvil'), (20, 2, 'b', 'brush'), (30, 2, NULL, 'cup');",
    );
    sync_all(&[&one, &two]).await;
    (one, two)
}

async fn assert_same_after(statements: &str) {
    let fixture = Fixture::new().await;
    let (one, two) = shops(&fixture).await;
    let before = two.query("SELECT * FROM items ORDER BY id");
    one.run(statements);
    sync_all(&[&one, &two]).await;
    for all in ["SELECT * FROM makers ORDER BY id", "SELECT * FROM items ORDER BY id"] {
        assert_eq!(two.query(all), one.query(all), "{statements}: {all}");
    }
    assert_ne!(two.query("SELECT * FROM items ORDER BY id"), before, "{statements} changed something");
    assert_eq!(one.replica.unsent().await.unwrap(), 0);
    assert_eq!(two.problems().await, []);
}

#[tokio::test]
async fn rows_deleted_by_a_cascade_are_tracked() {
    assert_same_after("DELETE FROM makers WHERE id = 2").await;
}

#[tokio::test]
async fn rows_changed_by_a_cascade_are_tracked() {
    assert_same_after("UPDATE makers SET id = 22 WHERE id = 2").await;
}

#[tokio::test]
async fn rows_replaced_through_the_key_or_a_unique_column_are_tracked() {
    assert_same_after("INSERT OR REPLACE INTO items VALUES (10, 3, 'B', 'both')").await;
    assert_same_after("UPDATE OR REPLACE items SET code = 'A' WHERE id = 20").await;
    assert_same_after("REPLACE INTO makers VALUES (4, 'Bolt')").await;
}

#[tokio::test]
async fn no_conflict_clause_of_the_app_prevents_tracking() {
    for clause in ["ABORT", "FAIL", "ROLLBACK", "IGNORE", "REPLACE"] {
        assert_same_after(&format!(
            "UPDATE OR {clause} items SET label = 'first' WHERE id = 10;
             UPDATE OR {clause} items SET label = 'second' WHERE id = 10;
             INSERT OR {clause} INTO items VALUES (40, 1, 'd', 'dish');
             UPDATE OR {clause} items SET id = 41 WHERE id = 40;
             DELETE FROM items WHERE id = 30;
             INSERT OR {clause} INTO items VALUES (30, 1, 'e', 'egg');"
        ))
        .await;
    }
}

#[tokio::test]
async fn upserts_and_writes_by_the_apps_triggers_are_tracked() {
    assert_same_after(
        "INSERT INTO items VALUES (10, 1, 'a', 'upserted') ON CONFLICT (id) DO UPDATE SET label = excluded.label;
         CREATE TRIGGER note AFTER UPDATE OF label ON items BEGIN
             UPDATE makers SET name = 'renamed by ' || NEW.id WHERE id = NEW.maker;
         END;
         UPDATE items SET label = 'touched' WHERE id = 20;",
    )
    .await;
}

#[tokio::test]
async fn a_key_whose_spelling_changes_stays_one_row_everywhere() {
    let schema = "CREATE TABLE words (word TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER)";
    let fixture = Fixture::new().await;
    let one = Installation::new(&fixture, "one", schema, ["words"]).await;
    let two = Installation::new(&fixture, "two", schema, ["words"]).await;
    one.run("INSERT INTO words VALUES ('tide', 1), ('log', 2)");
    sync_all(&[&one, &two]).await;
    one.run("UPDATE words SET word = 'Tide' WHERE word = 'tide'");
    one.run("UPDATE words SET n = 3 WHERE word = 'LOG'");
    sync_all(&[&one, &two]).await;
    assert_eq!(two.query("SELECT * FROM words ORDER BY n"), one.query("SELECT * FROM words ORDER BY n"));
}

#[tokio::test]
async fn rows_that_were_rolled_back_or_end_up_unchanged_are_not_sent() {
    let fixture = Fixture::new().await;
    let (one, two) = shops(&fixture).await;
    let entries = one.client.status().await.unwrap().total_changes;
    one.run(
        "BEGIN; DELETE FROM items; ROLLBACK;
         UPDATE items SET label = label;
         INSERT OR IGNORE INTO items VALUES (10, 1, 'b', 'never');
         INSERT INTO items VALUES (50, 1, 'z', 'short life'); DELETE FROM items WHERE id = 50;
         UPDATE items SET label = 'x' WHERE id = 10; UPDATE items SET label = 'anvil' WHERE id = 10;",
    );
    sync_all(&[&one, &two]).await;
    assert_eq!(one.client.status().await.unwrap().total_changes, entries);
    assert_eq!(one.replica.unsent().await.unwrap(), 0);
}

#[tokio::test]
async fn many_rows_inserted_and_written_again_in_one_transaction_arrive_in_their_last_state() {
    let fixture = Fixture::new().await;
    let (one, two) = shops(&fixture).await;
    one.run(
        "BEGIN;
         WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 22000)
         INSERT INTO items SELECT i, 1, i, 'label ' || i FROM n;
         DELETE FROM items WHERE id BETWEEN 1100 AND 20900;
         INSERT OR REPLACE INTO items VALUES (1000, 1, '1001', 'replaced'), (20000, 1, '20000', 'again');
         UPDATE items SET label = 'changed' WHERE id IN (1002, 21900);
         DELETE FROM items WHERE id = 10; INSERT INTO items VALUES (10, 1, 'a', 'back'); DELETE FROM items WHERE id = 10;
         COMMIT",
    );
    let all = "SELECT * FROM items ORDER BY id";
    let written = one.query(all);
    assert_eq!(one.replica.unsent().await.unwrap(), 21_002, "each row once");
    sync_all(&[&one, &two]).await;
    assert_eq!(one.query(all), written);
    assert_eq!(two.query(all), written);
    assert_eq!(one.replica.unsent().await.unwrap(), 0);
}

#[tokio::test]
async fn rows_that_swap_their_unique_values_arrive_swapped() {
    assert_same_after(
        "UPDATE items SET code = NULL WHERE id = 10; UPDATE items SET code = 'a' WHERE id = 20; \
         UPDATE items SET code = 'b' WHERE id = 10;",
    )
    .await;
}
