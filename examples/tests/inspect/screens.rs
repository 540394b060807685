//! What people see.

use serde_json::json;
use tidelog_client::ChangeOp;

use crate::inspect::world::{World, change};

/// Columns that a line may take.
const PAGE: usize = 100;

#[tokio::test]
async fn a_history_marks_what_each_entry_changed_field_by_field() {
    let (world, _) = World::lived_in().await;
    let ran = world.inspector().run(&["history", "tasks", "1"]);
    let expected = "\
seq 2  insert  2026-01-02 03:04:05 UTC  Laptop  key 1
    done: false
    title: \"Buy milk\"

seq 5  update  2026-01-02 03:04:05 UTC  Phone  key 1
  + by: \"Mia\"
  - done: false
  ~ title: \"Buy oat milk\"
";
    assert_eq!(ran.stdout, expected);
}

#[tokio::test]
async fn lines_are_truncated_unless_all_is_requested() {
    let (world, laptop) = World::lived_in().await;
    let long = "長い".repeat(PAGE);
    laptop.push(vec![change(ChangeOp::Insert, "tasks", "3", Some(json!({"title": &long})))]).await;
    for command in [&["rows", "tasks"] as &[&str], &["history", "tasks", "3"]] {
        let ran = world.inspector().run(command);
        assert!(ran.stdout.contains('…'), "{}", ran.stdout);
        let widths = ran.stdout.lines().map(unicode_width::UnicodeWidthStr::width);
        assert!(widths.max().is_some_and(|widest| widest <= PAGE), "{}", ran.stdout);
        let full = world.inspector().run(&[command, &["--full"]].concat());
        assert!(full.stdout.contains(&long) && !full.stdout.contains('…'), "{}", full.stdout);
    }
}

#[tokio::test]
async fn the_id_of_a_device_is_whole_however_long_its_name() {
    let (world, _) = World::lived_in().await;
    let long = world.device(&"name ".repeat(40)).await;
    let ran = world.inspector().run(&["devices"]);
    assert!(ran.stdout.contains(&long.id.to_string()), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= PAGE), "{}", ran.stdout);
}

#[tokio::test]
async fn control_characters_in_the_log_are_escaped() {
    let (world, laptop) = World::lived_in().await;
    let sly = "\u{1b}[2J \u{9b}31m \u{202e}drawkcab";
    laptop.push(vec![change(ChangeOp::Insert, "tasks", "\u{202e}row", Some(json!({"title": sly})))]).await;
    for command in [&["rows", "tasks", "--full"] as &[&str], &["rows", "tasks", "--json"]] {
        let ran = world.inspector().run(command);
        assert!(!ran.stdout.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{:?}", ran.stdout);
        assert!(ran.stdout.contains("drawkcab"));
    }
    let found = world.inspector().json(&["rows", "tasks"]);
    let rows = found["rows"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["value"]["title"] == sly), "programs get it as it is");
}

#[tokio::test]
async fn an_empty_log_is_shown_as_such() {
    let world = World::empty().await;
    world.device("Laptop").await;
    let ran = world.inspector().run(&["tables"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "none\n"));
}
