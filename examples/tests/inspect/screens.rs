//! Output for people.

use serde_json::json;
use tidelog_client::ChangeOp;

use crate::inspect::fixture::{Fixture, change};

/// Maximum width of a line, in columns.
const PAGE: usize = 100;

#[tokio::test]
async fn a_history_marks_what_each_entry_changed_field_by_field() {
    let (fixture, _) = Fixture::lived_in().await;
    let output = fixture.inspector().run(&["history", "tasks", "1"]);
    let expected = "\
seq 2  insert  2026-01-02 03:04:05 UTC  Laptop  key 1
    done: false
    title: \"Buy milk\"

seq 5  update  2026-01-02 03:04:05 UTC  Phone  key 1
  + by: \"Mia\"
  - done: false
  ~ title: \"Buy oat milk\"
";
    assert_eq!(output.stdout, expected);
}

#[tokio::test]
async fn lines_are_truncated_unless_all_is_requested() {
    let (fixture, laptop) = Fixture::lived_in().await;
    let long = "長い".repeat(PAGE);
    laptop.push(vec![change(ChangeOp::Insert, "tasks", "3", Some(json!({"title": &long})))]).await;
    for command in [&["rows", "tasks"] as &[&str], &["history", "tasks", "3"]] {
        let output = fixture.inspector().run(command);
        assert!(output.stdout.contains('…'), "{}", output.stdout);
        let widths = output.stdout.lines().map(unicode_width::UnicodeWidthStr::width);
        assert!(widths.max().is_some_and(|widest| widest <= PAGE), "{}", output.stdout);
        let full = fixture.inspector().run(&[command, &["--full"]].concat());
        assert!(full.stdout.contains(&long) && !full.stdout.contains('…'), "{}", full.stdout);
    }
}

#[tokio::test]
async fn the_id_of_a_device_is_whole_however_long_its_name() {
    let (fixture, _) = Fixture::lived_in().await;
    let long = fixture.device(&"name ".repeat(40)).await;
    let output = fixture.inspector().run(&["devices"]);
    assert!(output.stdout.contains(&long.id.to_string()), "{}", output.stdout);
    assert!(output.stdout.lines().all(|line| line.chars().count() <= PAGE), "{}", output.stdout);
}

#[tokio::test]
async fn control_characters_in_the_log_are_escaped() {
    let (fixture, laptop) = Fixture::lived_in().await;
    let sly = "\u{1b}[2J \u{9b}31m \u{202e}drawkcab";
    laptop.push(vec![change(ChangeOp::Insert, "tasks", "\u{202e}row", Some(json!({"title": sly})))]).await;
    for command in [&["rows", "tasks", "--full"] as &[&str], &["rows", "tasks", "--json"]] {
        let output = fixture.inspector().run(command);
        assert!(!output.stdout.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{:?}", output.stdout);
        assert!(output.stdout.contains("drawkcab"));
    }
    let found = fixture.inspector().json(&["rows", "tasks"]);
    let rows = found["rows"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["value"]["title"] == sly), "programs get it as it is");
}

#[tokio::test]
async fn an_empty_log_is_shown_as_such() {
    let fixture = Fixture::empty().await;
    fixture.device("Laptop").await;
    let output = fixture.inspector().run(&["tables"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "none\n"));
}
