//! Apps of different versions, and apps with their own triggers.

use tidelog_client::replica::ReplicaError;

use crate::replica::setup::{Installation, sync_all};
use tidelog_test_kit::sdk::Fixture;

const OLD: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT);";
const NEW: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT, colour TEXT DEFAULT 'grey');
    CREATE TABLE tags (id INTEGER PRIMARY KEY, note INTEGER REFERENCES notes, name TEXT);";

#[tokio::test]
async fn an_older_app_keeps_unknown_columns_and_tables_and_passes_them_on() {
    let fixture = Fixture::new().await;
    let old = Installation::new(&fixture, "old", OLD, ["notes"]).await;
    let new = Installation::new(&fixture, "new", NEW, ["notes", "tags"]).await;
    new.run("INSERT INTO notes VALUES (1, 'title', 'red'); INSERT INTO tags VALUES (7, 1, 'later')");
    sync_all(&[&new, &old]).await;
    old.run("UPDATE notes SET title = 'edited by the old app'");
    sync_all(&[&old, &new]).await;
    assert_eq!(new.texts("SELECT title || ', ' || colour FROM notes"), ["edited by the old app, red"]);
    assert_eq!(old.problems().await, []);
}

#[tokio::test]
async fn columns_and_tables_added_by_an_update_are_filled_and_then_sync() {
    let fixture = Fixture::new().await;
    let mut old = Installation::new(&fixture, "old", OLD, ["notes"]).await;
    let new = Installation::new(&fixture, "new", NEW, ["notes", "tags"]).await;
    new.run("INSERT INTO notes VALUES (1, 'one', 'red'), (2, 'two', 'blue'); INSERT INTO tags VALUES (7, 1, 'early')");
    sync_all(&[&new, &old]).await;
    old.run("UPDATE notes SET title = 'edited before the update' WHERE id = 2");
    old.run(
        "ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'grey';
         CREATE TABLE tags (id INTEGER PRIMARY KEY, note INTEGER REFERENCES notes, name TEXT);
         INSERT INTO tags VALUES (8, 2, 'already there');",
    );
    old.attach_again(["notes", "tags"]).unwrap();
    assert_eq!(old.texts("SELECT colour FROM notes ORDER BY id"), ["red", "blue"]);
    old.run("UPDATE notes SET colour = 'green' WHERE id = 1");
    sync_all(&[&old, &new]).await;
    for all in ["SELECT * FROM notes ORDER BY id", "SELECT * FROM tags ORDER BY id"] {
        assert_eq!(new.query(all), old.query(all));
    }
    assert_eq!(
        new.texts("SELECT title || ', ' || colour FROM notes ORDER BY id"),
        ["one, green", "edited before the update, blue"]
    );
    assert_eq!(new.texts("SELECT name FROM tags ORDER BY id"), ["early", "already there"]);
}

#[tokio::test]
async fn writes_to_a_table_that_is_not_attached_are_found_when_it_is_attached_again() {
    let fixture = Fixture::new().await;
    let mut one = Installation::new(&fixture, "one", NEW, ["notes", "tags"]).await;
    let two = Installation::new(&fixture, "two", NEW, ["notes", "tags"]).await;
    one.run("INSERT INTO notes VALUES (1, 'one', 'red'); INSERT INTO tags VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 1, 'c')");
    sync_all(&[&one, &two]).await;
    one.attach_again(["notes"]).unwrap();
    one.run("UPDATE tags SET name = 'A' WHERE id = 1; DELETE FROM tags WHERE id = 2; INSERT INTO tags VALUES (4, 1, 'd')");
    two.run("INSERT INTO tags VALUES (5, 1, 'from two')");
    sync_all(&[&one, &two, &one]).await;
    assert_eq!(two.texts("SELECT name FROM tags ORDER BY id"), ["a", "b", "c", "from two"]);
    one.attach_again(["notes", "tags"]).unwrap();
    sync_all(&[&one, &two]).await;
    for device in [&one, &two] {
        assert_eq!(device.texts("SELECT name FROM tags ORDER BY id"), ["A", "c", "d", "from two"]);
    }
}

#[tokio::test]
async fn the_apps_triggers_maintain_a_search_index_and_do_not_change_synced_rows_twice() {
    let schema = "
        CREATE TABLE lists (id INTEGER PRIMARY KEY, todos INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE todos (id INTEGER PRIMARY KEY, list INTEGER NOT NULL REFERENCES lists, title TEXT, touched TEXT);
        CREATE VIRTUAL TABLE found USING fts5 (title);
        CREATE TRIGGER counted AFTER INSERT ON todos BEGIN UPDATE lists SET todos = todos + 1 WHERE id = NEW.list; END;
        CREATE TRIGGER touched AFTER INSERT ON todos BEGIN
            UPDATE todos SET touched = hex(randomblob(8)) WHERE id = NEW.id;
        END;
        CREATE TRIGGER indexed AFTER INSERT ON todos BEGIN INSERT INTO found (rowid, title) VALUES (NEW.id, NEW.title); END;";
    let fixture = Fixture::new().await;
    let one = Installation::new(&fixture, "one", schema, ["lists", "todos"]).await;
    let two = Installation::new(&fixture, "two", schema, ["lists", "todos"]).await;
    one.run("INSERT INTO lists (id) VALUES (1); INSERT INTO todos (id, list, title) VALUES (10, 1, 'oat milk'), (11, 1, 'tea')");
    sync_all(&[&one, &two]).await;
    for all in [
        "SELECT * FROM lists",
        "SELECT * FROM todos ORDER BY id",
        "SELECT rowid FROM found WHERE found MATCH 'milk'",
    ] {
        assert_eq!(two.query(all), one.query(all), "{all}");
    }
    assert_eq!(one.query("SELECT todos FROM lists"), one.query("SELECT 2"));
    assert_eq!(two.replica.unsent().await.unwrap(), 0);
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_refused_until_its_tables_are_dropped() {
    let fixture = Fixture::new().await;
    let mut one = Installation::new(&fixture, "one", OLD, ["notes"]).await;
    let two = Installation::new(&fixture, "two", OLD, ["notes"]).await;
    one.run("INSERT INTO notes VALUES (1, 'title'); UPDATE tidelog_state SET format = 1");
    let schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name";
    let before = one.query(schema);
    let refused = one.attach_again(["notes"]).unwrap_err();
    assert!(matches!(refused, ReplicaError::OlderFormat), "{refused:?}");
    assert!(refused.to_string().contains("drop the triggers and tables whose names begin with `tidelog_`"));
    assert_eq!(one.query(schema), before);
    for kind in ["trigger", "table"] {
        let own = format!("SELECT name FROM sqlite_schema WHERE type = '{kind}' AND name GLOB 'tidelog_*'");
        one.texts(&own).iter().for_each(|name| one.run(&format!("DROP {kind} {name}")));
    }
    one.attach_again(["notes"]).unwrap();
    sync_all(&[&one, &two]).await;
    assert_eq!(two.texts("SELECT title FROM notes"), ["title"]);
}
