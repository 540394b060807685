//! Rows that are written on one device arrive on the other one, value for value.

use tidelog_client::replica::{Replica, ReplicaError, SyncedTable, TableFault};

use crate::replica::setup::{Installation, sync_all};
use tidelog_test_kit::sdk::Fixture;

const TODOS: &str =
    "CREATE TABLE todos (id TEXT PRIMARY KEY, title TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0) STRICT;";

#[tokio::test]
async fn inserts_updates_and_deletions_reach_the_other_device() {
    let fixture = Fixture::new().await;
    let laptop = Installation::new(&fixture, "laptop", TODOS, ["todos"]).await;
    let phone = Installation::new(&fixture, "phone", TODOS, ["todos"]).await;
    laptop.run("INSERT INTO todos (id, title) VALUES ('a', 'milk'), ('b', 'bread'), ('c', 'tea')");
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(phone.texts("SELECT title FROM todos ORDER BY id"), ["milk", "bread", "tea"]);
    phone.run("UPDATE todos SET done = 1 WHERE id = 'a'; DELETE FROM todos WHERE id = 'b'");
    sync_all(&[&phone, &laptop]).await;
    assert_eq!(laptop.texts("SELECT id || done FROM todos ORDER BY id"), ["a1", "c0"]);
    assert_eq!(laptop.replica.unsent().await.unwrap() + phone.replica.unsent().await.unwrap(), 0);
}

#[tokio::test]
async fn every_type_of_value_and_key_arrives_exactly() {
    let schema = "
        CREATE TABLE anything (id, a, b BLOB, PRIMARY KEY (id));
        CREATE TABLE pairs (left TEXT, right INTEGER, value REAL, PRIMARY KEY (right, left)) WITHOUT ROWID;";
    let fixture = Fixture::new().await;
    let one = Installation::new(&fixture, "one", schema, ["anything", "pairs"]).await;
    let two = Installation::new(&fixture, "two", schema, ["anything", "pairs"]).await;
    one.run(
        "INSERT INTO anything VALUES
             (1, 9223372036854775807, x'00ff'), ('1', -9223372036854775808, zeroblob(3)), (1.5, 1.0, 1),
             (x'0102', 9e999, NULL), ('it''s', -0.0, 'text'), ('line
break 100 %', 0.1, 1e300), (NULL, 'null key', ''), (-7, cast(x'ff41' as text), char(0) || 'x');
         INSERT INTO pairs VALUES ('a', 1, 2), ('b', 1, 3.5), ('ä', 2, NULL);",
    );
    sync_all(&[&one, &two]).await;
    for sql in [
        "SELECT quote(id), typeof(id), hex(a), typeof(a), quote(b), typeof(b) FROM anything ORDER BY 1, 2",
        "SELECT id, hex(a) FROM anything WHERE typeof(a) = 'text' ORDER BY 1",
        "SELECT a FROM anything WHERE typeof(a) <> 'text' ORDER BY quote(id)",
        "SELECT * FROM pairs ORDER BY right, left",
    ] {
        assert_eq!(two.query(sql), one.query(sql), "{sql}");
    }
    assert_eq!(two.query("SELECT count(*) FROM anything"), one.query("SELECT 8"));
    two.run("DELETE FROM anything WHERE typeof(id) IN ('text', 'null'); DELETE FROM pairs WHERE left = 'a'");
    sync_all(&[&two, &one]).await;
    assert_eq!(one.query("SELECT count(*) FROM anything"), two.query("SELECT 4"));
    assert_eq!(one.query("SELECT count(*) FROM pairs"), two.query("SELECT 2"));
    assert_eq!(one.problems().await, []);
}

#[tokio::test]
async fn rows_from_before_the_first_attach_are_uploaded_but_lose_against_rows_in_the_log() {
    let fixture = Fixture::new().await;
    let laptop = Installation::new(&fixture, "laptop", TODOS, ["todos"]).await;
    laptop.run("INSERT INTO todos (id, title) VALUES ('shared', 'from the log')");
    laptop.sync().await;
    let before = format!("{TODOS} INSERT INTO todos (id, title) VALUES ('shared', 'stale'), ('own', 'kept')");
    let phone = Installation::new(&fixture, "phone", &before, ["todos"]).await;
    sync_all(&[&phone, &laptop]).await;
    for device in [&laptop, &phone] {
        assert_eq!(device.texts("SELECT title FROM todos ORDER BY id"), ["kept", "from the log"]);
    }
}

#[tokio::test]
async fn writes_by_any_connection_are_synced() {
    let fixture = Fixture::new().await;
    let laptop = Installation::new(&fixture, "laptop", TODOS, ["todos"]).await;
    let phone = Installation::new(&fixture, "phone", TODOS, ["todos"]).await;
    laptop
        .another_connection()
        .execute("INSERT INTO todos (id, title) VALUES ('a', 'by another')", [])
        .unwrap();
    sync_all(&[&laptop, &phone]).await;
    assert_eq!(phone.texts("SELECT title FROM todos"), ["by another"]);
}

#[tokio::test]
async fn more_rows_than_fit_a_batch_or_a_page_arrive_completely() {
    let fixture = Fixture::new().await;
    let laptop = Installation::new(&fixture, "laptop", TODOS, ["todos"]).await;
    let phone = Installation::new(&fixture, "phone", TODOS, ["todos"]).await;
    laptop.run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO todos (id, title) SELECT 'row ' || i, 'title ' || i FROM n",
    );
    sync_all(&[&laptop, &phone]).await;
    let all = "SELECT * FROM todos ORDER BY id";
    assert_eq!(phone.query(all), laptop.query(all));
    assert_eq!(phone.query("SELECT count(*) FROM todos"), laptop.query("SELECT 1200"));
}

#[tokio::test]
async fn detaching_removes_everything_that_the_replica_added() {
    let fixture = Fixture::new().await;
    let everything = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name";
    let laptop = Installation::new(&fixture, "laptop", TODOS, ["todos"]).await;
    let phone = Installation::new(&fixture, "phone", TODOS, ["todos"]).await;
    laptop.run("INSERT INTO todos (id, title) VALUES ('a', 'milk')");
    sync_all(&[&laptop, &phone]).await;
    let connection = phone.replica.detach().await.unwrap();
    drop(connection);
    let untouched = rusqlite_in_memory(TODOS);
    assert_eq!(phone.query(everything), crate::replica::setup::query(&untouched, everything));
    assert_eq!(phone.texts("SELECT title FROM todos"), ["milk"]);
    assert!(matches!(phone.try_sync().await, Err(ReplicaError::Detached)));
}

#[tokio::test]
async fn tables_that_cannot_sync_are_rejected_by_name_and_nothing_is_changed() {
    let schema = "
        CREATE TABLE plain (a);
        CREATE TABLE \"Order Details\" (id INTEGER PRIMARY KEY);
        CREATE TABLE by_expression (id INTEGER PRIMARY KEY, name TEXT);
        CREATE UNIQUE INDEX lower_name ON by_expression (lower(name));
        CREATE TABLE good (id INTEGER PRIMARY KEY);
        CREATE VIEW seen AS SELECT * FROM good;";
    let fixture = Fixture::new().await;
    let mut device = Installation::new(&fixture, "device", schema, ["good"]).await;
    let fault = |outcome: Result<(), ReplicaError>| match outcome {
        Err(ReplicaError::Table { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(device.attach_again(["good", "plain"])), TableFault::NoPrimaryKey);
    assert_eq!(fault(device.attach_again(["nowhere"])), TableFault::Missing);
    assert_eq!(fault(device.attach_again(["seen"])), TableFault::NotATable);
    assert_eq!(fault(device.attach_again(["tidelog_row_versions"])), TableFault::NotATable);
    assert_eq!(fault(device.attach_again(["good", "GOOD"])), TableFault::Duplicate);
    assert!(matches!(fault(device.attach_again(["Order Details"])), TableFault::WireName(_)));
    assert!(matches!(fault(device.attach_again(["by_expression"])), TableFault::UniqueExpression(_)));
    device.attach_again([SyncedTable::new("Order Details").known_as("order_details")]).unwrap();
    assert_eq!(
        device.texts("SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger' GROUP BY 1"),
        ["Order Details"]
    );
}

#[tokio::test]
async fn a_database_does_not_switch_accounts_by_accident() {
    let fixture = Fixture::new().await;
    let mine = Installation::new(&fixture, "mine", TODOS, ["todos"]).await;
    mine.sync().await;
    let store = std::sync::Arc::new(tidelog_client::MemoryStore::new());
    let other = fixture.other_user(&store).await;
    other.setup_encryption_new("another passphrase").await.unwrap();
    let device = other.register_device("mine", "linux").await.unwrap();
    assert!(matches!(mine.replica.sync(&other, device.id).await, Err(ReplicaError::OtherAccount)));
}

fn rusqlite_in_memory(schema: &str) -> tidelog_client::replica::rusqlite::Connection {
    let connection = tidelog_client::replica::rusqlite::Connection::open_in_memory().unwrap();
    connection.execute_batch(schema).unwrap();
    connection
}

#[tokio::test]
async fn two_processes_with_one_database_send_everything_once() {
    let fixture = Fixture::new().await;
    let laptop = Installation::new(&fixture, "laptop", TODOS, ["todos"]).await;
    let phone = Installation::new(&fixture, "phone", TODOS, ["todos"]).await;
    let second = Replica::attach(laptop.another_connection(), ["todos"]).unwrap();
    for round in 0..10 {
        laptop.run(&format!("INSERT INTO todos (id, title) VALUES ('{round}', 'round {round}')"));
        phone.run(&format!("INSERT INTO todos (id, title) VALUES ('p{round}', 'from the phone')"));
        let (one, other, third) =
            tokio::join!(laptop.try_sync(), second.sync(&laptop.client, laptop.device.id), phone.try_sync());
        [one, other, third].into_iter().for_each(Result::unwrap);
    }
    sync_all(&[&laptop, &phone]).await;
    let all = "SELECT * FROM todos ORDER BY id";
    assert_eq!(phone.query(all), laptop.query(all));
    assert_eq!(phone.query("SELECT count(*) FROM todos"), laptop.query("SELECT 20"));
    assert_eq!(phone.client.verify(phone.device.id).await.unwrap().evidence, []);
}
