//! Rows that were written on two devices, neither of which had seen the other's write.

use tidelog_client::replica::{Cell, ProblemKind, Resolution, Rule, SyncedTable};

use crate::replica::setup::{Installation, sync_all};
use tidelog_test_kit::sdk::Fixture;

const NOTES: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT, body TEXT, stars INTEGER DEFAULT 0);";

async fn pair(fixture: &Fixture, schema: &str, tables: &[SyncedTable]) -> (Installation, Installation) {
    let one = Installation::new(fixture, "one", schema, tables.to_vec()).await;
    let two = Installation::new(fixture, "two", schema, tables.to_vec()).await;
    (one, two)
}

fn notes(rule: Rule) -> Vec<SyncedTable> {
    vec![SyncedTable::new("notes").settled_by(rule)]
}

/// Both devices have the note and write it before they sync: first `earlier` on one, then `later` on two. Returns the
/// result.
async fn after_both_wrote(rule: Rule, earlier: &str, later: &str) -> Vec<String> {
    let fixture = Fixture::new().await;
    let (one, two) = pair(&fixture, NOTES, &notes(rule)).await;
    one.run("INSERT INTO notes VALUES (1, 'title', 'body', 0)");
    sync_all(&[&one, &two]).await;
    one.run(earlier);
    two.wait_until_later_than(&one);
    two.run(later);
    sync_all(&[&two, &one]).await;
    let all = "SELECT title || '/' || body || '/' || stars FROM notes";
    assert_eq!(one.texts(all), two.texts(all));
    assert_eq!(one.replica.unsent().await.unwrap() + two.replica.unsent().await.unwrap(), 0);
    one.texts(all)
}

#[tokio::test]
async fn by_row_the_later_write_wins_whichever_arrives_first() {
    let (title, body) = ("UPDATE notes SET title = 'new'", "UPDATE notes SET body = 'new'");
    assert_eq!(after_both_wrote(Rule::ByRow, title, body).await, ["title/new/0"]);
    assert_eq!(after_both_wrote(Rule::ByRow, body, title).await, ["new/body/0"]);
}

#[tokio::test]
async fn by_row_a_deletion_is_a_write_like_any_other() {
    let (edit, delete) = ("UPDATE notes SET title = 'new'", "DELETE FROM notes");
    assert_eq!(after_both_wrote(Rule::ByRow, edit, delete).await, [] as [&str; 0]);
    assert_eq!(after_both_wrote(Rule::ByRow, delete, edit).await, ["new/body/0"]);
}

#[tokio::test]
async fn by_column_writes_of_different_columns_are_both_kept() {
    let (earlier, later) =
        ("UPDATE notes SET title = 'one', stars = 1", "UPDATE notes SET body = 'two', stars = 2");
    assert_eq!(after_both_wrote(Rule::ByColumn, earlier, later).await, ["one/two/2"]);
    let (edit, delete) = ("UPDATE notes SET title = 'new'", "DELETE FROM notes");
    assert_eq!(after_both_wrote(Rule::ByColumn, edit, delete).await, [] as [&str; 0]);
    assert_eq!(after_both_wrote(Rule::ByColumn, delete, edit).await, ["new/body/0"]);
}

#[tokio::test]
async fn by_column_the_timestamps_of_columns_survive_several_exchanges() {
    let fixture = Fixture::new().await;
    let (one, two) = pair(&fixture, NOTES, &notes(Rule::ByColumn)).await;
    one.run("INSERT INTO notes VALUES (1, 'title', 'body', 0)");
    sync_all(&[&one, &two]).await;
    two.run("UPDATE notes SET title = 'offline edit of the title'");
    one.run("UPDATE notes SET stars = 1");
    one.sync().await;
    one.run("UPDATE notes SET body = 'a later edit of the body'");
    one.sync().await;
    sync_all(&[&two, &one]).await;
    let all = "SELECT title || '/' || body || '/' || stars FROM notes";
    assert_eq!(one.texts(all), ["offline edit of the title/a later edit of the body/1"]);
    assert_eq!(two.texts(all), one.texts(all));
}

#[tokio::test]
async fn by_column_replacing_a_row_counts_as_writing_all_its_columns() {
    let replace = "REPLACE INTO notes VALUES (1, 'replaced', 'body', 9)";
    assert_eq!(
        after_both_wrote(Rule::ByColumn, "UPDATE notes SET title = 'earlier'", replace).await,
        ["replaced/body/9"]
    );
    assert_eq!(
        after_both_wrote(Rule::ByColumn, replace, "UPDATE notes SET title = 'later'").await,
        ["later/body/9"]
    );
}

#[tokio::test]
async fn by_app_the_apps_function_decides() {
    let add_up = Rule::by_app(|conflict| {
        let stars = |row: Option<&tidelog_client::replica::Row>| match row.and_then(|row| row.get("stars")) {
            Some(Cell::Integer(stars)) => *stars,
            _ => 0,
        };
        let sum = stars(conflict.local) + stars(conflict.remote);
        Resolution::Merge([("stars".to_owned(), Cell::Integer(sum))].into())
    });
    let (earlier, later) =
        ("UPDATE notes SET stars = 3, title = 'one'", "UPDATE notes SET stars = 4, title = 'two'");
    let merged = after_both_wrote(add_up, earlier, later).await;
    assert!(merged[0].ends_with("/7"), "{merged:?}");
    let mine = Rule::by_app(|_| Resolution::KeepLocal);
    assert_eq!(after_both_wrote(mine, earlier, later).await, ["one/body/3"]);
    let theirs = Rule::by_app(|_| Resolution::TakeRemote);
    assert_eq!(after_both_wrote(theirs, earlier, later).await, ["two/body/4"]);
}

const FAMILY: &str = "
    CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents ON DELETE ";

/// Device one deletes the parent while device two gives it a child. Returns the remaining parents and children.
async fn after_a_deleted_parent_got_a_child(action: &str, deleter_first: bool) -> (Vec<String>, Vec<String>) {
    let fixture = Fixture::new().await;
    let schema = format!("{FAMILY} {action}, name TEXT);");
    let tables = ["parents", "children"].map(SyncedTable::from);
    let (one, two) = pair(&fixture, &schema, &tables).await;
    one.run("INSERT INTO parents VALUES (1, 'Ann'), (2, 'Bob')");
    sync_all(&[&one, &two]).await;
    one.run("DELETE FROM parents WHERE id = 1");
    two.run("INSERT INTO children VALUES (10, 1, 'Cleo')");
    if deleter_first {
        sync_all(&[&one, &two]).await;
    } else {
        sync_all(&[&two, &one]).await;
    }
    sync_all(&[&one, &two]).await;
    for all in ["SELECT * FROM parents ORDER BY id", "SELECT * FROM children ORDER BY id"] {
        assert_eq!(one.query(all), two.query(all));
    }
    for device in [&one, &two] {
        assert_eq!(device.query("PRAGMA foreign_key_check"), Vec::<Vec<_>>::new());
        assert_eq!(device.replica.unsent().await.unwrap(), 0);
    }
    let children = "SELECT name || ifnull(parent, '') FROM children";
    (one.texts("SELECT name FROM parents ORDER BY id"), one.texts(children))
}

#[tokio::test]
async fn a_deleted_parent_is_restored_if_the_foreign_key_forbids_the_deletion() {
    for action in ["NO ACTION", "RESTRICT"] {
        for deleter_first in [true, false] {
            let (parents, children) = after_a_deleted_parent_got_a_child(action, deleter_first).await;
            assert_eq!(parents, ["Ann", "Bob"], "{action}, {deleter_first}");
            assert_eq!(children, ["Cleo1"]);
        }
    }
}

#[tokio::test]
async fn a_child_of_a_deleted_parent_is_deleted_or_its_reference_cleared_as_the_foreign_key_says() {
    for deleter_first in [true, false] {
        let (parents, children) = after_a_deleted_parent_got_a_child("CASCADE", deleter_first).await;
        assert_eq!((parents, children), (vec!["Bob".to_owned()], Vec::new()));
        let (parents, children) = after_a_deleted_parent_got_a_child("SET NULL", deleter_first).await;
        assert_eq!((parents, children), (vec!["Bob".to_owned()], vec!["Cleo".to_owned()]));
    }
}

#[tokio::test]
async fn a_cascade_that_would_delete_a_protected_row_is_undone_completely() {
    let schema = "
        CREATE TABLE artists (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE albums (id INTEGER PRIMARY KEY, artist INTEGER REFERENCES artists ON DELETE CASCADE);
        CREATE TABLE sales (id INTEGER PRIMARY KEY, album INTEGER REFERENCES albums ON DELETE RESTRICT);";
    let tables = ["artists", "albums", "sales"].map(SyncedTable::from);
    for deleter_first in [true, false] {
        let fixture = Fixture::new().await;
        let (one, two) = pair(&fixture, schema, &tables).await;
        one.run("INSERT INTO artists VALUES (1, 'Ann'); INSERT INTO albums VALUES (10, 1), (11, 1)");
        sync_all(&[&one, &two]).await;
        one.run("DELETE FROM artists");
        two.run("INSERT INTO sales VALUES (100, 10)");
        let (first, second) = if deleter_first { (&one, &two) } else { (&two, &one) };
        sync_all(&[first, second]).await;
        sync_all(&[first, second]).await;
        for device in [&one, &two] {
            assert_eq!(device.query("PRAGMA foreign_key_check"), Vec::<Vec<_>>::new());
            assert_eq!(device.texts("SELECT name FROM artists"), ["Ann"], "{deleter_first}");
            assert_eq!(device.texts("SELECT CAST(id AS TEXT) FROM albums"), ["10"], "{deleter_first}");
            assert_eq!(device.texts("SELECT CAST(album AS TEXT) FROM sales"), ["10"], "{deleter_first}");
            assert_eq!(device.replica.unsent().await.unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn a_row_that_is_removed_before_it_was_sent_takes_its_referring_rows_with_it() {
    let schema = "
        CREATE TABLE albums (id INTEGER PRIMARY KEY);
        CREATE TABLE tracks (id INTEGER PRIMARY KEY, album INTEGER REFERENCES albums ON DELETE CASCADE);
        CREATE TABLE plays (id INTEGER PRIMARY KEY, track INTEGER REFERENCES tracks ON DELETE CASCADE);";
    let tables = ["albums", "tracks", "plays"].map(SyncedTable::from);
    let fixture = Fixture::new().await;
    let (one, two) = pair(&fixture, schema, &tables).await;
    one.run("INSERT INTO albums VALUES (1)");
    sync_all(&[&one, &two]).await;
    one.run("DELETE FROM albums");
    two.run("INSERT INTO tracks VALUES (10, 1); INSERT INTO plays VALUES (100, 10)");
    sync_all(&[&one, &two]).await;
    for device in [&one, &two] {
        assert_eq!(device.query("PRAGMA foreign_key_check"), Vec::<Vec<_>>::new());
        assert_eq!(device.query("SELECT * FROM plays"), Vec::<Vec<_>>::new());
        assert_eq!(device.replica.unsent().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn of_two_rows_with_the_same_unique_value_the_later_stays_and_the_other_is_reported() {
    let schema = "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT);";
    for later_first in [true, false] {
        let fixture = Fixture::new().await;
        let (one, two) = pair(&fixture, schema, &["people".into()]).await;
        one.run("INSERT INTO people VALUES (1, 'x@example.com', 'earlier')");
        two.wait_until_later_than(&one);
        two.run("INSERT INTO people VALUES (2, 'x@example.com', 'later')");
        let (first, second) = if later_first { (&two, &one) } else { (&one, &two) };
        sync_all(&[first, second]).await;
        sync_all(&[first, second]).await;
        for device in [&one, &two] {
            assert_eq!(device.texts("SELECT name FROM people"), ["later"], "{later_first}");
        }
        let problems = [one.problems().await, two.problems().await].concat();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].kind, ProblemKind::RemovedByConstraint);
        let lost = problems[0].data.as_ref().unwrap();
        assert_eq!(lost.get("name"), Some(&Cell::Text("earlier".into())));
    }
}
